"""Forced faults of cameras, one after the other, on real vision processes.

    python tests/faults/camera_faults.py --count 300 [--seed 1] [--json FILE] [--camera http ...]

Three simulated cameras stand side by side, MJPEG over HTTP, JPEG over RTSP and H.264 over RTSP, each with
its own eye: the process, FFmpeg and the pipes are the real ones. One fault after the other is forced upon
each, in an order drawn from the seed, and must be

    seen    within two seconds: its alarm stands, or (another size of picture, which is nothing bad) the new
            pictures, which are brighter, are looked at
    back    within five seconds after the source has returned: the alarm is gone and new frames are looked at
    gone    at the end: as many processes, pipes, descriptors and threads as before

The limits are those of the daemon as it is shipped, but for one: an H.264 camera is taken for frozen after
1.5 s here, and after 8 s by default, because its encoder may repeat a picture between two key frames.
"""

import argparse
import gc
import json
import os
import random
import signal
import statistics
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT)]

import cv2  # noqa: E402
import numpy as np  # noqa: E402

from drivers.simulated.cameras import CameraFault, SimulatedCamera  # noqa: E402
from drivers.simulated.h264 import SimulatedH264Camera, encode_picture  # noqa: E402
from drivers.simulated.rtsp import SimulatedRtspCamera  # noqa: E402
from edge.clock import SystemClock  # noqa: E402
from edge.health import Alarms  # noqa: E402
from edge.settings import ModelSettings, OpenCvCamera  # noqa: E402
from edge.vision import Eye  # noqa: E402

SEEN_S, BACK_S = 2.0, 5.0
"""The promise."""
PATIENCE_S = 60.0
"""How long this program waits for what it counts as missed."""
CLOCK = SystemClock()
STOP = threading.Event()
"""Set: no further fault is forced."""
FPS = 12.0
_TURN_S = 0.01
LIGHTER = 50
_REST_S = 0.7  # new pictures between two faults: nothing is judged by what was before

Pictures = tuple[bytes, ...]


def drawn(width: int, height: int, *, dark: bool = False, lighter: int = 0) -> list[np.ndarray]:
    """Pictures of a scene with the noise of a sensor: (height, width) uint8."""
    chance = np.random.default_rng(7)
    if dark:
        return [chance.integers(0, 4, (height, width)).astype(np.uint8) for _ in range(6)]
    coarse = chance.integers(50, 180, (9, 12), dtype=np.uint8) + np.uint8(lighter)
    scene = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_NEAREST).astype(np.int16)
    return [np.clip(scene + chance.integers(-9, 10, scene.shape), 0, 255).astype(np.uint8) for _ in range(6)]


def as_jpegs(pictures: list[np.ndarray]) -> Pictures:
    """In colour, 4:2:0, as cameras send them."""
    return tuple(
        cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR))[1].tobytes() for picture in pictures
    )


def as_h264(pictures: list[np.ndarray]) -> Pictures:
    """As whole pictures of a stream."""
    return tuple(encode_picture(picture, number) for number, picture in enumerate(pictures))


@dataclass(frozen=True)
class Kind:
    """One camera that is made to fail: its class, how its pictures are coded, and its settings."""

    camera: type[SimulatedCamera]
    code: Callable[[list[np.ndarray]], Pictures]
    options: Mapping[str, Any] = field(default_factory=dict)


KINDS = {
    "http": Kind(SimulatedCamera, as_jpegs),
    "rtsp": Kind(SimulatedRtspCamera, as_jpegs),
    "h264": Kind(SimulatedH264Camera, as_h264, {"freeze_s": 1.5}),
}


@dataclass
class Outcome:
    """What came of one fault; None: not within the patience."""

    camera: str
    fault: str
    seen_s: float | None
    back_s: float | None

    @property
    def is_kept(self) -> bool:
        """Whether the promise was kept."""
        return (
            self.seen_s is not None
            and self.seen_s <= SEEN_S
            and self.back_s is not None
            and self.back_s <= BACK_S
        )


