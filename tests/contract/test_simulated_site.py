"""The simulated site through its wires only: relays in, inputs out, and as a program of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from drivers.errors import DriverError, DriverUnavailable, LinkLost
from drivers.relay import Board, open_board
from drivers.simulated.barrier import BarrierTraits
from drivers.simulated.site import INPUT_NAMES, SimulatedSite

QUICK = BarrierTraits(travel_up_s=0.3, travel_down_s=0.3)
OPEN, CLOSE, STOP, LOCK = 1, 2, 3, 4


@contextmanager
def boards_of(lcus_port: str, io_port: str) -> Iterator[tuple[Board, Board]]:
    relays = open_board("relays", "lcus", port=lcus_port)
    inputs = open_board("inputs", "modbus", port=io_port, profile="lc", outputs=0, inputs=8, gap_ms=5)
    for board in (relays, inputs):
        board.open()
    yield relays, inputs
    for board in (relays, inputs):
        board.close()


def wait_for(inputs: Board, within_s: float = 3.0, **wanted: bool) -> None:
    deadline_s = time.monotonic() + within_s
    while True:
        levels = dict(zip(INPUT_NAMES, inputs.read_inputs(), strict=True))
        if all(levels[name] == level for name, level in wanted.items()):
            return
        assert time.monotonic() < deadline_s, f"{wanted} never came; last seen {levels}"


def pulse(relays: Board, channel: int) -> None:
    relays.write_output(channel, True)
    relays.write_output(channel, False)


def test_a_car_passes_below_a_boom_that_our_relays_raise_and_lower() -> None:
    car = {"kind": "car", "loop": [0.2, 1.0], "beam": [0.4, 0.8], "only_if_up": True}
    with (
        SimulatedSite(script=[car], barrier=QUICK) as site,
        boards_of(site.lcus.port, site.io.port) as (
            relays,
            inputs,
        ),
    ):
        wait_for(inputs, closed_limit=True, open_limit=False, loop=False, beam=False)
        pulse(relays, OPEN)
        wait_for(inputs, open_limit=True, closed_limit=False)
        wait_for(inputs, loop=True)
        wait_for(inputs, beam=True)
        wait_for(inputs, beam=False, loop=False)
        pulse(relays, CLOSE)
        wait_for(inputs, closed_limit=True)
        state = site.state()
    assert state["pulses"] == [1, 1, 0, 0]
    assert state["barrier"]["hits"] == 0
    assert state["barrier"]["closes_on_presence"] == 0


def test_a_boom_that_we_lower_onto_a_car_is_counted_against_us() -> None:
    with SimulatedSite(barrier=QUICK) as site, boards_of(site.lcus.port, site.io.port) as (relays, inputs):
        pulse(relays, OPEN)
        wait_for(inputs, open_limit=True)
        site.hold("beam", True)
        wait_for(inputs, beam=True)
        pulse(relays, CLOSE)
        wait_for(inputs, closed_limit=True)
        state = site.state()
    assert state["barrier"]["hits"] == 1
    assert state["barrier"]["closes_on_presence"] == 1


def test_a_person_waits_for_the_lock_and_the_contact_tells() -> None:
    person = {"kind": "person", "at": 0.0, "open_for_s": 0.3, "patience_s": 5}
    with SimulatedSite(script=[person]) as site, boards_of(site.lcus.port, site.io.port) as (relays, inputs):
        wait_for(inputs, door_contact=False)
        time.sleep(0.1)
        assert site.state()["door"]["passed"] == 0
        relays.write_output(LOCK, True)
        wait_for(inputs, door_contact=True)
        relays.write_output(LOCK, False)
        wait_for(inputs, door_contact=False)
        assert site.state()["door"] == {"unlocked": False, "open": False, "passed": 1, "forced": 0}


def test_levels_of_the_script_and_of_the_hand_reach_the_inputs() -> None:
    fire = {"kind": "level", "input": "fire", "during": [0.3, 0.7]}
    with SimulatedSite(script=[fire]) as site, boards_of(site.lcus.port, site.io.port) as (_, inputs):
        wait_for(inputs, fire=True)
        wait_for(inputs, fire=False)
        site.hold("hold_key", True)
        wait_for(inputs, hold_key=True)
        site.hold("hold_key", None)
        wait_for(inputs, hold_key=False)
        with pytest.raises(DriverError, match="known: fire"):
            site.hold("firee", True)


def test_a_scripted_unplug_takes_the_port_away_and_gives_it_back(tmp_path: Path) -> None:
    link = tmp_path / "lcus"
    fault = {"kind": "fault", "board": "lcus", "fault": "unplug", "during": [0.2, 2.2]}
    with SimulatedSite(script=[fault], lcus_link=link):
        board = open_board("relays", "lcus", port=str(link))
        until(lambda: tried(board) is DriverUnavailable)
        until(lambda: tried(board) is None)


def tried(board: Board) -> type[Exception] | None:
    """Open a board and close it again; what came of it."""
    try:
        board.open()
    except (DriverUnavailable, LinkLost) as error:
        return type(error)
    finally:
        board.close()
    return None


# As a program.


def is_gone(pid: int) -> bool:
    """True when the process has ended, reaped or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def until(condition: Callable[[], bool], within_s: float = 5.0) -> None:
    deadline_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline_s, "it never came true"
        time.sleep(0.02)


