"""What the stages of the loop cost on one core: the motion gate, and detection in parts against the whole.

    python tests/bench/loop_stages.py [--rounds 400] [--clip faces/clip --yunet yunet.onnx] [--json out.json]

The gate is timed on a 720p and a 640x360 yard with a sensor's noise: nothing moves, and somebody walks. With
the shared film, alone and hung on the wall of a still yard, the loop is run twice over every frame of it:
once with parts, and once with the whole picture each time. Compared are faces found and named, pixels shown
to the network, and milliseconds.
"""

import argparse
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from faces_film import ALEX, FILM, LIN, Gate, counted, frames

from edge.face_models import face_set, open_face_detector, open_face_embedder, pair_distances
from edge.records import Box
from edge.settings import ModelSettings
from edge.vision import areas, loop
from edge.vision.areas import Zones
from edge.vision.motion import MaskOf, MotionGate
from edge.vision.senses import open_senses
from models.face import FaceRule, Gallery, ask, load_picture, single_face

RATE = 0.02
FRAME_NS = 66_666_667
SIZES = ((1280, 720), (640, 360), (1920, 1080))
SAME_IOU = 0.5
PLACES = ((640, 360), (0, 0), (333, 201))


def percentiles(times_ns: list[int]) -> dict[str, float]:
    """Milliseconds at p50, p95 and p99."""
    values = np.percentile(np.array(times_ns) / 1e6, (50, 95, 99))
    return {name: round(float(value), 4) for name, value in zip(("p50", "p95", "p99"), values, strict=True)}


def yard(width: int, height: int) -> list[np.ndarray]:
    """Eight pictures of a yard that differ in noise only."""
    rng = np.random.default_rng(3)
    ground = 90 + 30 * np.sin(np.arange(width) / 40)[None, :, None] + np.zeros((height, width, 3))
    return [np.clip(ground + rng.integers(-6, 7, ground.shape), 0, 255).astype(np.uint8) for _ in range(8)]


