"""Face descriptors: agreement with dlib, and speed.

    python tests/bench/faces_speed.py --faces lfw-dev --json out.json

All on the same chips in one run. Each way of running the network is timed in turn, round after round, and the
fastest and the middle round are reported: on a busy machine the fastest is the honest one. "dlib" is the call
that face_recognition makes, on the dlib-bin wheel. Where face_recognition itself is installed (``pip install
--no-deps face_recognition``), its whole ``face_encodings`` with a given box (landmarks, chip, descriptor) is
timed against ours from the same picture and box. Memory: faces_memory.py.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from edge.cli.face_peer import Peer
from edge.errors import Unavailable
from models.face import align_faces, ensure_converted, load_picture, open_detector
from models.face.dlib_convert import Form
from models.face.embedder import ConvertedEmbedder, DlibEmbedder
from models.face.evaluation import central_face, pictures_by_person


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
    parser.add_argument("--cache", type=Path, default=Path("/tmp/gatehouse-bench"))
    parser.add_argument("--parity", type=int, default=600, help="chips to compare with dlib")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()

    detector = open_detector("hog", upsample=1)
    chips, pictures = [], []
    for path in [path for paths in pictures_by_person(arguments.faces).values() for path in paths]:
        image = load_picture(path)
        face = central_face(image, detector.detect(image))
        if face is not None:
            chips.append(align_faces(image, [face])[0].chip)
            pictures.append((image, face))
        if len(chips) == arguments.parity:
            break
    nets = {form: ensure_converted(arguments.cache, form=form) for form in Form}
    dlib_way = DlibEmbedder()
    one, two = (ConvertedEmbedder(nets[Form.EXACT], threads) for threads in (1, 2))
    capped, rounded = (ConvertedEmbedder(nets[form], form=form) for form in (Form.CAPPED, Form.INT8))
    six = ConvertedEmbedder(nets[Form.EXACT], thorough=True)
    reference = np.concatenate([dlib_way.describe(chips[at : at + 16]) for at in range(0, len(chips), 16)])
    away = {
        form.value: np.linalg.norm(engine.describe(chips).astype(np.float64) - reference, axis=1)
        for form, engine in ((Form.EXACT, one), (Form.CAPPED, capped), (Form.INT8, rounded))
    }
    four = chips[:4]
    work = {
        "dlib, one face": lambda: len(dlib_way.describe(four[:1])),
        "converted, 1 thread, one face": lambda: len(one.describe(four[:1])),
        "converted, 1 thread, batch of 4 (each)": lambda: len(one.describe(four)),
        "converted, 2 threads, one face": lambda: len(two.describe(four[:1])),
        "converted, 2 threads, batch of 4 (each)": lambda: len(two.describe(four)),
        "capped, 1 thread, one face": lambda: len(capped.describe(four[:1])),
        "capped, 1 thread, batch of 4 (each)": lambda: len(capped.describe(four)),
        "int8, 1 thread, one face": lambda: len(rounded.describe(four[:1])),
        "int8, 1 thread, batch of 4 (each)": lambda: len(rounded.describe(four)),
        "as at the gate: chip, face and mirror image": lambda: len(
            one.embed(pictures[0][0], [pictures[0][1]])
        ),
        "as enrolled: chip, six views": lambda: len(six.embed(pictures[0][0], [pictures[0][1]])),
    }
    try:
        peer = Peer()
        rgb = np.ascontiguousarray(pictures[0][0][:, :, ::-1])
        face = pictures[0][1]
        box = (round(face.top), round(face.right), round(face.bottom), round(face.left))
        plain = ConvertedEmbedder(nets[Form.EXACT], mirrored=False)
        work["face_recognition.face_encodings, box given"] = lambda: (
            len(peer.describe(rgb, box, box)) // 2 * 2
        )
        work["ours, box given, one view"] = lambda: len(plain.embed(pictures[0][0], [face, face]))
    except Unavailable as error:
        print(error)
    speed = timed(work, arguments.rounds)
    result = {
        "chips compared": len(chips),
        "distance to dlib": {
            form: {"largest": float(apart.max()), "mean": float(apart.mean())} for form, apart in away.items()
        },
        "ms per face": speed,
        "times faster than dlib": {
            name: speed["dlib, one face"]["best"] / value["best"] for name, value in speed.items()
        },
        "cores": len(os.sched_getaffinity(0)),
        "load of the machine": os.getloadavg()[0],
    }
    for form, apart in away.items():
        print(
            f"{form:8s} {len(chips)} chips: largest distance to dlib {apart.max():.2e},"
            f" mean {apart.mean():.2e}"
        )
    for name, value in speed.items():
        factor = result["times faster than dlib"][name]
        print(f"  {name:44s} {value['best']:7.2f} ms best {value['median']:7.2f} median {factor:6.1f} x")
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
