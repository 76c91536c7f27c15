"""A whole daemon with a broken board of every kind: up, degraded, one clear line each; well when mended."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from drivers.simulated import SimulatedBoard, SimulatedLcusBoard, SimulatedLine, SimulatedModbusBoard
from edge.cli import main
from edge.errors import Exit, JournalError
from edge.store import EventReader

WITHIN_S = 60.0
# Root may open anything; prctl(PR_CAPBSET_DROP) takes CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH from it.
DAEMON = """
import ctypes, os, sys
for capability in (1, 2):
    ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)
os.execv(sys.executable, [sys.executable, "-m", "edge", "run", "--config", sys.argv[1]])
"""


class Stranger(SimulatedLine):
    """Something that is no relay board; it can be swapped for one."""

    board: SimulatedBoard | None = None

    def received(self, data: bytes, now_ns: int) -> list[bytes]:
        return [b"ERROR 42\r\n"] if self.board is None else self.board.received(data, now_ns)


class Site:
    """Five boards, each broken in its own way, and the daemon that shall live with that."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.state.mkdir()
        self.gone = stack.enter_context(SimulatedLcusBoard(4, link=folder / "gone"))
        self.gone.unplug()
        self.forbidden = stack.enter_context(SimulatedLcusBoard(4, link=folder / "forbidden"))
        self.taken = stack.enter_context(SimulatedLcusBoard(4, link=folder / "taken"))
        self.elsewhere = stack.enter_context(SimulatedModbusBoard("lc", 5, link=folder / "elsewhere"))
        self.stranger = stack.enter_context(Stranger("stranger", link=folder / "stranger"))
        (folder / "forbidden").resolve().chmod(0o000)
        self.holder = stack.enter_context(
            subprocess.Popen(
                ["sh", "-c", 'exec 3<>"$0"; echo held; exec sleep 120', str(folder / "taken")],
                stdout=subprocess.PIPE,
            )
        )
        stack.callback(self.holder.kill)
        assert self.holder.stdout is not None
        assert self.holder.stdout.readline() == b"held\n"
        self._start(stack)

    def _start(self, stack: ExitStack) -> None:
        lcus = {name: f'[boards.{name}]\ntype = "lcus"\nport = "{self.folder / name}"\n' for name in LCUS}
        modbus = (
            '[boards.elsewhere]\ntype = "modbus"\nprofile = "lc"\noutputs = 8\ninputs = 0\naddress = 1\n'
            f'port = "{self.folder / "elsewhere"}"\n'
        )
        lock = 'lock = {{ board = "{0}", channel = 1 }}\n'
        door = '[lanes.{0}]\ntype = "door"\naccepts = ["plate"]\n' + lock
        doors = [door.format(name) for name in (*LCUS, "elsewhere")]
        self.config = self.folder / "gatehouse.toml"
        head = f'[device]\nid = "box"\nstate_dir = "{self.state}"\n'
        self.config.write_text("\n".join((head, *lcus.values(), modbus, *doors)), encoding="utf-8")
        self.log = stack.enter_context((self.folder / "log").open("wb"))
        self.daemon = subprocess.Popen(
            [sys.executable, "-c", DAEMON, str(self.config)],
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )
        stack.callback(self._stop)

    def _stop(self) -> None:
        self.daemon.terminate()
        self.daemon.wait(30.0)

    def alarms(self, kind: str) -> dict[str, str]:
        """The newest journaled line about each board that was lost (``raised``) or found (``cleared``)."""
        try:
            with EventReader(self.state / "events.db") as reader:
                events = [json.loads(row.payload) for row in reader.tail(0, (), 100_000)]
        except JournalError:  # not made yet
            return {}
        told = (e for e in events if e["type"] == f"gh.alarm.{kind}.v1" and e["data"]["name"] == "board.lost")
        return {event["subject"]: event["data"]["detail"] for event in told}


LCUS = ("gone", "forbidden", "taken", "stranger")


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        yield Site(Path(name), stack)


def until(what: Callable[[], Any], site: Site) -> Any:
    deadline_s = time.monotonic() + WITHIN_S
    while not (value := what()):
        assert site.daemon.poll() is None, (site.folder / "log").read_text("utf-8")
        assert time.monotonic() < deadline_s, (site.folder / "log").read_text("utf-8")
        time.sleep(0.1)
    return value


def status(site: Site, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    """What ``gatehouse lane status`` says of each board."""
    capsys.readouterr()
    code = main(["lane", "status", "--json", "--config", str(site.config)])
    out = capsys.readouterr().out
    return code, {board["name"]: board for board in json.loads(out[out.index("{") :])["boards"]}


@pytest.mark.slow
def test_every_broken_board_is_one_clear_line_and_the_daemon_is_up(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    until(lambda: len(site.alarms("raised")) == 5 and (site.state / "local.sock").exists(), site)
    said = site.alarms("raised")
    assert said["gone"].endswith("gone: no such port; plugged in? ls /dev/serial/by-path")
    assert "no permission; add user " in said["forbidden"] or "mode keeps even group" in said["forbidden"]
    assert f"taken by another process, sleep (process {site.holder.pid}); stop it" in said["taken"]
    assert "unit 1 does not answer within 300 ms; right address?" in said["elsewhere"]
    assert "not an LCUS status" in said["stranger"]
    assert all("\n" not in line for line in said.values())
    code, boards = status(site, capsys)
    assert code == Exit.UNAVAILABLE
    assert not any(board["is_up"] for board in boards.values())
    assert site.daemon.poll() is None


@pytest.mark.slow
def test_each_board_works_once_it_is_put_right_without_a_restart(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    until(lambda: len(site.alarms("raised")) == 5, site)
    site.gone.replug()
    (site.folder / "forbidden").resolve().chmod(0o600)
    site.holder.kill()
    site.holder.wait()
    site.elsewhere.do(lambda: setattr(site.elsewhere, "_address", 1))
    site.stranger.board = SimulatedLcusBoard(4)  # its firmware, at last
    until(lambda: set(site.alarms("cleared")) >= {*LCUS, "elsewhere"}, site)
    until(lambda: all(board["is_up"] for board in status(site, capsys)[1].values()), site)
    assert status(site, capsys)[0] == Exit.OK


def test_an_unknown_board_does_not_start_the_daemon_and_says_what_was_meant(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "gatehouse.toml"
    config.write_text('[device]\nid = "box"\n[boards.b]\ntype = "lkus"\nport = "/dev/ttyUSB0"\n', "utf-8")
    assert main(["run", "--config", str(config)]) == Exit.CONFIG
    assert "boards.b.type: no type 'lkus'; did you mean 'lcus'?" in capsys.readouterr().err
