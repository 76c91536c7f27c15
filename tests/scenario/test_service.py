"""As a service: the unit file, readiness, the watchdog that is fed by progress, and the end in safety."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from whole_box import LOCK, OPEN, WholeBox, until

ROOT = Path(__file__).resolve().parents[2]
UNIT = ROOT / "systemd" / "gatehouse.service"
COMMAND = Path(sys.executable).with_name("gatehouse")


def test_the_unit_file_is_valid(tmp_path: Path) -> None:
    tool = shutil.which("systemd-analyze")
    if tool is None:
        pytest.skip("systemd-analyze is not installed here")
    unit = tmp_path / UNIT.name
    unit.write_text(
        UNIT.read_text("utf-8").replace("/opt/gatehouse/.venv/bin/gatehouse", str(COMMAND)), "utf-8"
    )
    verified = subprocess.run([tool, "verify", str(unit)], capture_output=True, text=True, check=False)
    assert verified.returncode == 0, verified.stderr
    ours = [line for line in verified.stderr.splitlines() if "gatehouse" in line]
    assert ours == []


def test_the_unit_is_hardened_to_two_or_better() -> None:
    tool = shutil.which("systemd-analyze")
    if tool is None:
        pytest.skip("systemd-analyze is not installed here")
    rated = subprocess.run(
        [tool, "security", "--offline=true", "--threshold=20", str(UNIT)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert rated.returncode == 0, rated.stdout[-300:] + rated.stderr


def test_the_unit_says_what_the_readme_says() -> None:
    text = UNIT.read_text("utf-8")
    for line in (
        "Type=notify",
        "WatchdogSec=15",
        "Restart=always",
        "RestartPreventExitStatus=78",
        "StateDirectory=gatehouse",
        "ExecStopPost=/opt/gatehouse/.venv/bin/gatehouse safe --config /etc/gatehouse/gatehouse.toml",
    ):
        assert line in text
    assert "\nExecStartPre" not in text, "RestartPreventExitStatus does not look at it"


def box_without_film(folder: Path) -> WholeBox:
    camera = {"type": "replay", "source": str(folder / "none.avi"), "looks_for": ["plate"]}
    return WholeBox(folder, cameras={"lane": camera})


def test_systemd_hears_ready_watchdog_and_stopping(tmp_path: Path) -> None:
    with box_without_film(tmp_path) as box, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        address = str(tmp_path / "notify")
        systemd.bind(address)
        systemd.settimeout(10)
        box.start(NOTIFY_SOCKET=address, WATCHDOG_USEC="2000000")
        heard = [systemd.recv(500).decode() for _ in range(6)]
        assert heard[0].startswith("READY=1")
        assert heard[1:] == ["WATCHDOG=1"] * 5
        assert box.stop() == 0
        systemd.settimeout(0.1)
        rest = []
        while True:
            try:
                rest.append(systemd.recv(500).decode())
            except TimeoutError:
                break
        assert "STOPPING=1" in rest


def test_OPS_1_the_watchdog_is_not_fed_while_a_critical_worker_hangs(tmp_path: Path) -> None:
    """A stopped journal thread: the process lives, and says nothing any more, so that systemd restarts it."""
    code = (
        "import sys, threading; from pathlib import Path\n"
        "from edge.app import Daemon; from edge.clock import SystemClock\n"
        "from edge.settings_file import load_settings; from edge.store import Journal\n"
        "beat = Journal.beat\n"
        "Journal.beat = lambda self: None if Path(sys.argv[2]).exists() else beat(self)\n"
        "daemon = Daemon(load_settings(Path(sys.argv[1])), SystemClock())\n"
        "sys.exit(daemon.run())\n"
    )
    with box_without_film(tmp_path) as box, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        address, hang = str(tmp_path / "notify"), tmp_path / "hang"
        systemd.bind(address)
        systemd.settimeout(15)
        environ = {**os.environ, "NOTIFY_SOCKET": address, "WATCHDOG_USEC": "2000000"}
        with subprocess.Popen(
            [sys.executable, "-c", code, str(box.config), str(hang)], env=environ, stderr=subprocess.DEVNULL
        ) as daemon:
            try:
                until(lambda: systemd.recv(500) == b"WATCHDOG=1", 20, "it is fed")
                hang.touch()
                time.sleep(12)  # a worker may be silent for ten seconds
                systemd.settimeout(0.5)
                while True:  # what was sent before
                    try:
                        systemd.recv(500)
                    except TimeoutError:
                        break
                systemd.settimeout(2.0)
                with pytest.raises(TimeoutError):
                    systemd.recv(500)
                assert daemon.poll() is None
            finally:
                daemon.terminate()
                daemon.wait(30)


def test_SAFE_4_sigterm_in_the_middle_of_a_pulse_releases_every_relay(tmp_path: Path) -> None:
    with box_without_film(tmp_path) as box:
        box.start()
        keys = ("--keys", str(tmp_path / "keys"))
        until(box.platform.devices, 15, "the platform knows the box")
        with subprocess.Popen(
            [sys.executable, "-m", "edge", "send", "open", "lane=entry", *keys, "-c", str(box.config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as sender:
            until(lambda: box.pulses(OPEN), 15, "the pulse has begun")
            assert box.stop() == 0
            sender.terminate()
        assert not any(box.site.lcus.relays)


def test_DEL_1_what_the_boards_say_at_the_very_end_reaches_the_platform_too(tmp_path: Path) -> None:
    with box_without_film(tmp_path) as box:
        box.start()
        until(box.platform.devices, 15, "the platform knows the box")
        box.site.io.faults.silent = True
        until(lambda: box.journal("board.faulted"), 30, "the board is missed")
        box.site.io.faults.silent = False
        box.wait_delivered()
        assert box.stop() == 0
        (told,) = box.journal("board.recovered")
        assert told["faults"], "journaled while the boards ended, for it was well for a moment only"
        assert len(box.stored()) == box.journaled()


def test_SAFE_4_after_a_kill_the_safe_command_releases_every_relay(tmp_path: Path) -> None:
    with box_without_film(tmp_path) as box:
        box.start(GATEHOUSE_FAULT="actuation.before_off")
        keys = ("--keys", str(tmp_path / "keys"))
        until(box.platform.devices, 15, "the platform knows the box")
        sender = subprocess.Popen(
            [sys.executable, "-m", "edge", "send", "open", "lane=entry", *keys, "-c", str(box.config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            assert box.wait_dead() == -signal.SIGKILL
            assert box.site.lcus.relays[OPEN - 1], "an LCUS board has no timer: the relay is left on"
            safe = box.command("safe")
            assert safe.returncode == 0, safe.stderr
            assert not any(box.site.lcus.relays)
        finally:
            sender.kill()
            sender.wait()
        box.start()
        until(
            lambda: box.journal("barrier.actuated") or box.journal("actuation.unknown"), 10, "it is reported"
        )
        assert box.pulses(OPEN) == 1, "and not repeated"
        assert box.pulses(LOCK) == 0
        assert box.stop() == 0
