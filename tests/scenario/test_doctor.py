"""``gatehouse doctor``: what is good is said to be good, and what is wrong is said with what to do."""

import json
from collections.abc import Callable
from itertools import chain, repeat
from pathlib import Path

import cv2
import numpy as np
import pytest
from usb_tree import UsbTree

from drivers.simulated.site import SimulatedSite
from edge.cli import main
from edge.clock import ClockState, ManualClock
from edge.doctor import Grade, examine_clock, examine_machine
from edge.doctor.wires import adapter_at, said_of
from edge.errors import Exit
from edge.platform import BrokerProcess


def film(folder: Path, blur: float) -> Path:
    """A camera's pictures: stripes, sharp or not."""
    folder.mkdir()
    picture = np.full((480, 640, 3), 90, np.uint8)
    for x in range(0, 640, 32):
        picture[:, x : x + 16] = 170
    if blur:
        picture = cv2.GaussianBlur(picture, (0, 0), blur)
    for number in range(4):
        cv2.imwrite(str(folder / f"{number}.png"), picture)
    return folder


@pytest.fixture
def examine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, dict[str, dict]]]:
    """Write a configuration, run the command on it; exit code and findings by part."""

    def run(port: str, broker: str, pictures: Path) -> tuple[int, dict[str, dict]]:
        config = tmp_path / "gatehouse.toml"
        config.write_text(
            f'device = {{ id = "gate-7", state_dir = "{tmp_path / "state"}" }}\n'
            f'boards.relays = {{ type = "lcus", port = "{port}" }}\n'
            f'cameras.north = {{ type = "replay", source = "{pictures}", looks_for = ["plate"] }}\n'
            'lanes.in = { type = "barrier", cameras = ["north"], open = { board = "relays", channel = 1 } }\n'
            f'sync.brokers = ["{broker}"]\n',
            "utf-8",
        )
        capsys.readouterr()
        kept = tmp_path / "kept"
        code = main(["doctor", "--json", "--config", str(config), "--pictures", str(kept)])
        document = json.loads(capsys.readouterr().out)
        return code, {finding["part"]: finding for finding in document["findings"]}

    return run


@pytest.mark.mosquitto
def test_a_sound_box_is_sound_and_nothing_is_moved(
    tmp_path: Path, examine: Callable[..., tuple[int, dict[str, dict]]]
) -> None:
    (tmp_path / "broker").mkdir()
    broker = BrokerProcess(tmp_path / "broker")
    broker.start()
    try:
        with SimulatedSite(lcus_link=tmp_path / "relays", io_link=tmp_path / "inputs") as site:
            code, found = examine(site.lcus.port, broker.url, film(tmp_path / "film", 0))
            assert not site.lcus.history
    finally:
        broker.close()
    for part in ("board relays", "camera north", f"broker {broker.url}", "disk speed", "disk rights"):
        assert found[part]["grade"] == "good", found[part]
    assert found["camera north"]["figures"]["width_px"] == 640
    figures = found["disk speed"]["figures"]
    assert 0 < figures["fsync_p50_ms"] <= figures["fsync_worst_ms"]
    assert cv2.imread(str(tmp_path / "kept" / "north.jpg")).shape == (480, 640, 3)
    assert (tmp_path / "kept" / "north.jpg").stat().st_mode & 0o077 == 0
    bad = [finding for finding in found.values() if finding["grade"] == "bad"]
    assert code == (Exit.UNAVAILABLE if bad else Exit.OK), "the weights of this machine may be missing"


def test_relays_are_tried_on_request_and_only_after_a_yes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config, answers = tmp_path / "gatehouse.toml", chain((False,), repeat(True))
    monkeypatch.setattr("typer.confirm", lambda *_, **__: next(answers))
    pictures = film(tmp_path / "film", 0)
    with SimulatedSite(lcus_link=tmp_path / "relays", io_link=tmp_path / "inputs") as site:
        config.write_text(
            f'device = {{ id = "gate-7", state_dir = "{tmp_path / "state"}" }}\nsync.enabled = false\n'
            f'boards.relays = {{ type = "lcus", port = "{site.lcus.port}" }}\n'
            f'cameras.north = {{ type = "replay", source = "{pictures}", looks_for = ["plate"] }}\n'
            'lanes.in = { type = "barrier", cameras = ["north"], '
            'open = { board = "relays", channel = 1 } }\n',
            "utf-8",
        )
        asked = ["doctor", "--config", str(config), "--relays", "in"]
        main(asked)
        assert site.lcus.history == ()
        main(asked)
        assert [(channel, on) for _, channel, on in site.lcus.history] == [(1, True), (1, False)]
    said = capsys.readouterr().out
    assert said.count("every relay is in its safe state again") == 2
    assert main([*asked, "--json"]) == Exit.USAGE
    assert main(["doctor", "--config", str(config), "--relays", "im"]) == Exit.USAGE


