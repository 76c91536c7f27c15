"""Relays inside an OSDP reader as a board of a lane: pulses that the reader times, asked for by another."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from drivers.errors import CommandRefused, DriverError, LinkLost, ReplyTimeout
from drivers.reader.osdp_library import load_libosdp
from drivers.reader.relays import ReaderRelays
from drivers.relay import PulsingBoard
from drivers.simulated.readers import OsdpPeer, SimulatedOsdpLine
from edge.clock import NS_PER_S, SystemClock
from edge.health import Alarms
from edge.lanes import Boards
from edge.lanes.orders import Order, WireResult
from edge.readers import Outlet, Readers, key_path, outlets_of, write_key
from edge.settings_file import parse_settings

CLOCK = SystemClock()
KEY = bytes(range(16, 32))


@dataclass
class Rig:
    bus: SimulatedOsdpLine
    boards: Boards
    alarms: Alarms

    @property
    def peer(self) -> OsdpPeer:
        return self.bus.peers[5]

    def until(self, condition: Callable[[], Any], what: str) -> Any:
        deadline_s = time.monotonic() + 30
        while not (value := condition()):
            assert time.monotonic() < deadline_s, what
            time.sleep(0.01)
        return value

    def order(self, channel: int, ms: int) -> WireResult:
        """Have the owner of the board pulse a relay, as a lane does; wait for how it ended."""
        done: Future[WireResult] = Future()
        self.boards["inner"].order(
            Order(
                channel=channel,
                ms=ms,
                guard_ms=12_000,
                not_after_ns=CLOCK.boot_ns() + 10 * NS_PER_S,
                first=True,
                only_if=lambda: True,
                done=done.set_result,
            )
        )
        return done.result(30)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    pytest.importorskip("osdp_sys", reason="libosdp is not installed (extra osdp)")
    settings = parse_settings(
        {
            "device": {"id": "gate-1", "state_dir": str(tmp_path / "state")},
            "boards": {"inner": {"type": "reader", "reader": "door", "channels": 2}},
            "readers": {
                "door": {"type": "osdp", "port": str(tmp_path / "bus"), "lane": "front", "address": 5}
            },
            "lanes": {
                "front": {
                    "type": "door",
                    "accepts": ["card"],
                    "lock": {"board": "inner", "channel": 1, "pulse_ms": 500},
                }
            },
        }
    )
    write_key(key_path("door", settings.readers["door"], settings.device.state_dir), KEY)  # type: ignore[arg-type]
    alarms, outlets = Alarms(CLOCK), outlets_of(settings)
    with ExitStack() as stack:
        bus = stack.enter_context(SimulatedOsdpLine({5: KEY}, link=tmp_path / "bus"))
        boards = Boards(settings, CLOCK, alarms, outlets=outlets)
        readers = Readers(settings, lambda *_: True, CLOCK, alarms, outlets)
        for worker in (*readers.workers, *boards.values()):
            stack.callback(worker.close)
            worker.start()
        made = Rig(bus, boards, alarms)
        made.until(lambda: boards["inner"].is_up, "the board in the reader is up")
        yield made


def test_a_lanes_pulse_is_timed_by_the_reader_itself(rig: Rig) -> None:
    result = rig.order(1, 500)
    assert result.outcome.value == "done", result
    rig.until(lambda: len(rig.peer.history) == 2, "on and off")
    (on_ns, channel, _), (off_ns, _, _) = rig.peer.history
    assert channel == 1
    assert (off_ns - on_ns) / 1e6 >= 500
    assert not rig.alarms.standing()


def test_a_reader_that_refuses_fails_the_opening_and_is_taken_back_when_it_obeys(rig: Rig) -> None:
    denied = load_libosdp().CMD_OUTPUT
    rig.peer.denies.add(denied)
    assert rig.order(1, 500).outcome.value == "failed"
    assert rig.peer.history == []
    rig.peer.denies.clear()
    rig.until(lambda: rig.boards["inner"].is_up, "the board is back")
    assert rig.order(1, 300).outcome.value == "done"


def test_a_reader_that_is_gone_is_a_lost_board_and_comes_back(rig: Rig) -> None:
    rig.bus.unplug()
    rig.until(lambda: not rig.boards["inner"].is_up, "the board is lost")
    assert rig.order(1, 500).outcome.value == "failed"
    rig.until(
        lambda: {"board.lost", "reader.lost"} <= {a.name for a in rig.alarms.standing()}, "both are said"
    )
    rig.bus.replug()
    rig.until(lambda: rig.boards["inner"].is_up and not rig.alarms.standing(), "both are back")
    assert rig.order(1, 500).outcome.value == "done"


class Told:
    """An outlet that does as it is told."""

    def __init__(self, *, is_up: bool = True) -> None:
        self.is_up = is_up
        self.done: list[tuple[int, int]] = []

    def pulse(self, channel: int, ms: int) -> int:
        self.done.append((channel, ms))
        return 1

    def release(self, channel: int) -> int:
        self.done.append((channel, 0))
        return 1


def test_as_a_board_it_pulses_and_releases_and_never_holds() -> None:
    outlet = Told()
    board: PulsingBoard = ReaderRelays("inner", outlet, 2)
    board.open()
    board.pulse(1, 500)
    board.write_output(2, False)
    assert outlet.done == [(1, 500), (2, 0)]
    with pytest.raises(CommandRefused, match="never held"):
        board.write_output(1, True)
    with pytest.raises(CommandRefused, match="no channel 3"):
        board.pulse(3, 500)
    with pytest.raises(CommandRefused):
        board.read_outputs()
    assert board.read_inputs() == ()
    assert board.capabilities.pulse_step_ms == 100
    board.close()


def test_an_offline_reader_is_no_board() -> None:
    with pytest.raises(LinkLost, match="gatehouse reader list"):
        ReaderRelays("inner", Told(is_up=False), 1).open()


def test_what_nobody_waits_for_any_more_is_not_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.readers.outlets._ANSWER_S", 0.05)
    outlet = Outlet("door")
    with pytest.raises(LinkLost, match="offline"):
        outlet.pulse(1, 500)
    outlet.is_up = True
    with pytest.raises(ReplyTimeout, match="unknown"):
        outlet.pulse(1, 500)
    outlet.serve(None)  # type: ignore[arg-type]  # a line that is touched would raise
    for _ in range(8):
        with pytest.raises(ReplyTimeout):
            outlet.release(1)
    with pytest.raises(DriverError, match="busy"):
        outlet.release(1)
