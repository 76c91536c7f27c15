"""What the benches of the recognition loop share: films, a watched vision process, whole boxes, tables."""

import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from edge.bench import Spread
from edge.bench.usage import NO_TIME, ProcessorTime, memory_mb, processor_time
from edge.clock import SystemClock
from edge.records import Sighting
from edge.settings import ModelSettings, ReplayCamera
from edge.vision.messages import Ready, Settled, Stats
from edge.vision.process import VisionProcess
from models.training.film import LaneFilm, Visit

CLOCK = SystemClock()
SIZE_PX = (1280, 720)


def write_film(path: Path, frames: Iterator[np.ndarray], count: int, fps: float) -> Path:
    """Motion JPEG, as USB cameras send it."""
    writer: Any = None
    for frame in islice(frames, count):
        if writer is None:
            size = frame.shape[1], frame.shape[0]
            writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"MJPG"), fps, size)
        writer.write(frame)
    writer.release()
    return path


def empty_lane(path: Path, fps: float, seconds: float) -> Path:
    """720p of a lane with nothing but the sensor's noise."""
    film = LaneFilm([Visit("粤B12345", arrive_s=seconds + 1.0)], fps=fps, size_px=SIZE_PX, seed=2)
    return write_film(path, film.frames(), round(seconds * fps), fps)


def parked_car(path: Path, fps: float, seconds: float) -> Path:
    """720p of a car that stands at the line from the first frame to the last."""
    film = LaneFilm([Visit("粤B12345", arrive_s=1.0, stop_s=seconds + 1.0)], fps=fps, size_px=SIZE_PX, seed=2)
    stops_s = film.truth.visits[0].stops_s or 0.0
    first = round(stops_s * fps) + 1
    return write_film(path, islice(film.frames(), first, None), round(seconds * fps), fps)


def cars(path: Path, fps: float, count: int, seed: int = 6) -> LaneFilm:
    """720p of cars that come one after the other, all known; returns the film's plan with its truth."""
    plates = ["粤B12345", "苏E60K8D", "京AD12345", "浙C7K2P1", "沪A88B31", "川J90F6T", "鲁B2M5Q8", "湘A0W7X3"]
    visits = [
        Visit(plates[i % len(plates)], "green_small" if i % len(plates) == 2 else "blue", 1.0 + 12.0 * i, 2.0)
        for i in range(count)
    ]
    film = LaneFilm(visits, fps=fps, size_px=SIZE_PX, seed=seed)
    write_film(path, film.frames(), round(film.truth.duration_s * fps), fps)
    return film


@dataclass
class Second:
    """What was true of one second between two words of the process."""

    at_s: float
    frames: int
    looked: int
    dropped: int
    searched: int
    reads: int
    tracks: int
    spent: ProcessorTime
    seconds: float


@dataclass
class Watched:
    """A vision process that was watched: times count from the beginning of its film."""

    epoch_ns: int = 0
    sightings: list[tuple[float, Sighting]] = field(default_factory=list)
    seconds: list[Second] = field(default_factory=list)
    memory: dict[str, float] = field(default_factory=dict)
    stages_ms: dict[str, float] = field(default_factory=dict)

    def share(self, from_s: float) -> dict[str, float]:
        """Parts of one core after that time: looking (the first thread), decoding (all others), both."""
        taken = [second for second in self.seconds if second.at_s >= from_s]
        seconds = sum(second.seconds for second in taken) or 1.0
        looking = sum(second.spent.main_s for second in taken) / seconds
        decoding = sum(second.spent.others_s for second in taken) / seconds
        return {
            "looking_percent": round(100 * looking, 2),
            "decoding_percent": round(100 * decoding, 2),
            "process_percent": round(100 * (looking + decoding), 2),
        }

    def ages_ms(self, from_s: float = 0.0, to_s: float = float("inf")) -> list[float]:
        """How old the frame of each sighting was when the sighting left, last words not counted."""
        return [
            (sighting.sent_ns - sighting.taken_ns) / 1e6
            for at_s, sighting in self.sightings
            if from_s <= at_s < to_s and not sighting.ended
        ]