class Bench:
    """One camera, its eye, and the faults that befall them.

    Thread: one; the eye has its own.
    """

    def __init__(self, name: str, seed: int, longest_s: float) -> None:
        self.name, self.longest_s = name, longest_s
        kind = KINDS[name]
        self.chance = random.Random(f"{seed} {name}")
        self.usual = kind.code(drawn(320, 192))
        self.smaller = kind.code(drawn(192, 128, lighter=LIGHTER))
        self.black = kind.code(drawn(320, 192, dark=True))
        self.camera = kind.camera(self.usual, fps=FPS)
        self.alarms = Alarms(CLOCK)
        settings = OpenCvCamera(source=self.camera.url, looks_for=("plate",), **kind.options)
        self.eye = Eye("gate", settings, ModelSettings(), CLOCK, self.alarms, _forget, log_level="error")
        self.eye.start()
        assert self.wait(lambda: self.frames() > 5, 120.0) is not None, "the camera never came up"

    def close(self) -> None:
        """End the eye and the camera."""
        self.eye.close()
        self.camera.close()

    def frames(self) -> int:
        """Frames looked at by the process of now."""
        return self.eye.stats.stats.looked

    def stands(self, *names: str) -> bool:
        """Whether one of these alarms stands; any, when none is named."""
        return any(not names or alarm.name in names for alarm in self.alarms.standing())

    def wait(self, condition: Callable[[], object], timeout_s: float = PATIENCE_S) -> float | None:
        """Seconds until a condition held; None when it did not."""
        began = time.monotonic()
        while time.monotonic() < began + timeout_s:
            if condition():
                return time.monotonic() - began
            time.sleep(_TURN_S)
        return None

    def force(self, fault: str) -> Outcome:
        """Force one fault, see it named, let it pass, and see the camera back."""
        begin, end, names = FAULTS[fault]
        usual = self.brightness()
        begin(self)
        if names:
            seen_s = self.wait(lambda: self.stands(*names))
        else:
            seen_s = self.wait(lambda: self.brightness() > usual + LIGHTER / 2)
        time.sleep(self.chance.uniform(0.0, self.longest_s))
        end(self)
        session, before = self.eye.stats.session, self.frames()

        def is_back() -> bool:
            stats = self.eye.stats
            looked = stats.stats.looked - (before if stats.session == session else 0)
            is_usual = abs(self.brightness() - usual) < LIGHTER / 2
            return looked > 1 and stats.is_seeing and not self.stands() and is_usual

        back_s = self.wait(is_back)
        time.sleep(_REST_S)
        return Outcome(self.name, fault, seen_s, back_s)

    def brightness(self) -> float:
        """Of the newest picture, as the process tells; 0 while it tells nothing."""
        return self.eye.stats.stats.picture.get("brightness", 0.0)

    def run(self, faults: list[str], heard: Callable[[Outcome], None]) -> list[Outcome]:
        """One fault after the other, until told to stop."""
        outcomes = []
        for fault in faults:
            if STOP.is_set():
                break
            outcomes.append(self.force(fault))
            heard(outcomes[-1])
        return outcomes

    # What can be done to a camera

    def cut(self) -> None:
        self.camera.cut()

    def restore(self) -> None:
        self.camera.restore()

    def suffer(self, fault: CameraFault) -> None:
        self.camera.fault = fault

    def show(self, pictures: Pictures) -> None:
        self.camera.pictures = pictures

    def move(self, path: str) -> None:
        """The stream is at another path from now on, and whoever had it is cut off."""
        self.camera.cut()
        self.camera.path = path
        self.camera.restore()

    def signal(self, number: signal.Signals) -> None:
        if (pid := self.eye.stats.pid) > 0:
            os.kill(pid, number)


def _forget(_sighting: object) -> None:
    return


Step = Callable[[Bench], None]


def _fault(fault: CameraFault) -> Step:
    return lambda bench: bench.suffer(fault)


_well = _fault(CameraFault.NONE)
# What begins it, what ends it, and the alarms that name it; none: the new pictures themselves are seen.
FAULTS: dict[str, tuple[Step, Step, tuple[str, ...]]] = {
    "cut": (Bench.cut, Bench.restore, ("camera.lost",)),
    "silent": (_fault(CameraFault.SILENT), _well, ("camera.lost",)),
    "frozen": (_fault(CameraFault.FROZEN), _well, ("camera.frozen",)),
    "garbage": (_fault(CameraFault.GARBAGE), _well, ("camera.lost",)),
    "deaf": (_fault(CameraFault.DEAF), _well, ("camera.lost",)),
    "no such stream": (lambda b: b.move("/other"), lambda b: b.move("/live"), ("camera.lost",)),
    "black": (lambda b: b.show(b.black), lambda b: b.show(b.usual), ("camera.black",)),
    "another size": (lambda b: b.show(b.smaller), lambda b: b.show(b.usual), ()),
    "decoder killed": (lambda b: b.signal(signal.SIGKILL), lambda _: None, ("vision.died",)),
    "decoder hangs": (
        lambda b: b.signal(signal.SIGSTOP),
        lambda b: b.signal(signal.SIGCONT),
        ("vision.stalled", "vision.died"),
    ),
}


