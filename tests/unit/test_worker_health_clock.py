"""Workers, alarms, the word to systemd, and the two clocks."""

import socket
import threading
from pathlib import Path

import pytest

from edge.clock import EARLIEST_PLAUSIBLE_UTC_NS, NS_PER_S, ClockState, ManualClock, SystemClock
from edge.crew import Crew
from edge.health import Alarm, Alarms, ServiceNotifier, stalled
from edge.records import new_id
from edge.worker import LateWorker, Slot, Worker


class Turning(Worker):
    def work(self) -> None:
        while not self.stopping.wait(0.01):
            self.beat()


class Broken(Worker):
    def work(self) -> None:
        raise RuntimeError("a bug")


def test_a_slot_keeps_the_newest_and_counts_what_was_dropped() -> None:
    slot: Slot[int] = Slot()
    assert slot.take(0.0) is None
    for value in (1, 2, 3):
        slot.put(value)
    assert slot.take(0.0) == 3
    assert slot.dropped == 2


def test_a_worker_stops_when_asked_and_is_never_stalled_while_it_turns() -> None:
    worker = Turning("turning", SystemClock())
    worker.start()
    assert not worker.is_stalled
    worker.close()
    assert not worker.is_alive()


def test_OPS_1_a_worker_that_makes_no_progress_is_named(clock: ManualClock) -> None:
    worker = Turning("stuck", clock, stalls_after_s=10)
    release = threading.Event()
    worker.work = release.wait  # type: ignore[assignment, method-assign]
    worker.start()
    assert stalled({"stuck": worker}) == ()
    clock.advance(11)
    assert stalled({"stuck": worker}) == ("stuck",)
    release.set()
    worker.close()


def test_a_worker_that_dies_of_a_bug_is_stalled_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    told: list[str] = []
    worker = Broken("broken", SystemClock())
    worker.on_failure = lambda w: told.append(w.name)
    worker.start()
    worker.join(5)
    assert told == ["broken"]
    assert worker.is_stalled
    assert "a bug" in caplog.text


def test_an_alarm_is_told_once_when_it_rises_and_once_when_it_clears(clock: ManualClock) -> None:
    alarms = Alarms(clock)
    heard: list[tuple[str, bool]] = []

    def listener(alarm: Alarm, raised: bool) -> None:
        heard.append((alarm.name, raised))

    alarms.listen(listener)
    assert alarms.set("camera.lost", "lane", "no frame for 3 s")
    assert not alarms.set("camera.lost", "lane", "still none")
    assert [a.subject for a in alarms.standing()] == ["lane"]
    assert alarms.clear("camera.lost", "lane")
    assert not alarms.clear("camera.lost", "lane")
    assert heard == [("camera.lost", True), ("camera.lost", False)]
    assert alarms.standing() == ()


def test_systemd_hears_what_it_asked_for(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(address)
        systemd.settimeout(2)
        notifier = ServiceNotifier({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "30000000"})
        assert notifier.watchdog_s == 30.0
        notifier.send("READY=1", "STATUS=two lanes")
        assert systemd.recv(100) == b"READY=1\nSTATUS=two lanes"


def test_without_systemd_nothing_is_sent_and_nothing_fails() -> None:
    notifier = ServiceNotifier({})
    notifier.send("READY=1")
    assert notifier.watchdog_s == 0.0
    ServiceNotifier({"NOTIFY_SOCKET": "/nowhere/at/all"}).send("READY=1")


def test_the_system_clock_runs_and_knows_its_state() -> None:
    clock = SystemClock()
    first = clock.boot_ns()
    assert clock.boot_ns() >= first
    assert clock.utc_ns() > 1_600_000_000 * NS_PER_S
    assert clock.state() in ClockState


def test_a_clock_before_2026_is_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SystemClock()
    monkeypatch.setattr(clock, "utc_ns", lambda: EARLIEST_PLAUSIBLE_UTC_NS - 1)
    assert clock.state() is ClockState.UNSET


def test_ids_are_unique_and_sort_by_time() -> None:
    ids = [new_id() for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert all(i[14] == "7" for i in ids)
    assert ids == sorted(ids), "those of one millisecond, too"


class LastWord(LateWorker):
    """Goes on after it was hushed until all is told."""

    def __init__(self, ended: list[str]) -> None:
        super().__init__("last", SystemClock())
        self.ended = ended

    def work(self) -> None:
        self.stopping.wait(30)
        self.ended.append("hushed")
        self.hushed.set()
        self.all_told.wait(30)
        self.ended.append("last")


class Plain(Worker):
    """Says that it has ended."""

    def __init__(self, name: str, ended: list[str]) -> None:
        super().__init__(name, SystemClock())
        self.ended = ended

    def work(self) -> None:
        self.stopping.wait(30)
        self.ended.append(self.name)


def test_who_tells_of_the_others_end_obeys_nobody_first_and_ends_last() -> None:
    ended: list[str] = []
    crew = Crew(on_lost=lambda _worker: None)
    for worker in (Plain("first", ended), LastWord(ended), Plain("second", ended)):
        crew.start(worker)
    crew.close()
    assert ended == ["hushed", "second", "first", "last"]
    never = LastWord(ended)
    never.hush()  # was not started: nothing to wait for
    never.close()
