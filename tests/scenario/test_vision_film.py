"""The whole vision process with its real networks on real pictures: frames in, sightings out of the pipe."""

import json
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.clock import SystemClock
from edge.records import Kind, Sighting
from edge.settings import CameraSettings, ModelSettings, ReplayCamera
from edge.vision import VisionProcess
from edge.vision.messages import Health, Ready
from edge.vision.sight import ENDED
from models.face import load_picture, open_detector, open_embedder, single_face
from models.plate import plate_distance

pytestmark = pytest.mark.shared_data
CLOCK = SystemClock()


def watch(settings: CameraSettings, models: ModelSettings, cache_dir: Path | None) -> list[Sighting]:
    """Play a film to its end; everything that was sighted, in order."""
    sightings: list[Sighting] = []
    with VisionProcess(
        "gate", settings, models, CLOCK, session="s", cache_dir=cache_dir, log_level="error"
    ) as process:
        deadline = time.monotonic() + 120
        over_at = deadline
        while time.monotonic() < min(deadline, over_at):
            message = process.poll(0.25)
            if isinstance(message, Ready):
                assert message.session == "s"
            elif isinstance(message, Health) and message.name == ENDED:
                over_at = time.monotonic() + 3.0  # the tracks end after two seconds without a frame
            elif isinstance(message, Sighting):
                sightings.append(message)
    assert over_at < deadline, "the film did not end"
    return sightings


def check_story(sightings: list[Sighting]) -> None:
    """What holds for the sightings of every film."""
    ended: set[int] = set()
    for sighting in sightings:
        assert sighting.track_id not in ended, "a track speaks after its end"
        assert 0 < sighting.taken_ns <= sighting.sent_ns
        if sighting.ended:
            ended.add(sighting.track_id)
        elif not sighting.flaw:
            crop = cv2.imdecode(np.frombuffer(sighting.crop_jpeg, np.uint8), cv2.IMREAD_COLOR)
            assert crop is not None
            assert {"capture_to_start", "detect"} < set(sighting.stages_ms)
    assert ended == {sighting.track_id for sighting in sightings}


def test_the_film_of_two_known_persons_gives_templates_of_the_one_who_is_seen(
    shared_data: Path, tmp_path: Path
) -> None:
    clip = shared_data / "faces" / "clip"
    detector, embedder = open_detector("hog"), open_embedder("dlib")
    known = {}
    for name in ("alex-lacamoire", "lin-manuel-miranda"):
        portrait = load_picture(clip / f"{name}.png")
        known[name] = embedder.embed(portrait, [single_face(portrait, detector)])[0]
    film = ReplayCamera(source=str(clip / "short_hamilton_clip.mp4"), looks_for=("face",))
    sightings = watch(film, ModelSettings(face_detector="hog", face_embedder="dlib-onnx"), tmp_path)

    check_story(sightings)
    reads = [s for s in sightings if s.template and not s.ended]
    assert len(reads) >= 10
    assert all(s.kind is Kind.FACE and len(s.template) == 512 for s in reads)
    templates = np.array([np.frombuffer(s.template, "<f4") for s in reads])
    named = {
        name: int((np.linalg.norm(templates - portrait, axis=1) < 0.55).sum())
        for name, portrait in known.items()
    }
    # Both are in the film; who is seen longer from the front is read more often.
    assert max(named.values()) >= 5, named


def test_photographs_of_cars_give_the_lattices_of_their_plates(shared_data: Path) -> None:
    folder = shared_data / "plates" / "ccpd"
    labels = json.loads((folder / "labels.json").read_text("utf-8"))
    texts = [entry["plate"] for entry in (labels.values() if isinstance(labels, dict) else labels)]
    slides = ReplayCamera(source=str(folder), looks_for=("plate",), fps=0.8)
    sightings = watch(slides, ModelSettings(plate_reader="rapidocr"), None)

    check_story(sightings)
    reads = {"".join(p[0][0] for p in s.lattice) for s in sightings if s.lattice and not s.ended}
    found = [text for text in texts if any(plate_distance(text, read) <= 1.0 for read in reads)]
    assert len(found) >= 8, (found, reads)
    assert len({s.track_id for s in sightings if s.lattice}) >= 8, "other cars are other tracks"