@contextmanager
def pinned(cores: set[int] | None) -> Iterator[None]:
    """Processes that are started in here run on these cores only; we go back to ours."""
    ours = os.sched_getaffinity(0)
    if cores:
        os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, ours)


def watch(
    settings: ReplayCamera,
    models: ModelSettings,
    cache: Path,
    length_s: float,
    *,
    take: Callable[[Sighting], bool] = lambda _sighting: False,
    cores: set[int] | None = None,
    tell: Callable[[float], None] = lambda _at_s: None,
) -> Watched:
    """Run one vision process for so long, counted from the beginning of its film.

    Args:
        settings: Its camera.
        models: Its networks.
        cache: Of converted networks.
        length_s: For how long.
        take: Weighs each sighting, as the control process does; True settles its track.
        cores: It may run on these only.
        tell: Told how far it is, once a second.
    """
    made = Watched()
    with pinned(cores):
        process = VisionProcess(
            "bench", settings, models, CLOCK, session="bench", cache_dir=cache, log_level="error"
        )
    before, used, before_s = Stats(), NO_TIME, 0.0
    with process:
        while not made.epoch_ns or (CLOCK.boot_ns() - made.epoch_ns) / 1e9 < length_s:
            report = process.poll(0.1)
            at_s = (CLOCK.boot_ns() - made.epoch_ns) / 1e9
            if isinstance(report, Ready):
                made.epoch_ns = report.epoch_ns
                used, before_s = processor_time(process.pid), time.monotonic()
            elif isinstance(report, Sighting):
                made.sightings.append((at_s, report))
                if take(report):
                    process.send(Settled(report.track_id))
            elif isinstance(report, Stats):
                now, now_s = processor_time(process.pid), time.monotonic()
                made.seconds.append(
                    Second(
                        at_s,
                        report.frames - before.frames,
                        report.looked - before.looked,
                        report.dropped - before.dropped,
                        report.searched - before.searched,
                        report.reads - before.reads,
                        report.tracks,
                        now.since(used),
                        now_s - before_s,
                    )
                )
                before, used, before_s = report, now, now_s
                made.stages_ms = dict(report.stages_ms)
                tell(at_s)
        made.memory = memory_mb(process.pid)
    return made


def decode_alone(settings: ReplayCamera, seconds: float) -> float:
    """Part of one core, in percent, that reading the film takes when nobody looks at it."""
    from edge.vision.capture import open_configured

    camera = open_configured("bench", settings, CLOCK.boot_ns())
    began_s, used_s = time.monotonic(), time.process_time()
    try:
        while time.monotonic() - began_s < seconds:
            camera.read()
        return round(100 * (time.process_time() - used_s) / (time.monotonic() - began_s), 2)
    finally:
        camera.close()


@dataclass
class Line:
    """One line of "Must show": what was asked, what was measured."""

    what: str
    wanted: str
    measured: str
    good: bool | None


def spread_words(spread: Spread, unit: str = "ms") -> str:
    return (
        f"p50 {spread.p50:.0f}, p95 {spread.p95:.0f}, p99 {spread.p99:.0f}, worst {spread.worst:.0f} {unit}"
    )


def finish(name: str, lines: list[Line], figures: dict[str, Any], path: Path | None, load: float) -> int:
    """Show the table, write the JSON; 1 when a bound was missed."""
    table = Table(title=name, title_justify="left")
    for heading in ("", "wanted", "measured", ""):
        table.add_column(heading)
    for line in lines:
        mark = "" if line.good is None else "[green]good" if line.good else "[red]missed"
        table.add_row(line.what, line.wanted, line.measured, mark)
    console = Console(width=118)
    console.print(table)
    if load > 0.7:
        console.print(f"[yellow]loaded: {load:.1f} processes ran beside us before this began; measure again")
    document = {
        "bench": name,
        "machine": platform.platform(),
        "cores": len(os.sched_getaffinity(0)),
        "load_before": load,
        "lines": [vars(line) for line in lines],
        **figures,
    }
    if path:
        path.write_text(json.dumps(document, indent=1, ensure_ascii=False, default=asdict) + "\n", "utf-8")
    return int(any(line.good is False for line in lines))
