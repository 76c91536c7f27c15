"""The whole vision process with its real networks on real pictures: frames in, sightings out of the pipe.

A film goes on by its own clock, and what a busy machine has no time for is overtaken: where too little was
read for that reason, the same film is played once more, slower, and must give what was asked for.
"""

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
from edge.vision.messages import Health, Ready, Stats
from edge.vision.sight import ENDED
from models.face import load_picture, open_detector, open_embedder, single_face
from models.plate import plate_distance

pytestmark = pytest.mark.shared_data
CLOCK = SystemClock()


def watch(settings: CameraSettings, models: ModelSettings, cache_dir: Path | None) -> list[Sighting]:
    """Play a film until it is over and all tracks have ended; everything that was sighted, in order."""
    sightings: list[Sighting] = []
    is_over = False
    with VisionProcess(
        "gate", settings, models, CLOCK, session="s", cache_dir=cache_dir, log_level="error"
    ) as process:
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            message = process.poll(0.25)
            if isinstance(message, Ready):
                assert message.session == "s"
            elif isinstance(message, Health) and message.name == ENDED and message.standing:
                is_over = True
            elif isinstance(message, Sighting):
                sightings.append(message)
            elif isinstance(message, Stats) and is_over and not message.tracks:
                return sightings
    raise AssertionError("the film did not end" if not is_over else "its tracks did not end")


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
    for fps in (None, 5.0):
        film = ReplayCamera(source=str(clip / "short_hamilton_clip.mp4"), looks_for=("face",), fps=fps)
        sightings = watch(film, ModelSettings(face_detector="hog", face_embedder="dlib-onnx"), tmp_path)

        check_story(sightings)
        reads = [s for s in sightings if s.template and not s.ended]
        assert all(s.kind is Kind.FACE and len(s.template) == 512 for s in reads)
        templates = np.array([np.frombuffer(s.template, "<f4") for s in reads]).reshape(-1, 128)
        named = {
            name: int((np.linalg.norm(templates - portrait, axis=1) < 0.55).sum())
            for name, portrait in known.items()
        }
        # Both are in the film; who is seen longer from the front is read more often.
        if len(reads) >= 10 and max(named.values()) >= 5:
            return
    raise AssertionError(f"{len(reads)} reads, of which are named {named}")


def test_photographs_of_cars_give_the_lattices_of_their_plates(shared_data: Path) -> None:
    folder = shared_data / "plates" / "ccpd"
    labels = json.loads((folder / "labels.json").read_text("utf-8"))
    texts = [entry["plate"] for entry in (labels.values() if isinstance(labels, dict) else labels)]
    for fps in (0.8, 0.2):
        slides = ReplayCamera(source=str(folder), looks_for=("plate",), fps=fps)
        sightings = watch(slides, ModelSettings(plate_reader="rapidocr"), None)

        check_story(sightings)
        reads = {"".join(p[0][0] for p in s.lattice) for s in sightings if s.lattice and not s.ended}
        found = [text for text in texts if any(plate_distance(text, read) <= 1.0 for read in reads)]
        # Other cars are other tracks.
        tracks = {s.track_id for s in sightings if s.lattice}
        if len(found) >= 8 and len(tracks) >= 8:
            return
    raise AssertionError(f"found {found} in {reads}, {len(tracks)} tracks")
