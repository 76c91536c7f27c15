"""QR passes before a camera: from which size on they are read, and what looking for them costs.

    python tests/bench/codes_read.py --json out.json

Codes are drawn onto a sheet in a frame of 640 x 480, turned, leaned, blurred and made noisy at random. The
milliseconds are processor time on one thread.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "unit")]
from test_codes import TEXT, scene  # noqa: E402

from edge.vision.codes import CodeReader, draw_code  # noqa: E402

SIDES_PX = (140, 170, 200, 230, 260, 300)


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("--tries", type=int, default=40, help="frames for each size")
    given.add_argument("--json", type=Path)
    options = given.parse_args()
    cv2.setNumThreads(1)
    rng, reader = np.random.default_rng(5), CodeReader()
    sizes: dict[int, dict[str, float]] = {}
    for side_px in SIDES_PX:
        read, spent_s = 0, 0.0
        for seed in range(options.tries):
            frame = scene(
                TEXT,
                side_px,
                turn=rng.uniform(-25, 25),
                lean=rng.uniform(-0.05, 0.05),
                blur=rng.uniform(0.4, 0.9),
                seed=seed,
            )
            began_s = time.thread_time()
            code = reader.read(frame)
            spent_s += time.thread_time() - began_s
            read += code is not None and code.text == TEXT
        sizes[side_px] = {"read": read / options.tries, "ms": round(spent_s / options.tries * 1000, 1)}
    empty: dict[str, float] = {}
    for width, height in ((640, 360), (640, 480), (1280, 720)):
        coarse = rng.integers(30, 200, (9, 16, 3)).astype(np.uint8)
        frame = np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)
        began_s = time.thread_time()
        for _ in range(20):
            reader.read(frame)
        empty[f"{width}x{height}"] = round((time.thread_time() - began_s) / 20 * 1000, 1)
    report: dict[str, Any] = {
        "modules": len(draw_code(TEXT)),
        "characters": len(TEXT),
        "by side of the code, px": sizes,
        "a look at a frame without a code, ms": empty,
    }
    print(json.dumps(report, indent=2))
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