def command(folder: Path, *more: str) -> list[str]:
    files = [f"--{name}={folder / name}" for name in ("lcus", "io", "status", "edges")]
    return [sys.executable, "-W", "error", "-m", "drivers.simulated.site", *files, *more]


def test_the_program_shows_its_state_writes_its_edges_and_ends_on_sigterm(tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text(json.dumps([{"kind": "level", "input": "hold_key", "during": [0, 60]}]))
    epoch_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    started = command(tmp_path, f"--script={script}", f"--epoch-ns={epoch_ns}", "--travel-up-s=0.2")
    process = subprocess.Popen(started, stderr=subprocess.PIPE)
    try:
        until((tmp_path / "status").exists)
        with boards_of(str(tmp_path / "lcus"), str(tmp_path / "io")) as (relays, inputs):
            pulse(relays, OPEN)
            wait_for(inputs, open_limit=True, hold_key=True)

            def boom_is_up() -> bool:
                state = json.loads((tmp_path / "status").read_text())
                return state["barrier"]["angle_deg"] == 90.0 and state["pulses"] == [1, 0, 0, 0]

            until(boom_is_up)
    finally:
        process.terminate()
        _, errors = process.communicate(timeout=10)
    assert process.returncode == 0, errors
    assert errors == b""
    edges = [json.loads(line) for line in (tmp_path / "edges").read_text().splitlines()]
    assert [(edge["channel"], edge["on"]) for edge in edges] == [(OPEN, True), (OPEN, False)]
    assert edges[1]["boot_ns"] > edges[0]["boot_ns"] > epoch_ns
    assert not (tmp_path / "lcus").is_symlink()


def test_the_program_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    parent_code = (
        "import subprocess, sys, time; child = subprocess.Popen(sys.argv[1:]); print(child.pid, flush=True);"
        "time.sleep(60)"
    )
    started = [sys.executable, "-c", parent_code, *command(tmp_path)]
    with subprocess.Popen(started, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        until((tmp_path / "status").exists)
        parent.kill()
        parent.wait()
    until(lambda: is_gone(child))
    assert not (tmp_path / "lcus").is_symlink()


def test_the_program_lives_on_when_the_daemon_that_used_its_port_is_killed(tmp_path: Path) -> None:
    daemon_code = (
        "import sys, time; from drivers.relay import open_board;"
        "b = open_board('r', 'lcus', port=sys.argv[1]); b.open(); b.write_output(4, True);"
        "print('on', flush=True); time.sleep(60)"
    )
    site = subprocess.Popen(command(tmp_path))
    try:
        until((tmp_path / "status").exists)
        with subprocess.Popen(
            [sys.executable, "-c", daemon_code, str(tmp_path / "lcus")], stdout=subprocess.PIPE
        ) as daemon:
            assert daemon.stdout is not None
            assert daemon.stdout.readline() == b"on\n"
            daemon.send_signal(signal.SIGKILL)
            daemon.wait()
        with boards_of(str(tmp_path / "lcus"), str(tmp_path / "io")) as (relays, _):
            assert relays.read_outputs() == (False, False, False, True)  # the relay stays where it was left
            relays.write_output(LOCK, False)
            assert relays.read_outputs() == (False,) * 4
    finally:
        site.terminate()
        assert site.wait(timeout=10) == 0


@pytest.mark.parametrize("script", ['[{"kind": "bus"}]', "not json", None])
def test_the_program_refuses_a_bad_script_in_one_line(tmp_path: Path, script: str | None) -> None:
    path = tmp_path / "script.json"
    if script is not None:
        path.write_text(script)
    told = subprocess.run(command(tmp_path, f"--script={path}"), capture_output=True, text=True, check=False)
    assert told.returncode == os.EX_DATAERR
    assert told.stderr.startswith("simulated site: ")
    assert told.stderr.count("\n") == 1
