"""The real vision process with the face engine: memory, and time from its start to the first decision.

    python tests/bench/faces_memory.py --clip faces/clip --yunet yunet.onnx --json out.json

Starts ``edge.vision.child`` as the daemon does (``VisionProcess``), with the networks already converted, on

- the close shot of the shared film as a folder of pictures, for the time to the first decision: the evidence
  and the rule are those of the daemon, the gallery is the two portraits and the first picture of the shot;
- the whole film, and the film enlarged to 1280x720, for the memory while it plays and after.

Memory is the resident set (RSS) that the process itself reports with its statistics, its peak (VmHWM), and
what is its own (PSS). Repeated --times; the middle one is reported.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from edge.clock import SystemClock
from edge.evidence import FaceEvidence
from edge.face_models import face_set, open_face_detector, open_face_embedder, pair_distances
from edge.records import Sighting
from edge.settings import ModelSettings, ReplayCamera
from edge.vision.messages import Ready, Stats
from edge.vision.process import VisionProcess
from models.face import Gallery, ask, load_picture, single_face

FILM, CLOSE_SHOT = "short_hamilton_clip.mp4", range(100, 160)
PERSONS = ("lin-manuel-miranda", "alex-lacamoire")


def shot(film: Path, folder: Path) -> Path:
    """The close shot as pictures."""
    capture = cv2.VideoCapture(str(film))
    for number in range(CLOSE_SHOT.stop):
        _, image = capture.read()
        if number in CLOSE_SHOT:
            cv2.imwrite(str(folder / f"{number:04d}.jpg"), image, [cv2.IMWRITE_JPEG_QUALITY, 95])
    capture.release()
    return folder


def enlarged(film: Path, path: Path) -> Path:
    """The film at 1280x720."""
    capture = cv2.VideoCapture(str(film))
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 30, (1280, 720))
    while True:
        more, image = capture.read()
        if not more:
            break
        writer.write(cv2.resize(image, (1280, 720), interpolation=cv2.INTER_CUBIC))
    writer.release()
    capture.release()
    return path


def gallery_of(models: ModelSettings, cache: Path, clip: Path, close: Path) -> Gallery:
    detector = open_face_detector(models, cache, upsample=1)
    embedder = open_face_embedder(models, cache, thorough=True)
    entries = []
    for name in PERSONS:
        image = load_picture(clip / f"{name}.png")
        entries.append((name, embedder.embed(image, [single_face(image, detector)])[0]))
    first = load_picture(min(close.iterdir()))
    entries.append((PERSONS[0], embedder.embed(first, [single_face(first, detector)])[0]))
    return Gallery.build(face_set(models), entries)


def memory_of(pid: int) -> dict[str, float]:
    """RSS, its peak, and PSS in MB (a million bytes)."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    rollup = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    )
    return {
        name: int(values[field].split()[0]) * 1024 / 1e6
        for name, values, field in (
            ("rss", status, "VmRSS"),
            ("peak", status, "VmHWM"),
            ("pss", rollup, "Pss"),
        )
    }


def watched(
    source: Path, models: ModelSettings, cache: Path, gallery: Gallery | None, **options: float
) -> dict:
    """Run one vision process until it has decided, or its film is over."""
    settings = ReplayCamera(source=str(source), looks_for=("face",), max_fps=30, min_face_px=40, **options)
    rule = None if gallery is None else ask(gallery, pair_distances(models)).rule(of_visits=True)
    evidence: dict[int, FaceEvidence] = {}
    result: dict = {"reported rss": 0.0, "reads": 0}
    started = time.monotonic()
    with VisionProcess(
        "bench", settings, models, SystemClock(), session="bench", cache_dir=cache, log_level="error"
    ) as process:
        idle = 0
        while time.monotonic() - started < 60 and idle < 3:
            message = process.poll(0.5)
            since = time.monotonic() - started
            if isinstance(message, Ready):
                result["start to ready s"], result["at ready"] = since, memory_of(process.pid)
            elif isinstance(message, Stats):
                result["reported rss"] = max(result["reported rss"], message.rss_mb)
                idle = idle + 1 if message.reads == result["reads"] and message.reads else 0
                result["reads"] = message.reads
            elif isinstance(message, Sighting) and message.template and not message.flaw:
                result.setdefault("start to first template s", since)
                if gallery is None or rule is None:
                    continue
                told = evidence.setdefault(message.track_id, FaceEvidence(visit="v", rule=rule))
                match = gallery.match(np.frombuffer(message.template, "<f4"))
                if told.observe(message, match, gallery.match).subject:
                    result["start to first decision s"] = time.monotonic() - started
                    break
        result["at the end"] = memory_of(process.pid)
    return result


def middle(runs: list[dict]) -> dict:
    """The middle of each number."""
    out: dict = {}
    for key, value in runs[0].items():
        values = [run[key] for run in runs if key in run]
        out[key] = middle(values) if isinstance(value, dict) else round(statistics.median(values), 3)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clip", type=Path, required=True, help="folder with the film and two portraits")
    parser.add_argument("--yunet", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("/tmp/gatehouse-bench"))
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    result: dict = {"cores": len(os.sched_getaffinity(0)), "load": os.getloadavg()[0]}
    with tempfile.TemporaryDirectory() as folder:
        close = Path(folder) / "close"
        close.mkdir()
        shot(given.clip / FILM, close)
        large = enlarged(given.clip / FILM, Path(folder) / "large.mp4")
        for detector in ("yunet", "hog") if given.yunet else ("hog",):
            models = ModelSettings(face_detector=detector, yunet_path=given.yunet)
            gallery = gallery_of(models, given.cache, given.clip, close)
            for label, source, known, options in (
                ("start to decision", close, gallery, {"fps": 15.0}),
                ("film 640x360", given.clip / FILM, None, {}),
                ("film 1280x720", large, None, {}),
            ):
                runs = [watched(source, models, given.cache, known, **options) for _ in range(given.times)]
                result[f"{detector}, {label}"] = middle(runs)
                print(f"{detector}, {label}")
                for key, value in result[f"{detector}, {label}"].items():
                    print(f"    {key:28s} {value}", flush=True)
    if given.json:
        given.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
