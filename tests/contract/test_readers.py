"""One contract for every reader line: OSDP against libosdp itself, Wiegand against a simulated bridge."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from drivers.errors import (
    CommandRefused,
    DriverClosed,
    DriverError,
    DriverUnavailable,
    LinkLost,
    PortBusy,
)
from drivers.link import SerialLink
from drivers.reader import CardRead, Condition, Feedback, KeysPressed, ReaderChanged, ReaderEvent, ReaderLine
from drivers.reader.bridge import BridgeLine
from drivers.reader.cards import with_parity
from drivers.reader.osdp import OsdpLine, OsdpReader
from drivers.reader.osdp_library import FACTORY_KEY, load_libosdp
from drivers.simulated.line import SimulatedLine
from drivers.simulated.readers import SimulatedBridge, SimulatedOsdpLine

KEY, OTHER_KEY = bytes(range(16, 32)), bytes(range(64, 80))
CARD = with_parity(f"{212 << 16 | 7041:024b}")
WITHIN_S = 30.0


class OsdpSide:
    """Two OSDP readers, ``a`` at address 5 and ``b`` at 6."""

    def __init__(self, link: Path | None = None, *, keys: tuple[bytes, bytes] = (KEY, OTHER_KEY)) -> None:
        pytest.importorskip("osdp_sys", reason="libosdp is not installed (extra osdp)")
        self.simulated = SimulatedOsdpLine({5: keys[0], 6: keys[1]}, link=link)

    def line(self, **options: Any) -> OsdpLine:
        readers = [OsdpReader("a", 5, KEY), OsdpReader("b", 6, OTHER_KEY)]
        return OsdpLine("bus", SerialLink(self.simulated.port, 9600), readers, retry_s=0.3, **options)

    def card(self, reader: str, bits: str) -> None:
        self.simulated.present({"a": 5, "b": 6}[reader], bits)

    def keys(self, reader: str, keys: str) -> None:
        self.simulated.press({"a": 5, "b": 6}[reader], keys)

    def tamper(self, reader: str, tampered: bool) -> None:
        self.simulated.set_tampered({"a": 5, "b": 6}[reader], tampered)

    def told(self, reader: str) -> int:
        return len(self.simulated.peers[{"a": 5, "b": 6}[reader]].lights)


class BridgeSide:
    """Two Wiegand readers, ``a`` at port 1 and ``b`` at 2."""

    def __init__(self, link: Path | None = None) -> None:
        self.simulated = SimulatedBridge(2, hello_s=0.3, link=link)

    def line(self) -> BridgeLine:
        return BridgeLine(
            "bridge", SerialLink(self.simulated.port, 115_200), {1: "a", 2: "b"}, lost_after_s=1.5
        )

    def card(self, reader: str, bits: str) -> None:
        self.simulated.present({"a": 1, "b": 2}[reader], bits)

    def keys(self, reader: str, keys: str) -> None:
        for key in keys:
            self.card(reader, f"{'0123456789*#'.index(key):04b}")

    def tamper(self, reader: str, tampered: bool) -> None:
        self.simulated.set_tampered({"a": 1, "b": 2}[reader], tampered)

    def told(self, reader: str) -> int:
        return sum(port == {"a": 1, "b": 2}[reader] for port, _ in self.simulated.feedback)


@dataclass
class Watched:
    """A line and everything that came from it."""

    line: ReaderLine
    events: list[ReaderEvent]

    def until(self, condition: Callable[[], Any], what: str, within_s: float = WITHIN_S) -> Any:
        deadline_s = time.monotonic() + within_s
        while not (value := condition()):
            assert time.monotonic() < deadline_s, f"{what}; came: {self.events}"
            self.events += self.line.poll(0.05)
        return value

    def of(self, kind: type, reader: str) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind) and event.reader == reader]

    def holds(self, reader: str, condition: Condition) -> bool | None:
        changes = [c for c in self.of(ReaderChanged, reader) if c.condition is condition]
        return changes[-1].holds if changes else None

    def online(self, *readers: str) -> None:
        self.until(
            lambda: all(self.holds(reader, Condition.OFFLINE) is False for reader in readers or ("a", "b")),
            "the readers are online",
        )


Side = OsdpSide | BridgeSide
each_line = pytest.mark.parametrize("side", [OsdpSide, BridgeSide], ids=["osdp", "bridge"])


@pytest.fixture
def wire() -> Iterator[Callable[..., tuple[Watched, Any]]]:
    """Starts the simulated readers and opens the line; both are closed afterwards."""
    with ExitStack() as opened:

        def make(side: Callable[..., Side], link: Path | None = None, **options: Any) -> tuple[Watched, Side]:
            made = side(link, **options)
            simulated: SimulatedLine = made.simulated
            opened.enter_context(simulated)
            line = made.line()
            opened.callback(line.close)
            line.open()
            return Watched(line, []), made

        yield make


@each_line
def test_readers_come_online_and_say_so(side: Any, wire: Any) -> None:
    watched, _ = wire(side)
    watched.online()


@each_line
def test_a_card_is_read_bit_by_bit_at_the_reader_where_it_was_held(side: Any, wire: Any) -> None:
    watched, readers = wire(side)
    watched.online()
    longer = "10" * 18 + "1"
    readers.card("a", CARD)
    readers.card("b", longer)
    watched.until(lambda: watched.of(CardRead, "a") and watched.of(CardRead, "b"), "both cards")
    assert [read.bits for read in watched.of(CardRead, "a")] == [CARD]
    assert [read.bits for read in watched.of(CardRead, "b")] == [longer]


@each_line
def test_keys_come_in_order(side: Any, wire: Any) -> None:
    watched, readers = wire(side)
    watched.online()
    readers.keys("b", "1234*0#")
    watched.until(
        lambda: "".join(pressed.keys for pressed in watched.of(KeysPressed, "b")) == "1234*0#", "all keys"
    )
    assert not watched.of(KeysPressed, "a")


@each_line
def test_an_opened_housing_is_reported_and_reported_closed(side: Any, wire: Any) -> None:
    watched, readers = wire(side)
    watched.online()
    readers.tamper("a", True)
    watched.until(lambda: watched.holds("a", Condition.TAMPERED), "tampered")
    readers.tamper("a", False)
    watched.until(lambda: watched.holds("a", Condition.TAMPERED) is False, "closed again")
    assert watched.holds("b", Condition.TAMPERED) is None


@each_line
def test_light_and_sound_reach_the_reader_they_are_for(side: Any, wire: Any) -> None:
    watched, readers = wire(side)
    watched.online()
    for feedback in Feedback:
        watched.line.signal("a", feedback)
    watched.until(lambda: readers.told("a") == 3, "told three times")
    assert readers.told("b") == 0


@each_line
def test_a_dead_reader_line_is_noticed_and_its_return_too(side: Any, wire: Any) -> None:
    watched, readers = wire(side)
    watched.online()
    readers.simulated.faults.silent = True
    watched.until(lambda: watched.holds("a", Condition.OFFLINE), "offline")
    assert "answer" in watched.of(ReaderChanged, "a")[-1].detail
    watched.line.signal("a", Feedback.GRANTED)  # to nobody
    readers.simulated.faults.silent = False
    watched.online()


@each_line
def test_an_unplugged_line_is_named_and_works_again_when_it_was_opened_again(
    side: Any, wire: Any, tmp_path: Path
) -> None:
    watched, readers = wire(side, tmp_path / "port")
    watched.online()
    readers.simulated.unplug()
    with pytest.raises(LinkLost, match="went away"):
        watched.until(lambda: False, "never", 10)
    readers.simulated.replug()
    watched.events.clear()
    watched.line.open()
    watched.online()
    readers.card("a", CARD)
    watched.until(lambda: watched.of(CardRead, "a"), "a card after the loss")


@each_line
def test_a_port_that_another_one_holds_and_one_that_is_not_there_are_named(side: Any, wire: Any) -> None:
    watched, readers = wire(side)
    watched.online()
    with pytest.raises(PortBusy):
        readers.line().open()
    watched.line.close()
    readers.simulated.unplug()
    with pytest.raises(DriverError, match="no such port"):
        readers.line().open()


@each_line
def test_a_closed_line_says_so(side: Any, wire: Any) -> None:
    watched, _ = wire(side)
    watched.line.close()
    watched.line.close()
    with pytest.raises(DriverClosed, match="not open"):
        watched.line.poll(0.0)


# OSDP


def test_a_reader_with_another_key_stays_outside_while_the_other_works(wire: Any) -> None:
    watched, readers = wire(OsdpSide, keys=(KEY, KEY))
    watched.online("a")
    watched.until(lambda: watched.holds("b", Condition.OFFLINE), "b is refused")
    assert "does not prove that it holds its key" in watched.of(ReaderChanged, "b")[-1].detail
    readers.card("b", CARD)
    readers.card("a", CARD)
    watched.until(lambda: watched.of(CardRead, "a"), "the card at a")
    assert not watched.of(CardRead, "b")


def test_a_reader_fresh_from_its_box_is_not_let_in_without_being_installed(wire: Any) -> None:
    watched, readers = wire(OsdpSide, keys=(b"", OTHER_KEY))
    watched.online("b")
    watched.until(lambda: watched.holds("a", Condition.OFFLINE), "a is refused")
    assert readers.simulated.peers[5].key == b""


def test_installing_gives_a_fresh_reader_its_key_once_and_for_good() -> None:
    readers = OsdpSide(keys=(b"", OTHER_KEY))
    with readers.simulated:
        line = OsdpLine(
            "bus", SerialLink(readers.simulated.port, 9600), [OsdpReader("a", 5, KEY)], install=True
        )
        line.open()
        watched = Watched(line, [])
        watched.until(lambda: line.is_secure("a") and readers.simulated.peers[5].key == KEY, "installed")
        line.close()
        daemon = readers.line()
        daemon.open()
        Watched(daemon, []).online()
        daemon.close()


@pytest.mark.parametrize("key", [b"", b"short", FACTORY_KEY])
def test_a_reader_without_a_key_of_its_own_is_not_opened(key: bytes) -> None:
    readers = OsdpSide()
    with readers.simulated:
        line = OsdpLine("bus", SerialLink(readers.simulated.port, 9600), [OsdpReader("a", 5, key)])
        with pytest.raises(DriverUnavailable, match="gatehouse reader install"):
            line.open()


def test_an_output_is_pulsed_for_as_long_as_the_reader_itself_counts(wire: Any) -> None:
    watched, readers = wire(OsdpSide)
    watched.online()
    peer = readers.simulated.peers[5]
    watched.line.pulse_output("a", 2, 250)  # rounded up to 300 ms
    assert peer.outputs == [False, True]
    watched.until(lambda: not peer.outputs[1], "released by itself")
    (on_ns, channel, _), (off_ns, _, _) = peer.history
    assert channel == 2
    assert (off_ns - on_ns) / 1e6 >= 300


def test_an_output_ends_by_itself_when_the_host_has_died(wire: Any) -> None:
    watched, readers = wire(OsdpSide)
    watched.online()
    watched.line.pulse_output("a", 1, 500)
    watched.line.close()
    deadline_s = time.monotonic() + WITHIN_S
    while readers.simulated.peers[5].outputs[0]:
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def test_outputs_are_held_and_released_and_what_is_not_there_is_refused(wire: Any) -> None:
    watched, readers = wire(OsdpSide)
    watched.online()
    peer = readers.simulated.peers[5]
    watched.line.write_output("a", 1, True)
    assert peer.outputs[0]
    watched.line.write_output("a", 1, False)
    assert not peer.outputs[0]
    with pytest.raises(CommandRefused, match="has no output 7; it has 2"):
        watched.line.pulse_output("a", 7, 500)
    with pytest.raises(CommandRefused, match="a pulse of 30000 ms"):
        watched.line.pulse_output("a", 1, 30_000)


def test_a_reader_without_a_buzzer_gets_its_light_and_keeps_its_place(wire: Any) -> None:
    watched, readers = wire(OsdpSide)
    peer = readers.simulated.peers[5]
    peer.has_buzzer = False
    readers.simulated.do(readers.simulated.power_up)
    watched.online()
    watched.events.clear()
    watched.line.signal("a", Feedback.REFUSED)
    watched.until(lambda: peer.lights, "the light")
    readers.card("a", CARD)
    watched.until(lambda: watched.of(CardRead, "a"), "a card after that")
    assert peer.beeps == []
    assert not watched.of(ReaderChanged, "a")


@pytest.mark.parametrize("command", ["CMD_LED", "CMD_BUZZER", "CMD_OUTPUT", "CMD_STATUS"])
def test_a_command_that_a_reader_refuses_costs_it_a_moment_and_no_more(command: str, wire: Any) -> None:
    watched, readers = wire(OsdpSide)
    watched.online()
    denied = getattr(load_libosdp(), command)
    readers.simulated.peers[5].denies.add(denied)
    if command == "CMD_STATUS":  # asked when a reader comes online
        readers.simulated.do(readers.simulated.power_up)
    if command == "CMD_OUTPUT":
        with pytest.raises(CommandRefused, match="does not switch its output 1"):
            watched.line.pulse_output("a", 1, 500)
    else:
        watched.line.signal("a", Feedback.GRANTED)
    # Lost for a refusal, it is back at once: not after the pause for readers that are gone.
    readers.card("b", CARD)
    watched.until(lambda: watched.of(CardRead, "b"), "the other reader goes on")
    watched.until(lambda: watched.line.is_secure("a"), "it is back")
    readers.card("a", CARD)
    watched.until(lambda: watched.of(CardRead, "a"), "a card after that")
    assert watched.holds("a", Condition.OFFLINE) is not True
    for _ in range(3):
        watched.line.signal("a", Feedback.GRANTED)
    watched.until(lambda: watched.line.is_secure("a"), "and stays")


def test_a_missing_library_is_named_with_the_way_to_get_it() -> None:
    def absent() -> Any:
        raise ImportError("No module named 'osdp_sys'")

    with pytest.raises(DriverUnavailable, match=r"pip install 'gatehouse\[osdp\]'"):
        load_libosdp(absent)


ASK_FOR_STATUS = """
import gc, time
from drivers.reader import osdp_library as library
from drivers.simulated.readers import SimulatedOsdpLine

