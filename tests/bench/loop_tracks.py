"""How well a track is carried while nobody looks: constant velocity against sparse optical flow.

    python tests/bench/loop_tracks.py --clip faces/clip --yunet yunet.onnx [--every 6] [--json out.json]

Everything is found in every frame of the real film and of drawn cars; that is the truth. Then a second
tracker is told of every sixth frame only (0.2 s at 30 frames/s: as seldom as settled tracks are looked at),
and before each look it is asked where it expects its tracks. Sparse optical flow (Lucas and Kanade's, in
pyramids, 25 points of each box, frame by frame) is asked the same. Overlap is that of the expected and the
found box; below 0.15 a track would not be joined by its place.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "bench")]

import cv2  # noqa: E402
import numpy as np  # noqa: E402
from faces_film import FILM, frames  # noqa: E402
from loop_rigs import cars  # noqa: E402

from edge.records import Box  # noqa: E402
from edge.settings import ModelSettings  # noqa: E402
from edge.vision.senses import Sense, open_senses  # noqa: E402
from edge.vision.tracking import LEAST_IOU, Seen, Tracker  # noqa: E402

POINTS = 5


def flowed(before: np.ndarray, now: np.ndarray, boxes: Sequence[Box]) -> list[Box]:
    """Where boxes have gone from one grey picture to the next: by the median way of their points."""
    if not boxes:
        return []
    parts = (np.arange(POINTS) + 0.5) / POINTS
    grids = [
        [(box.left + x * box.width, box.top + y * box.height) for y in parts for x in parts] for box in boxes
    ]
    points = np.array(grids, np.float32).reshape(-1, 1, 2)
    ends, found, _ = cv2.calcOpticalFlowPyrLK(before, now, points, None, winSize=(15, 15), maxLevel=3)
    ways = (ends - points).reshape(len(boxes), -1, 2)
    good = found.reshape(len(boxes), -1) == 1
    moved = []
    for box, way, sure in zip(boxes, ways, good, strict=True):
        x, y = np.median(way[sure], axis=0).tolist() if sure.any() else (0.0, 0.0)
        moved.append(Box(box.left + x, box.top + y, box.right + x, box.bottom + y))
    return moved


def carried(path: Path, fps: float, sense: Sense, every: int) -> dict[str, Any]:
    """One film."""
    dense, sparse = Tracker(), Tracker()
    overlaps: dict[str, list[float]] = {"constant velocity": [], "optical flow": [], "where it was": []}
    truth: dict[int, int] = {}
    flows: dict[int, Box] = {}
    switches, flow_ms, before = 0, [], None
    for number, image in frames(path):
        now_ns = 10**9 + round(number * 1e9 / fps)
        seen = [Seen(finding.box, finding.text) for finding in sense.find(image)]
        whole = dense.update(sense.kind, seen, now_ns)
        dense.end_lost(now_ns)
        began = time.perf_counter()
        grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        if before is not None:
            flows = dict(zip(flows, flowed(before, grey, list(flows.values())), strict=True))
        flow_ms.append(1000 * (time.perf_counter() - began))
        before = grey
        if number % every:
            continue
        there = {track.id: thing.box for track, thing in zip(whole, seen, strict=True)}
        for track in sparse.tracks():
            box = there.get(truth.get(track.id, -1))
            if box is not None and track.hits > 1:
                overlaps["constant velocity"].append(track.expected(now_ns).iou(box))
                overlaps["optical flow"].append(flows[track.id].iou(box))
                overlaps["where it was"].append(track.box.iou(box))
        for track, real in zip(sparse.update(sense.kind, seen, now_ns), whole, strict=True):
            switches += truth.get(track.id, real.id) != real.id
            truth[track.id] = real.id
            flows[track.id] = track.box
        for gone in sparse.end_lost(now_ns):
            flows.pop(gone.id, None)
    return {
        "looks": len(overlaps["where it was"]),
        "took another's place": switches,
        "overlap": {
            name: {
                "p5": round(float(np.percentile(values, 5)), 3),
                "median": round(float(np.median(values)), 3),
                "below the limit": sum(value < LEAST_IOU for value in values),
            }
            for name, values in overlaps.items()
        },
        "flow_ms_a_frame": round(float(np.median(flow_ms)), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clip", type=Path, required=True, help="folder with the real film")
    parser.add_argument("--yunet", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("/tmp/gatehouse-bench"))
    parser.add_argument("--every", type=int, default=6)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    cv2.setNumThreads(1)
    models = ModelSettings(face_detector="yunet" if given.yunet else "hog", yunet_path=given.yunet)
    face, plate = open_senses(
        ("face", "plate"), models, min_face_px=40, min_plate_px=16, cache_dir=given.cache
    )
    result: dict[str, Any] = {"load": os.getloadavg()[0], "every": given.every}
    with tempfile.TemporaryDirectory(prefix="gatehouse-tracks-") as folder:
        lane = Path(folder) / "cars.avi"
        cars(lane, 25.0, 2)
        for name, path, fps, sense in (
            ("real film, faces", given.clip / FILM, 30.0, face),
            ("drawn lane, plates", lane, 25.0, plate),
        ):
            result[name] = carried(path, fps, sense, given.every)
            print(name, json.dumps(result[name], indent=1))
    if given.json:
        given.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
