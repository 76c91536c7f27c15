"""Face descriptors: agreement with dlib, speed, and the memory of a process that makes them.

    python tests/bench/faces_speed.py --faces lfw-dev --yunet yunet.onnx --json out.json

All on the same chips in one run. Each way of running the network is timed in turn, round after round, and the
fastest and the middle round are reported: on a busy machine the fastest is the honest one.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from models.face import align_faces, ensure_converted, load_picture, open_detector
from models.face.embedder import ConvertedEmbedder, DlibEmbedder
from models.face.evaluation import central_face, pictures_by_person

MEMORY = """
import resource, sys, time
from pathlib import Path
started = time.perf_counter()
from models.face import load_picture, open_detector, open_embedder
cache, yunet, picture = sys.argv[1:]
detector = open_detector("auto", yunet_path=Path(yunet) if yunet else None)
embedder = open_embedder("dlib-onnx", cache_dir=Path(cache))
image = load_picture(picture)
faces = detector.detect(image)
embedder.embed(image, faces)
first = time.perf_counter() - started
for _ in range(20):
    embedder.embed(image, detector.detect(image))
resident = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6
# Not getrusage: its peak includes that of the process this one was forked from.
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(detector.name, len(faces), resident, int(status["VmHWM"].split()[0]) * 1024 / 1e6, first)
"""


def timed(work: dict[str, Callable[[], int]], rounds: int) -> dict[str, dict[str, float]]:
    """Milliseconds for each face; each piece of work returns how many it described."""
    taken: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds):
        for name, run in work.items():
            started = time.perf_counter()
            count = run()
            taken[name].append(1000 * (time.perf_counter() - started) / count)
    return {
        name: {"best": min(values), "median": statistics.median(values)} for name, values in taken.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--faces", type=Path, required=True, help="folder in LFW's layout")
    parser.add_argument("--yunet", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("/tmp/gatehouse-bench"))
    parser.add_argument("--parity", type=int, default=600, help="chips to compare with dlib")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()

    detector = open_detector("hog", upsample=1)
    chips = []
    for path in [path for paths in pictures_by_person(arguments.faces).values() for path in paths]:
        image = load_picture(path)
        face = central_face(image, detector.detect(image))
        if face is not None:
            chips.append(align_faces(image, [face])[0].chip)
        if len(chips) == arguments.parity:
            break
    model = ensure_converted(arguments.cache)
    dlib_way, one, two = DlibEmbedder(), ConvertedEmbedder(model), ConvertedEmbedder(model, threads=2)
    converted = one.describe(chips)
    reference = np.concatenate([dlib_way.describe(chips[at : at + 16]) for at in range(0, len(chips), 16)])
    distances = np.linalg.norm(converted.astype(np.float64) - reference, axis=1)

    four = chips[:4]
    mirrored = [*four[:1], four[0][:, ::-1]]
    speed = timed(
        {
            "dlib, one face": lambda: len(dlib_way.describe(four[:1])),
            "converted, 1 thread, one face": lambda: len(one.describe(four[:1])),
            "converted, 1 thread, batch of 4 (each)": lambda: len(one.describe(four)),
            "converted, 1 thread, face and mirror image": lambda: len(one.describe(mirrored)) // 2,
            "converted, 2 threads, one face": lambda: len(two.describe(four[:1])),
            "converted, 2 threads, batch of 4 (each)": lambda: len(two.describe(four)),
        },
        arguments.rounds,
    )
    picture = next(path for paths in pictures_by_person(arguments.faces).values() for path in paths)
    memory = subprocess.run(
        [sys.executable, "-c", MEMORY, str(arguments.cache), str(arguments.yunet or ""), str(picture)],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).resolve().parents[2],
    ).stdout.split()
    result = {
        "chips compared": len(chips),
        "largest distance to dlib": float(distances.max()),
        "mean distance to dlib": float(distances.mean()),
        "ms per face": speed,
        "times faster than dlib": {
            name: speed["dlib, one face"]["best"] / value["best"] for name, value in speed.items()
        },
        "process": {
            "detector": memory[0],
            "faces": int(memory[1]),
            "resident MB": float(memory[2]),
            "peak MB": float(memory[3]),
            "start to first template s": float(memory[4]),
        },
        "load of the machine": os.getloadavg()[0],
    }
    print(f"{len(chips)} chips: largest distance to dlib {distances.max():.2e}, mean {distances.mean():.2e}")
    for name, value in speed.items():
        factor = result["times faster than dlib"][name]
        print(f"  {name:44s} {value['best']:7.2f} ms best {value['median']:7.2f} median {factor:6.1f} x")
    print(f"  process with {memory[0]}: {result['process']}")
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