def test_what_is_wrong_is_said_with_what_to_do(
    tmp_path: Path, examine: Callable[..., tuple[int, dict[str, dict]]]
) -> None:
    (tmp_path / "state").mkdir(mode=0o755)
    (tmp_path / "state").chmod(0o755)
    code, found = examine(str(tmp_path / "nothing"), "mqtt://127.0.0.1:1", film(tmp_path / "film", 9))
    assert code == Exit.UNAVAILABLE
    assert found["board relays"]["grade"] == "bad"
    assert str(tmp_path / "nothing") in found["board relays"]["words"]
    assert found["broker mqtt://127.0.0.1:1"]["grade"] == "bad"
    assert found["camera north"]["grade"] == "doubtful"
    assert "focus" in found["camera north"]["advice"]
    assert found["disk rights"]["grade"] == "doubtful"
    for finding in found.values():
        assert finding["advice"] or finding["grade"] in ("good", "unasked"), finding


def test_people_read_a_table_in_two_languages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "gatehouse.toml"
    config.write_text(
        f'device = {{ id = "gate-7", state_dir = "{tmp_path / "state"}" }}\nsync.enabled = false\n'
    )
    assert main(["doctor", "--config", str(config)]) == Exit.OK
    said = capsys.readouterr().out
    assert "正常 good" in said
    assert "works alone" in said


def test_heat_low_voltage_and_little_memory_are_found(tmp_path: Path) -> None:
    zone = tmp_path / "sys/class/thermal/thermal_zone0"
    zone.mkdir(parents=True)
    (zone / "temp").write_text("85200\n")
    (zone / "type").write_text("cpu-thermal\n")
    firmware = tmp_path / "sys/devices/platform/soc/soc:firmware"
    firmware.mkdir(parents=True)
    (firmware / "get_throttled").write_text("50005\n")
    (tmp_path / "proc/device-tree").mkdir(parents=True)
    (tmp_path / "proc/device-tree/model").write_text("Raspberry Pi 4 Model B Rev 1.5\0")
    (tmp_path / "proc/meminfo").write_text("MemTotal: 948000 kB\nMemAvailable: 120000 kB\n")
    found = {finding.part: finding for finding in examine_machine(tmp_path)}
    assert found["temperature cpu-thermal"].grade is Grade.BAD
    assert found["throttling"].grade is Grade.BAD
    assert "voltage" in found["throttling"].words
    assert found["memory"].grade is Grade.DOUBTFUL
    assert "Raspberry Pi 4 Model B" in found["processor"].words


@pytest.mark.parametrize(
    ("state", "grade"),
    [
        (ClockState.SYNCED, Grade.GOOD),
        (ClockState.HOLDOVER, Grade.DOUBTFUL),
        (ClockState.UNSET, Grade.BAD),
    ],
)
def test_a_clock_is_as_good_as_what_holds_it(state: ClockState, grade: Grade) -> None:
    assert examine_clock(ManualClock(now_state=state)).grade is grade


def test_an_old_raspberry_pi_is_asked_by_its_own_tool(tmp_path: Path) -> None:
    tool = tmp_path / "usr/bin/vcgencmd"
    tool.parent.mkdir(parents=True)
    tool.write_text("#!/bin/sh\necho throttled=0x50000\n")
    tool.chmod(0o755)
    found = {finding.part: finding for finding in examine_machine(tmp_path)}
    assert found["throttling"].grade is Grade.DOUBTFUL, "it was throttled, it is not now"
    assert "voltage" in found["throttling"].words
    tool.write_text("#!/bin/sh\nexit 1\n")
    assert "throttling" not in {finding.part for finding in examine_machine(tmp_path)}


def test_the_adapter_behind_a_port_says_who_it_is_and_what_to_call_it(tmp_path: Path) -> None:
    tree = UsbTree(tmp_path)
    (tmp_path / "port").touch()
    node = tree.plug("ttyUSB0", str(tmp_path / "port"), serial="AB0123", product="USB2.0-Ser!")
    tree.plug("ttyUSB1", path="1-1.3")
    adapter = adapter_at("usb:serial=AB0123", tree.finder)
    assert adapter is not None
    assert adapter.node == node
    assert adapter == adapter_at(str(node), tree.finder)
    assert "better" not in said_of(adapter, "usb:serial=AB0123")
    said = said_of(adapter, "/dev/ttyUSB0")
    assert "USB2.0-Ser!" in said
    assert "id=1a86:7523" in said
    assert "'usb:serial=AB0123'" in said
    assert adapter_at("usb:serial=GONE", tree.finder) is None
    assert adapter_at("/dev/ttyAMA0", tree.finder) is None
