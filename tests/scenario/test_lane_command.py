"""``gatehouse lane`` as an installer meets it: with a daemon and without, on simulated boards."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import pytest
from rich.console import Console

from drivers.simulated.site import SimulatedSite
from edge.cli import main
from edge.cli.lane_trial import trial_of
from edge.cli.lane_views import view
from edge.errors import Exit
from edge.hatch import request
from edge.settings_file import load_settings
from edge.store import EventReader

GATE = """
[lanes.gate]
type = "barrier"
accepts = ["plate"]
open = { board = "relays", channel = 1, pulse_ms = 300 }
close = { board = "relays", channel = 2, pulse_ms = 300 }
open_limit = { board = "inputs", channel = 1 }
closed_limit = { board = "inputs", channel = 2 }
presence = { board = "inputs", channel = 3 }
beam = { board = "inputs", channel = 4 }
"""
WITHIN_S = 60.0


def write_config(folder: Path, boards: str) -> Path:
    config = folder / "gatehouse.toml"
    head = f'[device]\nid = "box"\nstate_dir = "{folder / "state"}"\n'
    config.write_text(head + boards + GATE, encoding="utf-8")
    return config


@pytest.fixture
def site(tmp_path: Path) -> Iterator[SimulatedSite]:
    """Boards at links, as a real site has them at ports."""
    with SimulatedSite(lcus_link=tmp_path / "relays", io_link=tmp_path / "inputs") as running:
        yield running


@pytest.fixture
def config(site: SimulatedSite, tmp_path: Path) -> Path:
    relays, inputs = site.lcus.port, site.io.port
    return write_config(
        tmp_path,
        f'[boards.relays]\ntype = "lcus"\nport = "{relays}"\n'
        f'[boards.inputs]\ntype = "modbus"\nprofile = "lc"\nport = "{inputs}"\noutputs = 0\n',
    )


@contextmanager
def running_daemon(config: Path) -> Iterator[Path]:
    """A daemon in a process of its own; gives its state folder once it serves."""
    state = load_settings(config).device.state_dir
    daemon = subprocess.Popen(
        [sys.executable, "-m", "edge", "run", "--config", str(config)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        deadline_s = time.monotonic() + WITHIN_S
        while not _is_ready(state):
            assert daemon.poll() is None, daemon.communicate()[0].decode()
            assert time.monotonic() < deadline_s
            time.sleep(0.1)
        yield state
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.communicate(timeout=WITHIN_S)
    assert daemon.returncode == Exit.OK


def _is_ready(state: Path) -> bool:
    told = request(state, {"do": "status"}) if (state / "local.sock").exists() else None
    return told is not None and all(lane["phase"] == "closed" for lane in told["lanes"])


def run(capsys: pytest.CaptureFixture[str], config: Path, *words: str) -> tuple[int, str]:
    capsys.readouterr()
    code = main(["lane", *words, "--config", str(config)])
    captured = capsys.readouterr()
    return code, captured.out + captured.err


def test_without_a_daemon_the_boards_are_read_and_nothing_is_switched(
    site: SimulatedSite, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site.lcus.do(lambda: site.lcus.switch(4, True) and None)
    history = site.lcus.history
    code, said = run(capsys, config, "status")
    assert code == Exit.OK
    assert "read directly" in said
    code, said = run(capsys, config, "status", "--json")
    told = json.loads(said[said.index("{") :])
    (gate,) = told["lanes"]
    assert gate["contacts"] == {"open_limit": False, "closed_limit": True, "presence": False, "beam": False}
    boards = {board["name"]: board for board in told["boards"]}
    assert boards["relays"]["outputs"] == [False, False, False, True]
    assert site.lcus.history == history


def test_a_board_that_is_not_there_is_said_so_and_is_the_exit_code(
    site: SimulatedSite, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site.lcus.unplug()
    code, said = run(capsys, config, "status", "--json")
    assert code == Exit.UNAVAILABLE
    assert "no such port; plugged in?" in said
    site.lcus.replug()


def test_every_wire_is_tried_and_everything_ends_safe(
    site: SimulatedSite, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = run(capsys, config, "test", "gate", "--yes", "--wait-s", "0")
    assert code == Exit.OK, said
    changes = [(channel, on) for _, channel, on in site.lcus.history]
    assert changes == [(1, True), (1, False), (2, True), (2, False)]  # never together
    assert " ".join(said.replace("│", " ").split()).count("while the relays were tried") == 2  # both limits
    assert "every relay is in its safe state again" in said
    assert not any(site.lcus.relays)


def test_nothing_is_lowered_onto_something(
    site: SimulatedSite, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site.hold("loop", True)
    code, said = run(capsys, config, "test", "gate", "--yes", "--wait-s", "0", "--only", "close")
    assert code == Exit.UNAVAILABLE
    assert "presence: active or not known, nothing is lowered" in said
    assert site.lcus.history == ()


def test_nobody_is_asked_twice_and_nothing_moves_without_a_yes(
    site: SimulatedSite, config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("typer.confirm", lambda *_, **__: False)
    code, said = run(capsys, config, "test", "gate", "--wait-s", "0")
    assert code == Exit.OK
    assert said.count("skipped") >= 2
    assert site.lcus.history == ()


def test_an_interrupted_test_leaves_every_relay_safe(site: SimulatedSite, config: Path) -> None:
    settings = load_settings(config)
    settings = settings.model_copy(
        update={
            "lanes": {
                "gate": settings.lanes["gate"].model_copy(
                    update={"open": settings.lanes["gate"].open.model_copy(update={"pulse_ms": 10_000})}
                )
            }
        }
    )

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    def try_it() -> None:
        with trial_of("gate", settings) as trial:
            signal.setitimer(signal.ITIMER_REAL, 1.0)
            trial.switch("open")

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            try_it()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert site.lcus.history[0][2]
    assert not any(site.lcus.relays)


def test_a_lane_that_is_not_there_is_named(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (("test", "gat"), ("wiring", "gat"), ("watch", "gat"), ("ask", "gat", "open")):
        code, said = run(capsys, config, *words)
        assert code == Exit.USAGE
        assert "no lane 'gat'; there are: gate" in said


def test_boards_and_wiring_need_no_hardware(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = write_config(
        tmp_path,
        '[boards.relays]\ntype = "lcus"\nport = "/dev/ttyUSB9"\n'
        '[boards.inputs]\ntype = "modbus"\nprofile = "lc"\nport = "usb:serial=X"\noutputs = 0\n',
    )
    code, said = run(capsys, config, "wiring", "gate")
    assert code == Exit.OK
    assert "COM1 o" in said
    assert "o OPEN 开" in said
    for name in ("gate.svg", "gate.png"):
        assert run(capsys, config, "wiring", "gate", "--out", str(tmp_path / name))[0] == Exit.OK
    assert (tmp_path / "gate.svg").read_text("utf-8").startswith("<svg")
    assert cv2.imread(str(tmp_path / "gate.png")) is not None
    assert run(capsys, config, "wiring", "gate", "--out", "gate.pdf")[0] == Exit.USAGE
    assert run(capsys, config, "wiring", "gate", "--out", "/no/folder/x.svg")[0] == Exit.UNAVAILABLE
    capsys.readouterr()
    assert main(["lane", "boards"]) == Exit.OK
    assert main(["lane", "boards", "--markdown", "--zh"]) == Exit.OK
    assert "KMTronic" in capsys.readouterr().out


@pytest.mark.slow
def test_a_running_daemon_tells_its_state_and_takes_what_staff_ask(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    simulated = (
        '[boards.relays]\ntype = "simulated"\npart = "relays"\nfamily = "modbus-tcp"\n'
        '[boards.inputs]\ntype = "simulated"\npart = "inputs"\n'
    )
    config = write_config(tmp_path, simulated)
    code, said = run(capsys, config, "ask", "gate", "open")
    assert (code, "no daemon is running" in said) == (Exit.UNAVAILABLE, True)
    with running_daemon(config) as state:
        code, said = run(capsys, config, "status")
        assert code == Exit.OK
        assert "closed" in said
        code, said = run(capsys, config, "test", "gate", "--yes")
        assert code == Exit.UNAVAILABLE
        assert "the daemon is running and drives the boards" in said
        code, said = run(capsys, config, "ask", "gate", "open")
        assert (code, "done" in said) == (Exit.OK, True)
        deadline_s = time.monotonic() + WITHIN_S
        while _phase(state) == "closed":
            assert time.monotonic() < deadline_s
            time.sleep(0.05)
        assert run(capsys, config, "watch", "gate", "--seconds", "0.5")[0] == Exit.OK
        with pytest.raises(Exception, match="no lane 'x'"):
            request(state, {"do": "ask", "lane": "x", "ask": "open"})
        with EventReader(state / "events.db") as reader:
            told = [json.loads(row.payload) for row in reader.tail(0, (), 10_000)]
        operators = [event["data"].get("operator", "") for event in told if "access" in event["type"]]
        assert any(operator.startswith("local:") for operator in operators)
    assert not (state / "local.sock").exists()
    assert request(state, {"do": "status"}) is None


def _phase(state: Path) -> str:
    told = request(state, {"do": "status"})
    assert told is not None
    return str(told["lanes"][0]["phase"])


def test_the_view_shows_unknown_inputs_faults_and_alarms() -> None:
    console = Console(width=200, record=True)
    console.print(
        view(
            {
                "lanes": [
                    {
                        "name": "gate",
                        "kind": "barrier",
                        "phase": "fault",
                        "for_s": 300.0,
                        "contacts": {"presence": None, "beam": True},
                        "away": ["open"],
                        "fault": "open_failed",
                    }
                ],
                "boards": [
                    {
                        "name": "io",
                        "type": "modbus",
                        "port": "/dev/ttyUSB0",
                        "is_up": False,
                        "detail": "no answer",
                        "inputs": None,
                        "away": [3],
                        "reconnects": 2,
                        "faults": {"silent": 7},
                    }
                ],
                "alarms": [{"name": "board.lost", "subject": "io", "for_s": 9000.0, "detail": "no answer"}],
            }
        )
    )
    text = console.export_text()
    for word in ("? presence", "● beam", "fault: open_failed", "5 min", "silent x7", "x2", "away: 3", "2 h"):
        assert word.replace(" ", "\N{NO-BREAK SPACE}", 1) in text or word in text
