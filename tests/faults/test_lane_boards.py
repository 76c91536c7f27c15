"""Boards that fail under a lane: unplugged, stuck, silent, lossy, hanging. Real bytes on pseudo-terminals."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lane_rig import CLOCK, CLOSE, OPEN, Rig, grant, rig

from drivers.relay import Capabilities, Oddities
from drivers.simulated import SimulatedLcusBoard, SimulatedModbusBoard
from drivers.simulated.barrier import BarrierTraits
from drivers.simulated.site import SimulatedSite
from edge.clock import NS_PER_S
from edge.health import Alarms
from edge.lanes import BoardGuard, Boards, BoardWorker, make_safe
from edge.lanes.interlock import Interlock
from edge.lanes.orders import Order, Outcome, WireResult
from edge.lanes.wiring import wiring_of
from edge.settings import ModbusBoard, Settings

LONG_NS = 1 << 62


def relay(made: Rig, channel: int) -> bool:
    return made.site.lcus.relays[channel - 1]


def standing(made: Rig) -> set[tuple[str, str]]:
    return {(alarm.name, alarm.subject) for alarm in made.alarms.standing()}


def long_pulse(ms: int) -> dict[str, Any]:
    return {"open": {"board": "relays", "channel": OPEN, "pulse_ms": ms}}


def test_SAFE_4_a_board_unplugged_in_mid_pulse_is_made_safe_when_it_returns(tmp_path: Path) -> None:
    with rig(tmp_path, **long_pulse(3000)) as made:
        made.until_phase("closed")
        made.lane.submit(grant())
        made.until(lambda: relay(made, OPEN))
        made.site.lcus.unplug()
        made.until(lambda: ("board.lost", "relays") in standing(made), 4.0)
        assert made.boards["relays"].status.away == (OPEN,)
        made.site.lcus.replug()
        made.until(lambda: not relay(made, OPEN), 6.0)
        made.until(lambda: made.boards["relays"].is_up)
        assert standing(made) == set()
        assert made.boards["relays"].status.away == ()
        assert len(made.pulses(OPEN)) == 1  # it was not tried again


def test_SAFE_4_every_output_goes_safe_when_the_daemon_stops_in_mid_pulse(tmp_path: Path) -> None:
    with SimulatedSite(lcus_link=tmp_path / "relays", io_link=tmp_path / "inputs") as site:
        with rig(tmp_path, site=_kept(site), **long_pulse(5000)) as made:
            made.until_phase("closed")
            made.lane.submit(grant())
            made.until(lambda: relay(made, OPEN))
        assert site.lcus.relays == (False, False, False, False)


class _Kept:
    """A site that outlives the rig."""

    def __init__(self, site: SimulatedSite) -> None:
        self.site = site

    def __enter__(self) -> SimulatedSite:
        return self.site

    def __exit__(self, *_: object) -> None:
        return


def _kept(site: SimulatedSite) -> Any:
    return _Kept(site)


def test_SAFE_4_a_relay_found_energised_at_start_is_released_before_anything_else(tmp_path: Path) -> None:
    with SimulatedSite(lcus_link=tmp_path / "relays", io_link=tmp_path / "inputs") as site:
        site.lcus.do(lambda: site.lcus.switch(CLOSE, True))
        with rig(tmp_path, site=_kept(site)) as made:
            assert made.boards["relays"].is_up
            assert site.lcus.relays == (False, False, False, False)


@pytest.mark.parametrize("lost", [1, 2])
def test_SAFE_4_a_lost_off_is_made_good_by_telling_twice_or_by_reading_back(
    lost: int, tmp_path: Path
) -> None:
    with rig(tmp_path) as made:
        made.until_phase("closed")
        frames = made.site.lcus
        made.until(lambda: CLOCK.boot_ns() - frames.frames[-1][0] > NS_PER_S / 2)  # told twice, and read
        made.lane.submit(grant())
        made.until(lambda: relay(made, OPEN))
        made.site.lcus.faults.drop_requests = lost  # the next frames are the OFF and its repetition
        made.until(lambda: not relay(made, OPEN), 8.0)
        (lasted_ms,) = made.on_times_ms(OPEN)
        assert lasted_ms > 350
        assert made.site.lcus.faults.drop_requests == 0


def test_a_stuck_relay_is_named_and_cleared_when_it_comes_free(tmp_path: Path) -> None:
    with rig(tmp_path) as made:
        made.until_phase("closed")
        made.site.lcus.faults.stuck[OPEN] = True
        made.lane.submit(grant())
        made.until(lambda: ("relay.stuck", f"relays:{OPEN}") in standing(made), 8.0)
        made.site.lcus.faults.stuck.clear()
        made.until(lambda: not relay(made, OPEN), 4.0)
        made.until(lambda: standing(made) == set(), 6.0)


def test_SAFE_1_close_waits_while_open_is_stuck(tmp_path: Path) -> None:
    with rig(tmp_path) as made:
        made.until_phase("closed")
        made.lane.submit(grant())
        made.until(lambda: relay(made, OPEN))
        made.site.lcus.faults.stuck[OPEN] = True
        made.until(lambda: ("relay.stuck", f"relays:{OPEN}") in standing(made), 8.0)
        made.until_phase("closing", 12.0)  # the machine would, the interlock does not let it
        time.sleep(2.0)
        assert made.pulses(CLOSE) == []


def test_SAFE_1_inputs_that_fall_silent_never_close_the_boom(tmp_path: Path) -> None:
    with rig(tmp_path) as made:
        made.until_phase("closed")
        made.lane.submit(grant())
        made.until_phase("open_wait")
        made.site.io.faults.silent = True
        made.until(lambda: made.lane.status.contacts["presence"] is None)
        made.until(lambda: ("board.lost", "inputs") in standing(made), 6.0)
        time.sleep(7.0)  # longer than the pass timeout
        assert made.pulses(CLOSE) == []
        made.site.io.faults.silent = False
        made.until_phase("closed", 15.0)


def test_SAFE_1_a_closing_boom_is_raised_when_the_inputs_fall_silent(tmp_path: Path) -> None:
    traits = BarrierTraits(travel_up_s=1.0, travel_down_s=4.0)
    site = SimulatedSite(lcus_link=tmp_path / "relays", io_link=tmp_path / "inputs", barrier=traits)
    with rig(tmp_path, site=site) as made:
        made.until_phase("closed")
        made.lane.submit(grant())
        made.until_phase("closing", 12.0)
        made.until(lambda: made.site.barrier.motion < 0 and made.site.barrier.angle_deg < 75)
        opened, closed = len(made.pulses(OPEN)), len(made.pulses(CLOSE))
        made.site.io.faults.silent = True
        silent_ns = CLOCK.boot_ns()
        made.until(lambda: len(made.pulses(OPEN)) > opened)
        reaction_ms = (made.pulses(OPEN)[opened] - silent_ns) / 1e6
        assert reaction_ms < 1000  # two missed polls with room for a write, see edge.lanes.wiring
        made.until(lambda: made.site.barrier.open_limit)
        time.sleep(2.0)
        assert len(made.pulses(CLOSE)) == closed


def test_a_board_that_is_not_there_at_start_is_an_alarm_and_works_once_plugged_in(tmp_path: Path) -> None:
    with SimulatedSite(lcus_link=tmp_path / "relays", io_link=tmp_path / "inputs") as site:
        site.lcus.unplug()
        settings = _boards_only(site)
        alarms = Alarms(CLOCK)
        boards = Boards(settings, CLOCK, alarms)
        board = boards["relays"]
        board.start()
        try:
            _until(lambda: any(alarm.name == "board.lost" for alarm in alarms.standing()))
            told: list[WireResult] = []
            board.order(Order(OPEN, 100, 1000, LONG_NS, done=told.append))
            _until(lambda: told)
            assert told[0].outcome is Outcome.FAILED
            assert told[0].written_ns is None
            site.lcus.replug()
            _until(lambda: board.is_up, 6.0)
            assert alarms.standing() == ()
        finally:
            board.close()


def _boards_only(site: SimulatedSite, **output: Any) -> Settings:
    gate = {"type": "barrier", "open": {"board": "relays", "channel": OPEN, "pulse_ms": 200} | output}
    return Settings.model_validate(
        {
            "device": {"id": "test-box"},
            "boards": {"relays": {"type": "lcus", "port": site.lcus.port}},
            "lanes": {"gate": gate},
        }
    )


def _until(what: Any, within_s: float = 5.0) -> None:
    deadline = time.monotonic() + within_s
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_the_alarm_of_a_lost_board_follows_its_reason_for_whoever_works_on_it(tmp_path: Path) -> None:
    with SimulatedSite(lcus_link=tmp_path / "relays", io_link=tmp_path / "inputs") as site:
        site.io.unplug()
        alarms = Alarms(CLOCK)
        inputs = {"type": "modbus", "profile": "lc", "port": site.io.port, "outputs": 0}
        settings = _boards_only(site).model_copy(
            update={"boards": {"io": ModbusBoard.model_validate(inputs)}, "lanes": {}}
        )
        worker = Boards(settings, CLOCK, alarms)["io"]
        worker.start()
        try:
            _until(lambda: [alarm.detail for alarm in alarms.standing() if "plugged in?" in alarm.detail])
            site.io.faults.silent = True
            site.io.replug()
            _until(lambda: [alarm for alarm in alarms.standing() if "does not answer" in alarm.detail], 10.0)
            assert len(alarms.standing()) == 1
            site.io.faults.silent = False
            _until(lambda: alarms.standing() == (), 10.0)
        finally:
            worker.close()


@pytest.fixture
def board(tmp_path: Path) -> Iterator[tuple[SimulatedSite, BoardWorker]]:
    with SimulatedSite(lcus_link=tmp_path / "relays", io_link=tmp_path / "inputs") as site:
        worker = Boards(_boards_only(site), CLOCK, Alarms(CLOCK))["relays"]
        worker.start()
        try:
            _until(lambda: worker.is_up)
            yield site, worker
        finally:
            worker.close()


def test_SAFE_4_the_guard_ends_what_nobody_released(board: tuple[SimulatedSite, BoardWorker]) -> None:
    site, worker = board
    worker.order(Order(OPEN, ms=0, guard_ms=500, not_after_ns=LONG_NS))
    _until(lambda: site.lcus.relays[0])
    _until(lambda: not site.lcus.relays[0], 2.0)
    on_ns, off_ns = (at_ns for at_ns, _, _ in list(site.lcus.history)[-2:])
    # It counts from before the ON was written, which had to wait for the board's pause between frames.
    assert 350 < (off_ns - on_ns) / 1e6 < 1000


def test_a_release_cancels_what_waits_and_ends_what_runs(board: tuple[SimulatedSite, BoardWorker]) -> None:
    site, worker = board
    told: list[WireResult] = []
    worker.order(Order(OPEN, ms=5000, guard_ms=8000, not_after_ns=LONG_NS, done=told.append))
    _until(lambda: site.lcus.relays[0])
    _until(lambda: told)
    assert told[0].outcome is Outcome.DONE
    worker.release(OPEN)
    _until(lambda: not site.lcus.relays[0], 2.0)
    _until(lambda: worker.overdue_ns(CLOCK.boot_ns()) == 0)


def test_SAFE_3_an_order_past_its_deadline_is_answered_and_not_done(
    board: tuple[SimulatedSite, BoardWorker],
) -> None:
    site, worker = board
    told: list[WireResult] = []
    worker.order(Order(OPEN, 100, 1000, CLOCK.boot_ns() - 1, done=told.append))
    _until(lambda: told)
    assert told[0].outcome is Outcome.TOO_LATE
    assert not any(on for _, _, on in site.lcus.history)


def test_SAFE_1_an_order_whose_condition_no_longer_holds_is_not_done(
    board: tuple[SimulatedSite, BoardWorker],
) -> None:
    site, worker = board
    told: list[WireResult] = []
    worker.order(Order(OPEN, 100, 1000, LONG_NS, only_if=lambda: False, done=told.append))
    _until(lambda: told)
    assert told[0].outcome is Outcome.CANCELLED
    assert not any(on for _, _, on in site.lcus.history)


def test_written_ns_is_when_the_bytes_were_on_the_line(board: tuple[SimulatedSite, BoardWorker]) -> None:
    site, worker = board
    told: list[WireResult] = []
    asked_ns = CLOCK.boot_ns()
    worker.order(Order(OPEN, 100, 1000, LONG_NS, done=told.append))
    _until(lambda: told)
    written_ns = told[0].written_ns
    _until(lambda: any(on for _, _, on in site.lcus.history))
    switched_ns = next(at_ns for at_ns, _, on in site.lcus.history if on)
    assert written_ns is not None
    assert asked_ns <= written_ns
    assert abs(switched_ns - written_ns) < NS_PER_S  # the device's thread may be kept waiting


class _HangingBoard:
    """A board whose write never comes back until the test lets it."""

    name = "relays"
    capabilities = Capabilities(
        outputs=4, inputs=0, acknowledges=True, reads_back=False, pulse_step_ms=None, min_gap_ms=0
    )
    oddities = Oddities()
    is_there = True
    free_ns = 0

    def __init__(self) -> None:
        self.let_go = threading.Event()
        self.writes = 0

    def open(self) -> None:
        return

    def write_output(self, channel: int, on: bool) -> int:
        self.writes += 1
        if self.writes > 2:  # safe at start, ON, and then the OFF that hangs
            self.let_go.wait(20.0)
        return CLOCK.boot_ns()

    def read_outputs(self) -> tuple[bool, ...]:
        return ()

    def read_inputs(self) -> tuple[bool, ...]:
        return ()

    def close(self) -> None:
        return


def test_SAFE_4_a_hanging_owner_with_a_relay_on_is_noticed_and_the_last_resort_is_taken(
    tmp_path: Path,
) -> None:
    with SimulatedSite(lcus_link=tmp_path / "relays", io_link=tmp_path / "inputs") as site:
        settings = _boards_only(site)
    driver, alarms, dead = _HangingBoard(), Alarms(CLOCK), list[str]()
    worker = BoardWorker(
        "relays", lambda: driver, wiring_of("relays", settings), CLOCK, alarms, Interlock(settings)
    )
    guard = BoardGuard({"relays": worker}, CLOCK, alarms, last_resort=dead.append)
    worker.start()
    guard.start()
    try:
        _until(lambda: worker.is_up)
        started = time.monotonic()
        worker.order(Order(OPEN, ms=200, guard_ms=500, not_after_ns=LONG_NS))
        _until(lambda: dead, 10.0)
        assert dead == ["relays"]
        assert time.monotonic() - started > 2.0
        assert [alarm.name for alarm in alarms.standing()] == ["board.hung"]
    finally:
        driver.let_go.set()
        guard.close()
        worker.close()


def test_a_lost_board_is_not_taken_for_a_hanging_owner(tmp_path: Path) -> None:
    with SimulatedSite(lcus_link=tmp_path / "relays", io_link=tmp_path / "inputs") as site:
        settings, alarms, dead = _boards_only(site), Alarms(CLOCK), list[str]()
        worker = Boards(settings, CLOCK, alarms)["relays"]
        guard = BoardGuard({"relays": worker}, CLOCK, alarms, last_resort=dead.append)
        worker.start()
        guard.start()
        try:
            _until(lambda: worker.is_up)
            worker.order(Order(OPEN, ms=200, guard_ms=500, not_after_ns=LONG_NS))
            _until(lambda: site.lcus.relays[0])
            site.lcus.unplug()
            time.sleep(4.5)
            assert worker.overdue_ns(CLOCK.boot_ns()) > 3 * NS_PER_S
            assert dead == []
            site.lcus.replug()
            _until(lambda: not site.lcus.relays[0], 6.0)
        finally:
            guard.close()
            worker.close()


def test_make_safe_writes_every_safe_state_and_names_the_board_that_it_cannot_reach(tmp_path: Path) -> None:
    with SimulatedSite(lcus_link=tmp_path / "relays", io_link=tmp_path / "inputs") as site:
        settings = _boards_only(site)
        site.lcus.do(lambda: site.lcus.switch(OPEN, True))
        assert make_safe(settings) == ()
        assert not site.lcus.relays[0]
        energised = _boards_only(site, safe_energised=True)
        assert make_safe(energised) == ()
        assert site.lcus.relays[0]
        site.lcus.faults.stuck[OPEN] = True
        (problem,) = make_safe(settings)
        assert "relay 1 does not go to its safe state" in problem
        site.lcus.unplug()
        (problem,) = make_safe(settings)
        assert "no such port" in problem


def _modbus(port: str, **open_wire: Any) -> Settings:
    return Settings.model_validate(
        {
            "device": {"id": "test-box"},
            "boards": {"io": {"type": "modbus", "profile": "waveshare", "port": port, "inputs": 0}},
            "lanes": {"gate": {"type": "barrier", "open": {"board": "io", "channel": 1} | open_wire}},
        }
    )


def test_a_boards_own_timer_is_the_net_below_our_off() -> None:
    with SimulatedModbusBoard("waveshare", outputs=8) as device:
        worker = Boards(_modbus(device.port), CLOCK, Alarms(CLOCK))["io"]
        worker.start()
        try:
            _until(lambda: worker.is_up)
            worker.order(Order(1, ms=500, guard_ms=2000, not_after_ns=LONG_NS))
            _until(lambda: device.relays[0])
            device.faults.drop_requests = 1000  # nothing of ours arrives any more
            _until(lambda: not device.relays[0], 2.0)
        finally:
            device.faults.drop_requests = 0
            worker.close()


def test_an_output_that_is_energised_in_its_safe_state_is_pulsed_by_releasing_it() -> None:
    with SimulatedModbusBoard("waveshare", outputs=8) as device:
        worker = Boards(_modbus(device.port, safe_energised=True), CLOCK, Alarms(CLOCK))["io"]
        worker.start()
        try:
            _until(lambda: worker.is_up)
            assert device.relays[0]
            worker.order(Order(1, ms=300, guard_ms=2000, not_after_ns=LONG_NS))
            _until(lambda: not device.relays[0])
            _until(lambda: device.relays[0], 1.0)
        finally:
            worker.close()
        assert device.relays[0]


def test_SAFE_4_a_board_with_its_own_power_is_made_safe_when_its_line_returns(tmp_path: Path) -> None:
    with SimulatedModbusBoard("waveshare", outputs=8, link=tmp_path / "io") as device:
        alarms = Alarms(CLOCK)
        worker = Boards(_modbus(str(tmp_path / "io")), CLOCK, alarms)["io"]
        worker.start()
        try:
            _until(lambda: worker.is_up)
            worker.order(Order(1, ms=0, guard_ms=1000, not_after_ns=LONG_NS))
            _until(lambda: device.relays[0])
            device.unplug()
            _until(lambda: [alarm.name for alarm in alarms.standing()] == ["board.lost"], 4.0)
            time.sleep(1.0)
            assert device.relays[0]  # nobody can reach it
            assert worker.status.away == (1,)
            device.replug()
            _until(lambda: not device.relays[0], 6.0)
            _until(lambda: worker.is_up)
            assert alarms.standing() == ()
            assert worker.status.away == ()
        finally:
            worker.close()


def test_an_unanswered_off_is_written_until_it_is_answered() -> None:
    with SimulatedModbusBoard("waveshare", outputs=8) as device:
        settings = _modbus(device.port, safe_energised=True)
        worker = Boards(settings, CLOCK, Alarms(CLOCK))["io"]
        worker.start()
        try:
            _until(lambda: worker.is_up)
            worker.order(Order(1, ms=200, guard_ms=2000, not_after_ns=LONG_NS))
            _until(lambda: not device.relays[0])
            device.faults.drop_requests = 2
            _until(lambda: device.relays[0], 3.0)
            _until(lambda: worker.status.away == ())
            assert worker.is_up
        finally:
            worker.close()


def test_SAFE_4_a_relay_that_hung_on_a_board_nobody_can_read_is_told_again_soon() -> None:
    with SimulatedLcusBoard(4, "none") as device:
        settings = Settings.model_validate(
            {
                "device": {"id": "test-box"},
                "boards": {"io": {"type": "lcus", "channels": 4, "dialect": "none", "port": device.port}},
                "lanes": {
                    name: {"type": "barrier", "open": {"board": "io", "channel": channel}}
                    for name, channel in (("in", 1), ("out", 2))
                },
            }
        )
        worker = Boards(settings, CLOCK, Alarms(CLOCK))["io"]
        worker.start()
        try:
            _until(lambda: worker.is_up)
            for channel in (1, 2):
                worker.order(Order(channel, ms=100, guard_ms=2000, not_after_ns=LONG_NS))
                _until(lambda at=channel - 1: device.relays[at])
                device.faults.stuck[channel] = True
            _until(lambda: worker.status.away == ())
            time.sleep(1.0)  # told twice, in vain
            assert device.relays[:2] == (True, True)
            device.faults.stuck.clear()
            _until(lambda: device.relays[:2] == (False, False), 12.0)
        finally:
            worker.close()
