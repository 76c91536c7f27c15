"""A film in real time before a real vision process: shares of the processor, memory, and how late it is.

The process is the one that the daemon starts, and its sightings are decided about here as the daemon does it.
Once a second it says what it has done; so the processor time of each second goes to a pace: nothing was
searched (idle), a network searched (watching), something was read (deciding).
"""

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from edge.bench.figures import Pace, Spread
from edge.bench.setting import CAMERA, PERSON, Setting, Told, make_decider
from edge.bench.usage import NO_TIME, ProcessorTime, memory_mb, processor_time
from edge.clock import NS_PER_MS, NS_PER_S, Clock
from edge.errors import Unavailable
from edge.records import Decision, Sighting
from edge.vision.messages import Health, Ready, Report, Settled, Stats
from edge.vision.process import VisionProcess
from edge.vision.sight import ENDED

LOADING_S = 180.0
_POLL_S = 0.1
# What was read in the last frames arrives within this time.
_AFTER_S = 0.5


@dataclass(frozen=True, slots=True)
class Share:
    """What one pace took.

    Attributes:
        seconds: For how long the loop was at that pace.
        looking: Part of one core that looking took, 0..1; decoding: that capture and decoding took.
    """

    seconds: float
    looking: float
    decoding: float


@dataclass(slots=True)
class Played:
    """What came of one film.

    Attributes:
        loading_s: From the start of the process until the film began.
        paces: Shares of one core.
        memory: Of the vision process at the end, MB: rss, peak, pss.
        frames, dropped: From the camera, and those that a newer one overtook.
        age_ms: How old a sighting's frame was when the sighting left.
        waited_ms: From the frame in which the plate is 24 pixels high, or from the first face that was read,
            to the decision about the known visitor; below 0 when it was sooner. None where there was none.
        decisions: In order.
    """

    loading_s: float = 0.0
    paces: dict[Pace, Share] = field(default_factory=dict)
    memory: dict[str, float] = field(default_factory=dict)
    frames: int = 0
    dropped: int = 0
    age_ms: Spread = field(default_factory=lambda: Spread.of([]))
    waited_ms: float | None = None
    decisions: list[Decision] = field(default_factory=list)


def play(
    setting: Setting, clock: Clock, length_s: float, progress: Callable[[float], None] = lambda _share: None
) -> Played:
    """Play a film once, in real time.

    Args:
        setting: The film and its surroundings.
        clock: The real one.
        length_s: Of the film; it is left after that.
        progress: Told how much is done, 0 to 1.

    Raises:
        Unavailable: The vision process ended, or does not begin.
    """
    return _Watch(setting, clock, length_s, progress).whole_film()


class _Watch:
    """One film being played. One thread."""

    def __init__(
        self, setting: Setting, clock: Clock, length_s: float, progress: Callable[[float], None]
    ) -> None:
        self._setting, self._clock, self._length_s, self._progress = setting, clock, length_s, progress
        self._told, self._result = Told(), Played()
        self._ages_ms: list[float] = []
        self._stats: Stats | None = None
        self._stats_s, self._used = 0.0, NO_TIME
        self._seconds: defaultdict[Pace, float] = defaultdict(float)
        self._spent: defaultdict[Pace, ProcessorTime] = defaultdict(lambda: NO_TIME)
        self._began_s = self._ended_s = 0.0
        self._epoch_ns = 0

    def whole_film(self) -> Played:
        started_s = time.monotonic()
        models = self._setting.settings.models
        with VisionProcess(
            CAMERA,
            self._setting.camera,
            models,
            self._clock,
            session="bench",
            cache_dir=self._setting.cache_dir,
            log_level="error",
        ) as process:

            def settle(sighting: Sighting) -> None:
                process.send(Settled(sighting.track_id))

            decider = make_decider(self._setting, self._clock, self._told, settle)
            while not self._is_over():
                report = process.poll(_POLL_S)
                if isinstance(report, Sighting):
                    if not report.ended:  # last words repeat an old read
                        self._ages_ms.append((report.sent_ns - report.taken_ns) / NS_PER_MS)
                    decider.take(report)
                elif report is not None:
                    self._take(report, process.pid, started_s)
                if not self._began_s and time.monotonic() - started_s > LOADING_S:
                    raise Unavailable(f"the vision process has not begun after {LOADING_S:.0f} s")
            self._result.memory = memory_mb(process.pid)
        return self._summed_up()

    def _take(self, report: Report, pid: int, started_s: float) -> None:
        now_s = time.monotonic()
        if isinstance(report, Ready):
            self._began_s, self._result.loading_s = now_s, round(now_s - started_s, 2)
            self._epoch_ns = report.epoch_ns
        elif isinstance(report, Health) and report.name == ENDED:
            self._ended_s = now_s
        elif isinstance(report, Stats):
            used, before = processor_time(pid), self._stats
            # The first second knows no background, and after the film there is nothing to be looked at.
            if before is not None and not self._ended_s:
                pace = Pace.of(report.searched - before.searched, report.reads - before.reads)
                self._seconds[pace] += now_s - self._stats_s
                self._spent[pace] = self._spent[pace].plus(used.since(self._used))
            self._stats, self._stats_s, self._used = report, now_s, used
            self._progress(min(1.0, (now_s - self._began_s) / self._length_s))

    def _is_over(self) -> bool:
        now_s = time.monotonic()
        if self._ended_s:
            return now_s - self._ended_s > _AFTER_S
        return bool(self._began_s) and now_s - self._began_s > self._length_s + _AFTER_S

    def _summed_up(self) -> Played:
        result, stats = self._result, self._stats or Stats()
        for pace in Pace:
            if seconds := self._seconds.get(pace):
                spent = self._spent[pace]
                result.paces[pace] = Share(
                    round(seconds, 1), round(spent.main_s / seconds, 4), round(spent.others_s / seconds, 4)
                )
        result.frames, result.dropped = stats.frames, stats.dropped
        result.age_ms = Spread.of(self._ages_ms)
        result.decisions = self._told.decisions
        result.waited_ms = self._waited_ms()
        return result

    def _waited_ms(self) -> float | None:
        for decision in self._told.decisions:
            if decision.subject == PERSON and decision.identity is not None:
                since_ns = decision.identity.first_ns
                if (readable_s := self._setting.film.readable_s) is not None:
                    since_ns = self._epoch_ns + round(readable_s * NS_PER_S)
                return (decision.decided_ns - since_ns) / NS_PER_MS
        return None
