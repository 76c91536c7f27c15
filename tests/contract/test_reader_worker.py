"""The worker of a reader line: what is presented goes on, the answer is shown, losses are named and end."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from drivers.reader.cards import with_parity
from drivers.simulated.readers import SimulatedBridge, SimulatedOsdpLine
from edge.clock import SystemClock
from edge.errors import KeyRefused, SettingsError, Unavailable, UsageError
from edge.health import Alarms
from edge.readers import Readers, install_reader, key_path, read_key, write_key
from edge.readers.worker import REFUSED_ALLOWED
from edge.records import Decision, Presented, Reason, Verdict, new_id
from edge.settings import Settings
from edge.settings_file import parse_settings

CLOCK = SystemClock()
NUMBER = str(212 << 16 | 7041)
CARD = with_parity(f"{int(NUMBER):024b}")
KEY = bytes(range(16, 32))


def settings_for(folder: Path, readers: dict[str, Any]) -> Settings:
    return parse_settings(
        {
            "device": {"id": "gate-1", "state_dir": str(folder / "state")},
            "boards": {"relay": {"type": "lcus", "port": "/dev/ttyUSB0"}},
            "lanes": {
                name: {
                    "type": "door",
                    "accepts": ["card"],
                    "lock": {"board": "relay", "channel": channel, "pulse_ms": 0},
                }
                for channel, name in enumerate(("front", "side"), start=1)
            },
            "readers": readers,
        }
    )


def decision(verdict: Verdict) -> Decision:
    return Decision(new_id(), "front", verdict, Reason.PERMIT, None, "card", None, 0, 0)


@dataclass
class Desk:
    """Stands for the thread ``decide``: answers as told."""

    verdict: Verdict | None = Verdict.GRANT
    has_room: bool = True
    presented: list[Presented] = field(default_factory=list)

    def present(self, presented: Presented, answer: Callable[[Decision | None], None]) -> bool:
        if not self.has_room:
            return False
        self.presented.append(presented)
        answer(None if self.verdict is None else decision(self.verdict))
        return True


@dataclass
class Rig:
    bridge: SimulatedBridge
    desk: Desk
    readers: Readers
    alarms: Alarms

    def until(self, condition: Callable[[], Any], what: str) -> Any:
        deadline_s = time.monotonic() + 30
        while not (value := condition()):
            assert time.monotonic() < deadline_s, what
            time.sleep(0.01)
        return value

    def up(self) -> None:
        self.until(lambda: all(status.is_up for status in self.readers.statuses), "the readers are up")

    def alarm(self, name: str) -> str:
        return next((alarm.detail for alarm in self.alarms.standing() if alarm.name == name), "")


@contextmanager
def rig(folder: Path, *, plugged: bool = True, **options: Any) -> Iterator[Rig]:
    port = folder / "bridge"
    bridge = SimulatedBridge(2, link=port)
    base = {"type": "bridge", "port": str(port), "pin_timeout_s": 2}
    settings = settings_for(
        folder,
        {
            "door": base | {"lane": "front", "index": 1} | options,
            "gate": base | {"lane": "side", "index": 2},
        },
    )
    alarms, desk = Alarms(CLOCK), Desk()
    with ExitStack() as stack:
        readers = Readers(settings, desk.present, CLOCK, alarms)
        assert len(readers.workers) == 1, "one owner for one line"
        made = Rig(bridge, desk, readers, alarms)
        if plugged:
            stack.enter_context(bridge)
        for worker in readers.workers:
            stack.callback(worker.close)
            worker.start()
        if plugged:
            made.up()
        yield made


def test_a_card_goes_on_with_its_number_lane_and_reader_and_the_answer_is_shown(tmp_path: Path) -> None:
    with rig(tmp_path) as made:
        made.bridge.present(1, CARD)
        made.until(lambda: made.bridge.feedback == [(1, "G")], "green")
        (presented,) = made.desk.presented
        assert (presented.kind, presented.value) == ("card", NUMBER)
        assert (presented.lane, presented.source) == ("front", "door")
        assert NUMBER not in repr(presented)
        assert made.readers.last_card("door") == NUMBER
        assert made.readers.last_card("gate") is None


@pytest.mark.parametrize(
    ("verdict", "shown"), [(Verdict.DENY, "R"), (Verdict.WAIT, "M"), (Verdict.GRANT, "G")]
)
def test_every_answer_has_its_light(tmp_path: Path, verdict: Verdict, shown: str) -> None:
    with rig(tmp_path) as made:
        made.desk.verdict = verdict
        made.bridge.present(2, CARD)
        made.until(lambda: made.bridge.feedback == [(2, shown)], shown)


def test_a_card_held_on_is_not_answered_again_and_again(tmp_path: Path) -> None:
    with rig(tmp_path) as made:
        made.desk.verdict = None
        made.bridge.present(1, CARD)
        made.until(lambda: made.desk.presented, "presented")
        made.desk.verdict = Verdict.GRANT
        made.bridge.present(2, CARD)
        made.until(lambda: made.bridge.feedback, "the next answer")
        assert made.bridge.feedback == [(2, "G")]


def test_a_pin_is_digits_until_the_hash_and_stands_alone_for_each_reader(tmp_path: Path) -> None:
    with rig(tmp_path) as made:
        for port, key in ((1, "1"), (1, "2"), (2, "9"), (1, "*"), (1, "3"), (1, "4"), (1, "#"), (2, "#")):
            made.bridge.present(port, f"{'0123456789*#'.index(key):04b}")
        made.until(lambda: len(made.desk.presented) == 2, "two PINs")
        assert [(p.kind, p.source, p.value) for p in made.desk.presented] == [
            ("pin", "door", "34"),
            ("pin", "gate", "9"),
        ]


def test_a_damaged_card_is_refused_and_asks_nobody(tmp_path: Path) -> None:
    with rig(tmp_path) as made:
        made.bridge.present(1, CARD[:-1] + ("1" if CARD[-1] == "0" else "0"))
        made.until(lambda: made.bridge.feedback == [(1, "R")], "red")
        assert not made.desk.presented


def test_a_decider_that_takes_nothing_is_a_refusal(tmp_path: Path) -> None:
    with rig(tmp_path) as made:
        made.desk.has_room = False
        made.bridge.present(1, CARD)
        made.until(lambda: made.bridge.feedback == [(1, "R")], "red")


def test_many_refusals_in_a_row_are_an_alarm_that_a_good_card_ends(tmp_path: Path) -> None:
    with rig(tmp_path) as made:
        made.desk.verdict = Verdict.DENY
        for number in range(REFUSED_ALLOWED):
            assert not made.alarm("reader.many_refused")
            made.bridge.present(1, with_parity(f"{number + 1:024b}"))
            made.until(lambda number=number: len(made.bridge.feedback) == number + 1, "refused")  # type: ignore[misc]
        made.until(lambda: "5 refusals" in made.alarm("reader.many_refused"), "the alarm")
        made.desk.verdict = Verdict.GRANT
        made.bridge.present(1, CARD)
        made.until(lambda: not made.alarm("reader.many_refused"), "the alarm is over")


def test_an_opened_housing_is_an_alarm_until_it_is_closed(tmp_path: Path) -> None:
    with rig(tmp_path) as made:
        made.bridge.set_tampered(2, True)
        made.until(lambda: "housing" in made.alarm("reader.tampered"), "the alarm")
        made.bridge.set_tampered(2, False)
        made.until(lambda: not made.alarm("reader.tampered"), "over")


def test_an_unplugged_line_is_an_alarm_for_each_reader_and_works_again(tmp_path: Path) -> None:
    with rig(tmp_path) as made:
        made.bridge.unplug()
        made.until(lambda: len(made.alarms.standing()) == 2, "both readers are lost")
        assert {alarm.name for alarm in made.alarms.standing()} == {"reader.lost"}
        made.bridge.replug()
        made.up()
        assert not made.alarms.standing()
        made.bridge.present(1, CARD)
        made.until(lambda: made.desk.presented, "a card after the loss")


def test_a_line_that_is_not_there_at_start_is_named_and_found_when_it_comes(tmp_path: Path) -> None:
    with rig(tmp_path, plugged=False) as made:
        made.until(lambda: "no such port" in made.alarm("reader.lost"), "named")
        assert "no such port" in made.readers.statuses[0].detail
        with made.bridge:
            made.up()


def test_a_card_read_the_other_way_round_is_the_number_that_is_printed(tmp_path: Path) -> None:
    turned = int.from_bytes(int(NUMBER).to_bytes(3, "big"), "little")
    with rig(tmp_path, byte_order="little") as made:
        made.bridge.present(1, with_parity(f"{turned:024b}"))
        made.until(lambda: made.desk.presented, "presented")
        assert made.desk.presented[0].value == NUMBER


# OSDP: keys


@pytest.fixture
def osdp() -> None:
    pytest.importorskip("osdp_sys", reason="libosdp is not installed (extra osdp)")


def osdp_settings(folder: Path) -> Settings:
    return settings_for(
        folder,
        {
            name: {"type": "osdp", "port": str(folder / "bus"), "lane": "front", "address": address}
            for address, name in enumerate(("door", "gate"), start=5)
        },
    )


@pytest.mark.usefixtures("osdp")
def test_a_reader_is_installed_by_command_and_then_works_under_its_own_key(tmp_path: Path) -> None:
    settings = osdp_settings(tmp_path)
    said: list[str] = []
    with SimulatedOsdpLine({5: b"", 6: b""}, link=tmp_path / "bus") as bus:
        path = install_reader("door", settings, said.append)
        assert bus.peers[5].key == read_key(path)
        assert path.stat().st_mode & 0o777 == 0o600
        assert sorted(path.parent.iterdir()) == [path, path.with_name("door.key.copy")]
        assert bus.peers[6].key == b"", "the other reader of the line was left alone"
        install_reader("door", settings, said.append)
        assert "already" in said[-1]

        alarms, desk = Alarms(CLOCK), Desk()
        readers = Readers(settings, desk.present, CLOCK, alarms)
        (worker,) = readers.workers
        worker.start()
        try:
            made = Rig(None, desk, readers, alarms)  # type: ignore[arg-type]
            made.until(lambda: readers.statuses[0].is_up, "the installed reader is up")
            assert "no key" in readers.statuses[1].detail
            assert "gatehouse reader install" in made.alarm("reader.lost")
            bus.present(5, CARD)
            made.until(lambda: desk.presented, "its card")
            made.until(lambda: bus.peers[5].lights, "its light")
        finally:
            worker.close()


@pytest.mark.usefixtures("osdp")
def test_a_key_that_was_written_before_the_power_failed_is_used_and_not_another(tmp_path: Path) -> None:
    settings = osdp_settings(tmp_path)
    reader = settings.readers["door"]
    path = key_path("door", reader, settings.device.state_dir)  # type: ignore[arg-type]
    write_key(path.with_name(f"{path.name}.pending"), KEY)
    with SimulatedOsdpLine({5: KEY}, link=tmp_path / "bus"):
        assert read_key(install_reader("door", settings, lambda _line: None)) == KEY


@pytest.mark.usefixtures("osdp")
def test_a_reader_with_a_foreign_key_is_not_taken_for_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.readers.installing.WAIT_S", 2.0)
    settings = osdp_settings(tmp_path)
    path = key_path("door", settings.readers["door"], settings.device.state_dir)  # type: ignore[arg-type]
    with SimulatedOsdpLine({5: KEY}, link=tmp_path / "bus") as bus:
        with pytest.raises(Unavailable, match="reset to its factory key"):
            install_reader("door", settings, lambda _line: None)
        assert not path.exists()
        write_key(path, bytes(range(100, 116)))
        with pytest.raises(KeyRefused, match="--again"):
            install_reader("door", settings, lambda _line: None)
        assert bus.peers[5].key == KEY


def test_only_osdp_readers_of_the_configuration_are_installed(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there are: door, gate"):
        install_reader("dor", osdp_settings(tmp_path), lambda _line: None)
    bridge = settings_for(tmp_path, {"side": {"type": "bridge", "port": "/dev/ttyACM0", "lane": "front"}})
    with pytest.raises(UsageError, match="only OSDP readers have keys"):
        install_reader("side", bridge, lambda _line: None)


def test_a_key_file_is_a_key_or_says_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "a" / "door.key"
    with pytest.raises(Unavailable, match="gatehouse reader install"):
        read_key(path)
    write_key(path, KEY)
    assert read_key(path) == KEY
    for text in ("", "zz", KEY.hex()[:-2], bytes(range(0x30, 0x40)).hex(), "密钥"):
        (tmp_path / "a" / "door.key.copy").unlink(missing_ok=True)  # as whoever replaces a key by hand does
        path.write_text(text, encoding="utf-8")
        with pytest.raises(SettingsError, match="not a key"):
            read_key(path)
