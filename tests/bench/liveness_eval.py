"""Liveness cues on simulated attacks and on real faces: APCER- and BPCER-like figures, and the cost.

    python tests/bench/liveness_eval.py --data ../shared/data --json out.json

The attacks are SIMULATED (tests/rephotograph.py): real pictures drawn onto screens and paper, held into a
real scene. They are not attacks on a real camera, and the figures say nothing about ISO/IEC 30107-3. The
living are the faces of the one film there is, with real motion, and single LFW pictures, of which only the
face itself can be judged (their surroundings were cut and turned by whoever made the set).

Limits of the cues were chosen by looking at some of these persons (``looked_at``) and at the film; figures
are of the other persons. There is no second film.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge.evidence.challenge import Phase, Turn, begin, observe
from edge.evidence.liveness import IMAGE_CUES, LivenessEvidence
from edge.records import Box, Kind, Liveness, Sighting
from edge.vision.liveness import cues_of, frame_cue, surface_cues, texture_cue
from models.face import open_detector
from models.results import FaceDetection

sys.path[:0] = [str(Path(__file__).resolve().parents[1])]
from rephotograph import MEDIA, Medium, hand_held, show  # noqa: E402

LEAST_FACE_PX = 48
READS = 10


def looked_at(number: int) -> bool:
    """Whether a person, by number, was seen while limits were chosen."""
    return number % 3 == 0 or number % 10 == 1 or number % 30 == 2


CUES = (*IMAGE_CUES, "parallax")


@dataclass
class Track:
    """One face over some frames, as the vision process would send it."""

    evidence: LivenessEvidence = field(default_factory=LivenessEvidence)
    points: list[tuple[float, ...]] = field(default_factory=list)
    seen: list[tuple[np.ndarray, Box]] = field(default_factory=list)
    seq: int = 0

    def see(self, image: np.ndarray, face: FaceDetection) -> None:
        box = Box(face.left, face.top, face.right, face.bottom)
        points = () if face.landmarks is None else tuple(float(v) for v in face.landmarks.ravel())
        self.seq += 1
        self.evidence.observe(
            Sighting(
                *("cam", "s", 1, Kind.FACE, self.seq, self.seq, self.seq, box, 0.9),
                points=points,
                cues=cues_of(image, box),
            )
        )
        self.points.append(points)
        self.seen.append((image, box))


def pictures(data: Path) -> list[np.ndarray]:
    """A picture of each person not looked at before, without the rim that turning it upright left."""
    people = sorted((data / "faces" / "lfw-dev").iterdir())
    chosen = [person for number, person in enumerate(people) if not looked_at(number)]
    return [cv2.imread(str(min(person.iterdir())))[25:225, 25:225] for person in chosen]


def film(data: Path) -> list[np.ndarray]:
    capture = cv2.VideoCapture(str(next((data / "faces" / "clip").glob("*.mp4"))))
    frames = []
    while True:
        good, frame = capture.read()
        if not good:
            return frames
        frames.append(frame)


def real_tracks(frames: list[np.ndarray], detector: Any) -> list[Track]:
    """Faces of the film followed by their place, cut into pieces of ``READS`` reads."""
    open_tracks: list[tuple[int, tuple[float, float], Track]] = []
    done: list[Track] = []
    for number in range(0, len(frames), 2):
        still: list[tuple[int, tuple[float, float], Track]] = []
        faces = [f for f in detector.detect(frames[number]) if f.right - f.left >= LEAST_FACE_PX]
        for last, place, track in open_tracks:
            near = [f for f in faces if np.hypot(*np.subtract(middle(f), place)) < (f.right - f.left) / 2]
            if near and track.seq < READS:
                faces = [f for f in faces if f is not near[0]]
                track.see(frames[number], near[0])
                still.append((number, middle(near[0]), track))
            elif number - last > 6 or track.seq >= READS:
                done.append(track)
            else:
                still.append((last, place, track))
        for face in faces:
            track = Track()
            track.see(frames[number], face)
            still.append((number, middle(face), track))
        open_tracks = still
    done += [track for _, _, track in open_tracks]
    return [track for track in done if track.seq >= 4]


def middle(face: FaceDetection) -> tuple[float, float]:
    return (face.left + face.right) / 2, (face.top + face.bottom) / 2


def attack(
    picture: np.ndarray, scene: np.ndarray, medium: Medium, detector: Any, rng: np.random.Generator
) -> Track:
    """A picture held before the camera by a hand, read in ``READS`` frames."""
    side = (230.0 if medium.border else 520.0) * rng.uniform(0.85, 1.15)
    track = Track()
    centre = (320 + rng.uniform(-60, 60), 180.0)
    for corners in hand_held(centre, (side, side), READS, rng):
        image = show(picture, scene, corners, medium, rng)
        at = corners.mean(axis=0)
        for face in detector.detect(image):
            inside = face.left < at[0] < face.right and face.top < at[1] < face.bottom
            if inside and face.right - face.left >= LEAST_FACE_PX:
                track.see(image, face)
                break
    return track


def replay(frames: list[np.ndarray], detector: Any, rng: np.random.Generator) -> list[Track]:
    """The film itself, played on a screen that fills the view of the camera."""
    screen = Medium("", True, rows=1080, border=0.0)
    height, width = frames[0].shape[:2]
    corners = np.array([[-40, -25], [width + 40, -25], [width + 40, height + 25], [-40, height + 25]], float)
    shown = [show(frame, frame, corners, screen, rng) for frame in frames[::2]]
    return real_tracks([frame for frame in shown for _ in range(2)], detector)


def answers(tracks: list[Track]) -> dict[str, Any]:
    """Shares of tracks: those that reach the passive level, and those to which each cue objects."""
    found = [track.evidence.findings(least_score=0.5, least_model=1.0) for track in tracks]
    cues = {
        name: [f.numbers["cues"][name] for f in found if f.numbers["cues"][name] is not None] for name in CUES
    }
    return {
        "tracks": len(tracks),
        "passive": share([f.level is Liveness.PASSIVE for f in found]),
        "not enough": share([f.score is None for f in found]),
        "objects": {name: share([value < 0.5 for value in values]) for name, values in cues.items()},
        "speaks": {name: round(len(values) / max(len(tracks), 1), 3) for name, values in cues.items()},
    }


def share(values: list[bool]) -> float | None:
    return round(float(np.mean(values)), 3) if values else None


def tilts(turns: tuple[Turn, ...]) -> Iterator[float]:
    """Yaw in degrees of a flat picture that is tilted as the challenge asks, as far as a hand can."""
    for turn in turns:
        most = 55.0 if turn is Turn.LEFT else -55.0
        yield from np.linspace(0, most, 10)
        yield from np.linspace(most, 0, 10)


def challenged(picture: np.ndarray, scene: np.ndarray, detector: Any, rng: np.random.Generator) -> Phase:
    """What becomes of a challenge whose answer is a tilted picture, through real detector points."""
    turns = tuple((Turn.LEFT, Turn.RIGHT)[int(rng.integers(2))] for _ in range(2))
    state = None
    for step, yaw in enumerate([0.0, *tilts(turns)]):
        half = 130.0
        angle = np.radians(yaw)
        flat = np.array([[-half, -half], [half, -half], [half, half], [-half, half]])
        depth = 6 * 2 * half + flat[:, 0] * np.sin(angle)
        corners = flat * (np.cos(angle), 1) * (6 * 2 * half / depth)[:, None] + (320, 180)
        faces = detector.detect(show(picture, scene, corners, MEDIA[0], rng))
        if not faces:
            continue
        points = tuple(float(value) for value in faces[0].landmarks.ravel())
        if state is None:
            state = begin("p", turns, points, 0, 60.0)
            continue
        state = observe(state, points, step * 150_000_000, "p")
    return Phase.FAILED if state is None else state.phase


def cost(seen: list[tuple[np.ndarray, Box]]) -> dict[str, float]:
    """Milliseconds of processor time for each read face; less disturbed by other work than the clock."""
    figures = {}
    for name, function in (
        ("frame", frame_cue),
        ("texture", texture_cue),
        ("colour and glare", surface_cues),
        ("all", cues_of),
    ):
        times = []
        for image, box in seen:
            began = time.thread_time()
            function(image, box)
            times.append((time.thread_time() - began) * 1000)
        figures[name] = round(float(np.median(times)), 2)
    return figures


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("--data", type=Path, required=True, help="shared data folder")
    given.add_argument("--persons", type=int, default=40, help="pictures for each medium; 0: the cost only")
    given.add_argument("--json", type=Path)
    options = given.parse_args()
    cv2.setNumThreads(1)
    rng = np.random.default_rng(2026)
    network = next((options.data / "models").glob("*yunet*.onnx"))
    detector = open_detector("yunet", yunet_path=network, min_face_px=LEAST_FACE_PX)
    faces, frames = pictures(options.data), film(options.data)
    chosen = [faces[int(i)] for i in np.linspace(0, len(faces) - 1, options.persons)]

    living = real_tracks(frames, detector)
    results: dict[str, Any] = {"real film": answers(living)}
    stills = []
    for picture in faces[:: max(1, len(faces) // 150)]:
        for face in detector.detect(picture)[:1]:
            box = Box(face.left, face.top, face.right, face.bottom)
            stills.append({**texture_cue(picture, box), **surface_cues(picture, box)})
    results["LFW, single pictures"] = {
        "tracks": len(stills),
        "objects": {
            name: share([cues[name] < 0.5 for cues in stills if name in cues])
            for name in ("texture", "colour", "glare")
        },
    }
    for medium in MEDIA if options.persons else ():
        scenes = rng.integers(0, len(frames), len(chosen))
        tracks = [
            attack(picture, frames[int(scene)], medium, detector, rng)
            for picture, scene in zip(chosen, scenes, strict=True)
        ]
        results[medium.name] = answers([track for track in tracks if track.seq])
        print(f"{medium.name}: done", flush=True)
    if options.persons:
        results["film played on a screen that fills the view"] = answers(replay(frames, detector, rng))
    phases = [challenged(picture, frames[10], detector, rng) for picture in chosen]
    report = {
        "simulated": "attacks are simulated; see the head of this file",
        "least score": 0.5,
        "results": results,
        "challenge, tilted picture": {
            "tries": len(phases),
            "passed": sum(phase is Phase.PASSED for phase in phases),
        },
        "cost_ms": cost([pair for track in living for pair in track.seen]),
    }
    print(table(results))
    print(f"challenge answered by tilting a picture: {report['challenge, tilted picture']}")
    print(f"cost, processor ms for each read face: {report['cost_ms']}")
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def table(results: dict[str, Any]) -> str:
    head = f"{'':46}{'tracks':>7}{'passive':>9}" + "".join(f"{name:>10}" for name in CUES)
    lines = [
        "share of tracks at the passive level, and to which each cue objects (blank: it did not speak)",
        head,
    ]
    for name, row in results.items():
        passive = row.get("passive")
        cells = "".join(
            f"{'' if row['objects'].get(cue) is None else row['objects'][cue]:>10}" for cue in CUES
        )
        lines.append(f"{name:46}{row['tracks']:>7}{'' if passive is None else passive:>9}{cells}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