class Panel:
    inbox = b""
    def read(self, limit, timeout_s):
        piece, self.inbox = self.inbox[:limit], self.inbox[limit:]
        return piece
    def write(self, data):
        peer.inbox += data
        return len(data)

osdp, key = library.load_libosdp(), bytes(range(16))
line = SimulatedOsdpLine({5: key})
peer, panel, asked = line.peers[5], Panel(), 0
line.power_up()
described = library.identity("a", 5, osdp.FLAG_ENFORCE_SECURE, key, library.Channel(panel))
control, until_s = osdp.ControlPanel([described]), time.monotonic() + 30
while asked < 40 and time.monotonic() < until_s:
    control.refresh()
    peer.device.refresh()
    panel.inbox, peer.outbox = panel.inbox + peer.outbox, b""
    if control.sc_status() and control.submit_command(0, library.local_status(osdp)):
        asked += 1
    time.sleep(0.002)
for _ in range(5):
    gc.collect()
print(asked)
"""


def test_answers_of_the_simulated_reader_outlive_what_libosdp_does_with_them() -> None:
    """Freed memory is overwritten here, so that a reference too few ends the process every time."""
    pytest.importorskip("osdp_sys", reason="libosdp is not installed (extra osdp)")
    done = subprocess.run(
        [sys.executable, "-c", ASK_FOR_STATUS],
        env=os.environ | {"PYTHONMALLOC": "debug"},
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stdout) == (0, "40\n"), done.stderr[-2000:]


# The bridge


def test_a_lost_acknowledgement_makes_no_second_card(wire: Any) -> None:
    watched, readers = wire(BridgeSide)
    watched.online()
    sent = readers.simulated.sent
    faults = readers.simulated.faults
    faults.drop_requests = 3  # one of which may be the question at the beginning
    readers.card("a", CARD)
    watched.until(lambda: readers.simulated.sent - sent >= 3, "repeated")
    watched.until(lambda: not readers.simulated.unacknowledged, "acknowledged")
    assert faults.drop_requests == 0
    assert len(watched.of(CardRead, "a")) == 1


def test_a_card_is_repeated_until_it_was_acknowledged_and_counts_once(wire: Any) -> None:
    watched, readers = wire(BridgeSide)
    watched.online()
    sent = readers.simulated.sent
    readers.simulated.faults.drop_replies = 6  # of which some only say that the bridge is there
    readers.card("a", CARD)
    watched.until(lambda: watched.of(CardRead, "a"), "the card in the end")
    assert readers.simulated.sent - sent >= 2
    assert len(watched.of(CardRead, "a")) == 1


def test_a_card_that_nobody_heard_in_time_opens_nothing_later(wire: Any) -> None:
    watched, readers = wire(BridgeSide)
    watched.online()
    readers.simulated.faults.mute = True
    readers.card("a", CARD)
    deadline_s = time.monotonic() + WITHIN_S
    while readers.simulated.unacknowledged:
        assert time.monotonic() < deadline_s
        watched.events += watched.line.poll(0.05)
    readers.simulated.faults.mute = False
    watched.online()
    assert not watched.of(CardRead, "a")


@pytest.mark.parametrize(
    ("fault", "value"),
    [
        ("garbage_before", b"$C,1,1,26,EA"),
        ("garbage_after", b"\x00\xff$"),
        ("split_bytes", 3),
        ("corrupt", 1),
    ],
)
def test_a_bad_line_does_not_alter_a_card(fault: str, value: Any, wire: Any) -> None:
    watched, readers = wire(BridgeSide)
    watched.online()
    setattr(readers.simulated.faults, fault, value)
    readers.card("b", CARD)
    watched.until(lambda: watched.of(CardRead, "b"), "the card")
    assert [read.bits for read in watched.of(CardRead, "b")] == [CARD]
