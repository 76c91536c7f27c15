"""The whole daemon while its clock jumps ten years forth and back: late stays late, and nothing gets lost."""

from collections import Counter
from pathlib import Path

import pytest
from control_bench import AUDIENCE, ControlBench
from sync_bench import until

from edge.clock import EARLIEST_PLAUSIBLE_UTC_NS, NS_PER_S, ClockState, SystemClock
from edge.hatch import request
from edge.store import EventReader

pytestmark = pytest.mark.mosquitto

DECADE_NS = 3652 * 86_400 * NS_PER_S


class JumpingClock:
    """The system's clock; what it shows may be put elsewhere, as whoever has the time server can."""

    def __init__(self) -> None:
        self._real, self.by_ns = SystemClock(), 0

    def boot_ns(self) -> int:
        return self._real.boot_ns()

    def utc_ns(self) -> int:
        return self._real.utc_ns() + self.by_ns

    def state(self) -> ClockState:
        return ClockState.UNSET if self.utc_ns() < EARLIEST_PLAUSIBLE_UTC_NS else ClockState.SYNCED


class Story:
    """One box and its clock."""

    def __init__(self, bench: ControlBench, clock: JumpingClock) -> None:
        self.bench, self.clock = bench, clock

    def jump(self, to_ns: int) -> None:
        """Put the clock there, and wait until the daemon has noticed."""
        before = self._steps()
        self.clock.by_ns = to_ns
        until(lambda: self._steps() > before, what="the step is journaled")

    def open_remotely(self) -> str:
        return self.bench.send("open", lane="door").result

    def open_by_hand(self) -> str:
        state_dir = self.bench.settings.device.state_dir
        answer = request(state_dir, {"do": "ask", "lane": "door", "ask": "open"})
        assert answer is not None
        return str(answer["result"])

    def stands(self, alarm: str) -> bool:
        return alarm in {standing.name for standing in self.bench.daemon.alarms.standing()}

    def locked(self) -> None:
        until(lambda: self.bench.phase("door") == "locked", what="the door is locked")

    def journaled(self) -> Counter[str]:
        """Events on the disk by stream."""
        with EventReader(self.bench.settings.device.state_dir / "events.db") as reader:
            return Counter(row.stream.value for row in reader.tail(0, limit=100_000))

    def delivered(self) -> Counter[str]:
        return Counter(event["ghstream"] for event in self.bench.platform.events(AUDIENCE))

    def _steps(self) -> int:
        with EventReader(self.bench.settings.device.state_dir / "events.db") as reader:
            return sum(b"clock.stepped" in row.payload for row in reader.tail(0, limit=100_000))


def test_OPS_1_a_clock_that_jumps_ten_years_either_way_loses_nothing_and_opens_nothing_late(
    tmp_path: Path,
) -> None:
    clock = JumpingClock()
    with ControlBench(tmp_path, clock=clock) as bench:
        story = Story(bench, clock)
        bench.start()
        assert story.open_remotely() == "done"
        story.locked()

        story.jump(DECADE_NS)
        assert story.open_remotely() == "expired", "what was signed now is ten years late there"
        assert bench.phase("door") == "locked"
        assert story.open_by_hand() == "done"
        rev = bench.configure({"decision": {"deadline_ms": 1500}})
        bench.until_state(rev, "applied")

        conn = bench.known.conn
        bench.broker.kill()
        for to_ns in (-DECADE_NS, DECADE_NS, -DECADE_NS):
            story.jump(to_ns)
            assert story.open_by_hand() == "done", "also without a network and a right time"
        until(lambda: story.stands("clock.unset"))
        bench.broker.start()
        until(lambda: bench.known.conn > conn and bench.known.is_live, what="the box is back")
        assert story.open_remotely() == "done", "an unset clock asks the platform for its word, once more"

        bench.stop()
        bench.start()
        until(lambda: story.stands("clock.unset"), what="it starts all the same, and says so")
        story.jump(0)
        until(lambda: not story.stands("clock.unset"))
        assert story.open_remotely() == "done", "what the network says now counts, also downwards"
        rev = bench.configure({"decision": {"deadline_ms": 1600}})
        bench.until_state(rev, "applied")

        until(lambda: story.delivered() == story.journaled(), what="the platform has all")
        events = bench.platform.events(AUDIENCE)
        assert len({event["ghepoch"] for event in events}) == 1, "the journal was never begun anew"
        for stream in story.journaled():
            places = [event["ghseq"] for event in events if event["ghstream"] == stream]
            assert places == list(range(1, len(places) + 1))
        assert bench.platform.ledger.broken_chains() == []
        clocks = {event["ghclk"] for event in events}
        assert clocks == {"synced", "unset"}, "each event says what its time is worth"