def walked(pictures: list[np.ndarray], rounds: int) -> Iterator[np.ndarray]:
    """The same with somebody who walks through, drawn into a copy made beforehand."""
    height, width = pictures[0].shape[:2]
    shown = [picture.copy() for picture in pictures]
    tall, wide = height // 4, height // 12
    for number in range(rounds):
        picture = shown[number % 8]
        picture[:] = pictures[number % 8]
        left = 20 + number * 5 % (width - wide - 40)
        picture[height // 3 : height // 3 + tall, left : left + wide] = 200
        yield picture


def gate_ms(pictures: Iterator[np.ndarray], rounds: int, mask: MaskOf) -> dict[str, float]:
    """Times of the gate alone."""
    gate, times = MotionGate(mask_of=mask), []
    for number, picture in enumerate(pictures):
        began = time.perf_counter_ns()
        gate.look(picture, number * FRAME_NS)
        times.append(time.perf_counter_ns() - began)
        if number == rounds:
            break
    return percentiles(times[20:])


def gates(rounds: int) -> dict[str, Any]:
    """The gate on each size, still and moving, with and without a mask."""
    result: dict[str, Any] = {}
    for width, height in SIZES:
        pictures = yard(width, height)
        half = Zones(watch=(((0.0, 0.0), (0.6, 0.0), (0.5, 1.0), (0.0, 1.0)),))
        masks: tuple[MaskOf, MaskOf] = (
            lambda _columns, _rows: None,
            lambda columns, rows: half.mask(columns, rows, (0.0, 0.0, 1.0, 1.0)),  # noqa: B023
        )
        still = (pictures[number % 8] for number in range(rounds + 1))
        result[f"{width}x{height}"] = {
            "still": gate_ms(still, rounds, masks[0]),
            "somebody walks": gate_ms(walked(pictures, rounds), rounds, masks[0]),
            "with a mask": gate_ms((pictures[number % 8] for number in range(rounds + 1)), rounds, masks[1]),
        }
    return result


class Wall(Gate):
    """The loop on the film, which hangs on the wall of a yard; what it found and named when."""

    def __init__(self, senses: list, gallery: Gallery, rule: FaceRule, smallest_px: int) -> None:
        super().__init__(senses, gallery, rule, smallest_px)
        self.ms = 0.0
        self.frames = 0

    def run(self, film: Path, place: tuple[int, int] | None) -> "Wall":
        """Every frame, as fast as it goes."""
        walls = yard(1280, 720) if place else []
        for number, image in frames(film):
            shown = image
            if place:
                left, top = place
                shown = walls[number % 8]
                shown[top : top + image.shape[0], left : left + image.shape[1]] = image
            began = time.perf_counter_ns()
            self.step(number, shown)
            self.ms += (time.perf_counter_ns() - began) / 1e6
            self.frames += 1
        left, top = place or (0, 0)
        self.seen = [
            (number, track, (box[0] - left, box[1] - top, box[2] - left, box[3] - top), name)
            for number, track, box, name in self.seen
        ]
        return self

    def figures(self) -> dict[str, Any]:
        """What it found, and what it cost."""
        (searched,) = self.lookout._searches
        return {
            "named in the frame": counted([(n, box, name) for n, _, box, name in self.seen]),
            "named by its track": counted([(n, box, self.named.get(t, "")) for n, t, box, _ in self.seen]),
            "searches": searched.searches,
            "of all the picture": searched.wholes,
            "megapixels": round(searched.pixels / 1e6, 1),
            "reads": self.lookout.reads,
            "detect ms": self.lookout.timer.medians().get("detect"),
            "ms a frame": round(self.ms / self.frames, 2),
        }


def lost(whole: Wall, parts: Wall) -> int:
    """Faces that one run found in a frame and the other did not."""
    by_frame: dict[int, list[Box]] = {}
    for number, _, box, _ in parts.seen:
        by_frame.setdefault(number, []).append(Box(*box))
    return sum(
        not any(Box(*box).iou(other) >= SAME_IOU for other in by_frame.get(number, []))
        for number, _, box, _ in whole.seen
    )


def film_parts(
    clip: Path, yunet: Path | None, smallest_px: int, cache: Path, walls: int
) -> Iterator[tuple[str, Any]]:
    """The film with parts and with whole pictures; every frame is searched, so that faces can be compared."""
    models = ModelSettings(face_detector="yunet" if yunet else "hog", yunet_path=yunet)
    detector = open_face_detector(models, cache, upsample=1)
    embedder = open_face_embedder(models, cache, thorough=True)
    entries = []
    for name in (LIN, ALEX):
        image = load_picture(clip / f"{name}.png")
        entries.append((name, embedder.embed(image, [single_face(image, detector)])[0]))
    gallery = Gallery.build(face_set(models), entries)
    rule = ask(gallery, pair_distances(models)).rule(RATE, of_visits=True)
    senses = open_senses(("face",), models, min_face_px=smallest_px, min_plate_px=16, cache_dir=cache)
    for place in (None, *PLACES[:walls]):
        runs = {}
        for label, share in (("parts", areas.WHOLE_SHARE), ("whole", 0.0)):
            before, areas.WHOLE_SHARE = areas.WHOLE_SHARE, share
            carried, loop.CARRY_S = loop.CARRY_S, 0.0
            try:
                runs[label] = Wall(senses, gallery, rule, smallest_px).run(clip / FILM, place)
            finally:
                areas.WHOLE_SHARE, loop.CARRY_S = before, carried
        figures: dict[str, Any] = {label: run.figures() for label, run in runs.items()}
        figures["found in the whole picture, not in parts"] = lost(runs["whole"], runs["parts"])
        figures["found in parts, not in the whole picture"] = lost(runs["parts"], runs["whole"])
        yield f"film at {place[0]}, {place[1]} of 720p" if place else "film", figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=400)
    parser.add_argument("--clip", type=Path, help="folder with the film")
    parser.add_argument("--yunet", type=Path)
    parser.add_argument("--smallest", type=int, default=40, help="smallest face, pixels high")
    parser.add_argument("--walls", type=int, default=len(PLACES), help="places of the film in the yard")
    parser.add_argument("--cache", type=Path, default=Path("/tmp/gatehouse-bench"))
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    cv2.setNumThreads(1)
    result: dict[str, Any] = {"load": os.getloadavg()[0], "gate ms": gates(given.rounds)}
    if given.clip:
        result |= dict(film_parts(given.clip, given.yunet, given.smallest, given.cache, given.walls))
    print(json.dumps(result, indent=1))
    if given.json:
        given.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
