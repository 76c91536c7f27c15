"""A film frame by frame through the product's own loop, as fast as it goes: milliseconds of each stage.

The loop's clock moves with the film, not with this machine, so a slow machine does the same work. Everything
from the decoded frame to the decision is the code that runs at a gate, in one thread.
"""

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import cv2
import numpy as np

from drivers.camera import Frame
from edge.bench.figures import Pace, Spread
from edge.bench.setting import CAMERA, Setting, Told, make_decider
from edge.clock import NS_PER_S, ManualClock
from edge.records import Decision, Sighting
from edge.vision.loop import Lookout
from edge.vision.messages import Message, decode, encode
from edge.vision.senses import open_senses
from edge.vision.timing import Timer
from edge.vision.wire import Unframer

_SESSION = "bench"
_NOTHING_MS = 0.01


class Recorder(Timer):
    """A timer that forgets nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.all: defaultdict[str, list[float]] = defaultdict(list)

    def add(self, stage: str, took_ms: float) -> None:
        """Keep a time."""
        super().add(stage, took_ms)
        self.all[stage].append(took_ms)


@dataclass(slots=True)
class Staged:
    """What came of one film.

    Attributes:
        frames: Looked at; busy_s: processor time that this took, decoding not counted.
        stages: Milliseconds by stage, over the times in which the stage ran.
        paces: Milliseconds of a whole frame, by what the loop did in it.
        searched, reads: How often a network searched, and how much was read.
        seen_frames: Numbers of the frames, from 0, in which somebody was seen: the loop followed a track.
        decisions: In order.
    """

    frames: int = 0
    busy_s: float = 0.0
    stages: dict[str, Spread] = field(default_factory=dict)
    paces: dict[Pace, Spread] = field(default_factory=dict)
    searched: int = 0
    reads: int = 0
    seen_frames: list[int] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)

    @property
    def frames_per_s(self) -> float:
        """As fast as it goes, decoding not counted."""
        return self.frames / self.busy_s if self.busy_s else 0.0

    @property
    def busy_s_per_visit(self) -> float:
        """Processor time beyond that of idle frames, for each visitor who was decided about."""
        visits = len({decision.identity.visit for decision in self.decisions if decision.identity})
        idle_ms = self.paces[Pace.IDLE].p50 if Pace.IDLE in self.paces else 0.0
        beyond_s = self.busy_s - self.frames * idle_ms / 1000
        return max(0.0, beyond_s) / visits if visits else 0.0


def run_stages(setting: Setting, progress: Callable[[float], None] = lambda _share: None) -> Staged:
    """Play the whole film through loop, pipe format, evidence and decision.

    Args:
        setting: The film and its surroundings.
        progress: Told how much is done, 0 to 1.

    Raises:
        ModelError: A network is missing.
    """
    camera = setting.camera
    senses = open_senses(
        camera.looks_for,
        setting.settings.models,
        min_face_px=camera.min_face_px,
        min_plate_px=camera.min_plate_px,
        cache_dir=setting.cache_dir,
    )
    return _Run(setting, [_Counted(sense) for sense in senses]).whole_film(progress)


class _Counted:
    """A sense that adds up what it says of its own stages: it may look at several parts of one picture."""

    def __init__(self, sense: Any) -> None:
        self._sense = sense
        self.inside_ms: defaultdict[str, float] = defaultdict(float)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sense, name)

    def find(self, *arguments: Any) -> Any:
        """Find, and take down how long its stages took."""
        found = self._sense.find(*arguments)
        for stage, took_ms in self._sense.found_ms.items():
            self.inside_ms[stage] += took_ms
        return found


class _Run:
    """One film being played. One thread."""

    def __init__(self, setting: Setting, senses: list[Any]) -> None:
        self._setting, self._senses = setting, senses
        self._clock = ManualClock()
        self._began_ns = self._clock.boot_ns()
        self._waiting: list[Sighting] = []
        self._told, self._times, self._loop_times = Told(), Recorder(), Recorder()
        self._paces: defaultdict[Pace, list[float]] = defaultdict(list)
        self._result = Staged()
        self._lookout = Lookout(
            CAMERA, _SESSION, setting.camera, senses, self._waiting.append, self._clock.boot_ns
        )
        self._lookout.timer = self._loop_times
        self._decider = make_decider(
            setting, self._clock, self._told, lambda sighting: self._lookout.settle(sighting.track_id)
        )

    def whole_film(self, progress: Callable[[float], None]) -> Staged:
        film, result = self._setting.film, self._result
        capture = cv2.VideoCapture(str(film.path), cv2.CAP_FFMPEG)
        count = max(1, int(capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        try:
            while True:
                (more, image), _ = self._times.measure("decode", capture.read)
                if not more:
                    break
                self._clock.now_boot_ns = self._began_ns + round(result.frames * NS_PER_S / film.fps)
                self._step(Frame(CAMERA, result.frames + 1, self._clock.boot_ns(), image.view(np.uint8)))
                progress(min(1.0, result.frames / count))
        finally:
            capture.release()
        self._lookout.leave()
        self._decide()
        result.stages = {name: Spread.of(times) for name, times in self._all_times().items()}
        result.paces = {pace: Spread.of(self._paces[pace]) for pace in Pace if pace in self._paces}
        result.searched, result.reads = self._lookout.searched, self._lookout.reads
        result.decisions = self._told.decisions
        return result

    def _step(self, frame: Frame) -> None:
        searched, result = self._lookout.searched, self._result
        began = time.process_time()
        _, took_ms = self._times.measure("frame", lambda: self._lookout.step(frame))
        told = sum(not sighting.ended for sighting in self._waiting)
        if self._lookout.tracks:
            result.seen_frames.append(result.frames)
        if self._lookout.searched > searched:
            for sense in self._senses:
                for stage, inside_ms in sense.inside_ms.items():
                    if inside_ms > _NOTHING_MS:  # a reader that found nothing to read says 0
                        self._times.add(f"{stage} (inside)", inside_ms)
                sense.inside_ms.clear()
        self._paces[Pace.of(self._lookout.searched - searched, told)].append(took_ms)
        self._decide()
        result.busy_s += time.process_time() - began
        result.frames += 1

    def _decide(self) -> None:
        for sighting in self._waiting:
            message, _ = self._times.measure("pipe", partial(_through_the_pipe, sighting))
            if isinstance(message, Sighting):
                self._times.measure("decide", partial(self._decider.take, message))
        self._waiting.clear()

    def _all_times(self) -> dict[str, list[float]]:
        """Ours and the loop's; ``detect`` of a reader that does both is what it says of itself."""
        times = {"decode": self._times.all["decode"]}
        for stage, values in self._loop_times.all.items():
            if stage != "capture_to_start":
                times[stage] = self._times.all.get(f"{stage} (inside)", values)
        if inside := self._times.all.get("read (inside)"):
            times["read"] = inside
        for stage in ("frame", "pipe", "decide"):
            times[stage] = self._times.all[stage]
        return times


def _through_the_pipe(sighting: Sighting) -> Message:
    """Written and read as between the two processes; the pipe itself costs microseconds."""
    ((header, blob),) = Unframer().feed(encode(sighting))
    return decode(header, blob)