def census() -> dict[str, int]:
    """Open files, child processes and threads of this process now."""
    gc.collect()
    children = 0
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            children += f"\nPPid:\t{os.getpid()}\n" in status.read_text()
        except OSError:
            continue
    return {
        "descriptors": sum(1 for _ in Path("/proc/self/fd").iterdir()),
        "processes": children,
        "threads": threading.active_count(),
    }


def run(
    count: int,
    seed: int = 1,
    cameras: list[str] | None = None,
    heard: Callable[[Outcome], None] = _forget,
    longest_s: float = 3.0,
) -> tuple[list[Outcome], dict[str, int], dict[str, int]]:
    """Force so many faults: every kind once in a random order, then all over again, dealt out to the cameras.

    Args:
        count: So many.
        seed: Of the order and of the times.
        cameras: Which; None: all three.
        heard: Told of each as it is over.
        longest_s: A fault that was seen lasts on for up to this long.

    Returns:
        What came of each, and the census before and after.
    """
    names = cameras or list(KINDS)
    chance = random.Random(seed)
    order: list[str] = []
    while len(order) < count:
        order += chance.sample(sorted(FAULTS), len(FAULTS))
    del order[count:]
    before = census()
    benches: list[Bench] = []
    try:
        benches += (Bench(name, seed, longest_s) for name in names)
        with ThreadPoolExecutor(len(names), "bench") as threads:
            jobs = [
                threads.submit(bench.run, order[i :: len(names)], heard) for i, bench in enumerate(benches)
            ]
        outcomes = [outcome for job in jobs for outcome in job.result()]
    finally:
        for bench in benches:
            bench.close()
    return outcomes, before, census()


def summary(outcomes: list[Outcome]) -> list[dict[str, Any]]:
    """One row for each kind of fault, and one for all."""

    def row(name: str, some: list[Outcome]) -> dict[str, Any]:
        seen = [one.seen_s for one in some if one.seen_s is not None]
        back = [one.back_s for one in some if one.back_s is not None]
        return {
            "fault": name,
            "count": len(some),
            "kept": sum(one.is_kept for one in some),
            "seen_p50_s": round(statistics.median(seen), 2) if seen else None,
            "seen_max_s": round(max(seen), 2) if len(seen) == len(some) else None,
            "back_p50_s": round(statistics.median(back), 2) if back else None,
            "back_max_s": round(max(back), 2) if len(back) == len(some) else None,
        }

    kinds = [fault for fault in FAULTS if any(one.fault == fault for one in outcomes)]
    return [*(row(kind, [o for o in outcomes if o.fault == kind]) for kind in kinds), row("all", outcomes)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--camera", action="append", choices=list(KINDS))
    parser.add_argument("--json", type=Path, help="write everything to this file as well")
    options = parser.parse_args()

    def heard(one: Outcome) -> None:
        if not one.is_kept:
            print(f"not kept: {one}", file=sys.stderr, flush=True)

    signal.signal(signal.SIGTERM, lambda *_: STOP.set())
    signal.signal(signal.SIGINT, lambda *_: STOP.set())
    began_s = time.monotonic()
    outcomes, before, after = run(options.count, options.seed, options.camera, heard)
    rows = summary(outcomes)
    print(f"{'fault':16} {'count':>5} {'kept':>5} {'seen p50':>9} {'max':>6} {'back p50':>9} {'max':>6}")
    for row in rows:
        figures = [row[name] for name in ("seen_p50_s", "seen_max_s", "back_p50_s", "back_max_s")]
        cells = ["-" if figure is None else f"{figure:.2f}" for figure in figures]
        print(
            f"{row['fault']:16} {row['count']:5} {row['kept']:5}"
            f" {cells[0]:>9} {cells[1]:>6} {cells[2]:>9} {cells[3]:>6}"
        )
    for name, number in before.items():
        print(f"{name}: {number} before, {after[name]} after")
    print(f"{time.monotonic() - began_s:.0f} s, seed {options.seed}")
    if options.json:
        document = {
            "count": len(outcomes),
            "seed": options.seed,
            "limits_s": {"seen": SEEN_S, "back": BACK_S},
            "rows": rows,
            "before": before,
            "after": after,
        }
        options.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    if STOP.is_set():
        print(f"told to stop after {len(outcomes)} of {options.count}")
    leaked = any(after[name] > before[name] for name in before)
    return 0 if rows[-1]["kept"] == options.count and not leaked else 1


if __name__ == "__main__":
    sys.exit(main())
