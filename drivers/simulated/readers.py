"""Simulated readers: OSDP readers that are libosdp's own other side, and a Wiegand bridge.

The OSDP readers are no mirror of our driver: libosdp in its PD mode checks addresses, checksums, sequence and
the secure channel, keeps the time of its outputs itself, and takes a key only as a real reader does.
"""

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from drivers.link import NS_PER_MS, boot_ns
from drivers.reader import bridge
from drivers.reader import osdp_library as library
from drivers.reader.cards import packed
from drivers.simulated.line import SimulatedLine

_TURN_NS = 10 * NS_PER_MS
_REPEAT_NS = 300 * NS_PER_MS
_DROPPED_NS = bridge.OLDEST_MS * NS_PER_MS


@cache
def _status_answer(tampered: bool) -> dict[str, Any]:
    # libosdp 3.2.9 gives back a reference to the answer that is not its own, and loses the tuple around it,
    # which still points there: a fresh dictionary would be freed under the feet of the garbage collector. So
    # there is one per state, it is never freed, and each lost tuple makes up for the reference taken.
    osdp = library.load_libosdp()
    report = {"type": osdp.STATUS_REPORT_LOCAL, "nr_entries": 2, "report": bytes((tampered, 0))}
    answer = {"command": osdp.CMD_STATUS, **report}
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(answer))
    return answer


@dataclass(slots=True)
class OsdpPeer:
    """One simulated OSDP reader. Read its state from any thread; change it through the line.

    Attributes:
        address: On the bus.
        key: Its base key; empty: the factory key, as it came out of its box.
        has_buzzer: False: it says so. denies: OSDP commands that it refuses, whatever it says.
        lights: Colours that it was told to show, newest last.
        beeps: How often it was told to beep, newest last.
        outputs: Its outputs, and ``history`` every change of one as (CLOCK_BOOTTIME ns, channel, energised).
    """

    address: int
    key: bytes = b""
    has_buzzer: bool = True
    denies: set[int] = field(default_factory=set)
    lights: list[int] = field(default_factory=list)
    beeps: list[int] = field(default_factory=list)
    outputs: list[bool] = field(default_factory=lambda: [False, False])
    history: list[tuple[int, int, bool]] = field(default_factory=list)
    tampered: bool = False
    inbox: bytes = b""
    outbox: bytes = b""
    device: Any = None
    due_ns: dict[int, int] = field(default_factory=dict)

    # What libosdp sees as the line. It hears what came since, and what it says is sent after its turn.

    def read(self, limit: int, timeout_s: float) -> bytes:
        """What has come."""
        del timeout_s
        piece, self.inbox = self.inbox[:limit], self.inbox[limit:]
        return piece

    def write(self, data: bytes) -> int:
        """What it says."""
        self.outbox += data
        return len(data)


class SimulatedOsdpLine(SimulatedLine):
    """OSDP readers on one line.

    Args:
        peers: Keys by address; an empty key is a reader fresh from its box.
        name: Of the line and its thread.
        link: Path of a symbolic link to keep pointed at the port.
        wire_baud: Let bytes take their time on the wire.

    Raises:
        DriverUnavailable: libosdp is not installed.
    """

    def __init__(
        self,
        peers: Mapping[int, bytes],
        *,
        name: str = "osdp",
        link: Path | None = None,
        wire_baud: int | None = None,
    ) -> None:
        super().__init__(name, link=link, wire_baud=wire_baud)
        self._osdp = library.load_libosdp()
        self.peers = {address: OsdpPeer(address, key) for address, key in peers.items()}

    def power_up(self) -> None:
        """Every reader begins anew: no secure channel, outputs released."""
        for peer in self.peers.values():
            self._begin(peer)

    def present(self, address: int, bits: str) -> None:
        """Hold a card before a reader."""
        event = {
            "event": self._osdp.EVENT_CARDREAD,
            "reader_no": 0,
            "format": self._osdp.CARD_FMT_RAW_WIEGAND,
            "direction": 0,
            "length": len(bits),
            "data": packed(bits),
        }
        self._submit(address, event)

    def press(self, address: int, keys: str) -> None:
        """Press keys of its keypad."""
        event = {"event": self._osdp.EVENT_KEYPRESS, "reader_no": 0, "data": keys.encode("ascii")}
        self._submit(address, event)

    def set_tampered(self, address: int, tampered: bool) -> None:
        """Open or close its housing."""
        self.peers[address].tampered = tampered
        event = {
            "event": self._osdp.EVENT_STATUS,
            "type": self._osdp.STATUS_REPORT_LOCAL,
            "nr_entries": 2,
            "report": bytes((tampered, 0)),
        }
        self._submit(address, event)

    def received(self, data: bytes, now_ns: int) -> list[bytes]:
        """Everybody on the line hears everything."""
        del now_ns
        for peer in self.peers.values():
            peer.inbox += data
        return []

    def tick(self, now_ns: int) -> int | None:
        """Let every reader work for a moment, and release outputs whose time is over."""
        for peer in self.peers.values():
            if peer.device is not None:
                peer.device.refresh()
            for channel in [channel for channel, due_ns in peer.due_ns.items() if due_ns <= now_ns]:
                self._switch(peer, channel, False, 0)
            if peer.outbox:
                said, peer.outbox = peer.outbox, b""
                self._answer(said)
        return now_ns + _TURN_NS

    def _submit(self, address: int, event: dict[str, Any]) -> None:
        self.do(lambda: self.peers[address].device.submit_event(event))

    def _begin(self, peer: OsdpPeer) -> None:
        osdp = self._osdp
        for channel in range(1, len(peer.outputs) + 1):
            self._switch(peer, channel, False, 0)
        peer.inbox = peer.outbox = b""
        flags = osdp.FLAG_ENFORCE_SECURE if peer.key else 0
        described = library.identity(
            f"pd-{peer.address}", peer.address, flags, peer.key, library.Channel(peer)
        )
        abilities = (
            (osdp.CAP_READER_LED_CONTROL, 1, 1),
            *([(osdp.CAP_READER_AUDIBLE_OUTPUT, 1, 1)] if peer.has_buzzer else []),
            (osdp.CAP_OUTPUT_CONTROL, 4, len(peer.outputs)),
            (osdp.CAP_CONTACT_STATUS_MONITORING, 1, 2),
            (osdp.CAP_CARD_DATA_FORMAT, 1, 1),
            (osdp.CAP_COMMUNICATION_SECURITY, 1, 1),
            (osdp.CAP_READERS, 1, 1),
        )
        peer.device = osdp.PeripheralDevice(
            described,
            capabilities=[
                {"function_code": code, "compliance_level": level, "num_items": items}
                for code, level, items in abilities
            ],
        )
        peer.device.set_command_callback(lambda command: self._obey(peer, command))

    def _obey(self, peer: OsdpPeer, command: Mapping[str, Any]) -> tuple[int, dict[str, Any] | None]:
        osdp, kind = self._osdp, command["command"]
        if kind in peer.denies:
            return -1, None
        if kind == osdp.CMD_LED:
            peer.lights.append(command["on_color"])
        elif kind == osdp.CMD_BUZZER:
            peer.beeps.append(command["rep_count"])
        elif kind == osdp.CMD_KEYSET:
            peer.key = bytes(command["data"])
        elif kind == osdp.CMD_OUTPUT:
            channel, code = command["output_no"] + 1, command["control_code"]
            if not 1 <= channel <= len(peer.outputs):
                return -1, None
            ticks = command["timer_count"] if code == library.OUTPUT_ON_FOR else 0
            self._switch(peer, channel, code != library.OUTPUT_OFF, ticks)
        elif kind == osdp.CMD_STATUS:
            return 0, _status_answer(peer.tampered)
        return 0, None

    def _switch(self, peer: OsdpPeer, channel: int, on: bool, ticks: int) -> None:
        now_ns = boot_ns()
        peer.due_ns.pop(channel, None)
        if ticks:
            peer.due_ns[channel] = now_ns + ticks * library.TICK_MS * NS_PER_MS
        if peer.outputs[channel - 1] != on:
            peer.outputs[channel - 1] = on
            peer.history.append((now_ns, channel, on))


class SimulatedBridge(SimulatedLine):
    """A bridge with Wiegand readers, as ``drivers.reader.bridge`` describes it.

    Args:
        ports: How many readers.
        hello_s: So often it says that it is there.
        name: Of the bridge and its thread.
        link: Path of a symbolic link to keep pointed at the port.
        wire_baud: Let bytes take their time on the wire.
    """

    def __init__(
        self,
        ports: int = 2,
        *,
        hello_s: float = bridge.HELLO_S,
        name: str = "bridge",
        link: Path | None = None,
        wire_baud: int | None = None,
    ) -> None:
        super().__init__(name, link=link, wire_baud=wire_baud)
        self._ports = ports
        self._hello_every_ns = round(hello_s * 1e9)
        self._seq = -1
        self._buffer = b""
        self._started_ns = boot_ns()
        self._hello_ns = 0
        self._waiting: dict[int, tuple[int, int, Sequence[object]]] = {}
        self.feedback: list[tuple[int, str]] = []
        self.sent = 0

    def power_up(self) -> None:
        """It begins anew: numbers from 0."""
        self._seq, self._buffer, self._started_ns, self._hello_ns = -1, b"", boot_ns(), 0
        self._waiting.clear()

    def present(self, port: int, bits: str) -> None:
        """Hold a card before a reader, or press a key of its keypad: both are bits."""
        self._say("C", port, len(bits), packed(bits).hex().upper())

    def set_tampered(self, port: int, tampered: bool) -> None:
        """Open or close the housing of a reader."""
        self._say("T", port, int(tampered))

    @property
    def unacknowledged(self) -> int:
        """Lines that were not acknowledged yet."""
        return len(self._waiting)

    def received(self, data: bytes, now_ns: int) -> list[bytes]:
        """Obey the host."""
        messages, self._buffer = bridge.decode(self._buffer + data)
        for message in messages:
            if self.faults.drop_requests > 0:
                self.faults.drop_requests -= 1
            elif message.type == "A":
                self._waiting.pop(int(message.fields[0]), None)
            elif message.type == "F":
                self.feedback.append((int(message.fields[0]), message.fields[1]))
            elif message.type == "Q":
                self._hello_ns = now_ns
        return []

    def tick(self, now_ns: int) -> int | None:
        """Say that it is there, and say again what nobody has acknowledged."""
        if self.faults.silent:
            return now_ns + _REPEAT_NS
        if now_ns >= self._hello_ns:
            self._hello_ns = now_ns + self._hello_every_ns
            uptime_s = (now_ns - self._started_ns) // 1_000_000_000
            self._answer(bridge.encode("H", bridge.VERSION, self._ports, uptime_s))
        for seq, (born_ns, due_ns, fields) in list(self._waiting.items()):
            if now_ns - born_ns > _DROPPED_NS:
                del self._waiting[seq]
            elif now_ns >= due_ns:
                self._waiting[seq] = (born_ns, now_ns + _REPEAT_NS, fields)
                self._send_line(seq, born_ns, fields)
        return min([self._hello_ns, *(due_ns for _, due_ns, _ in self._waiting.values())])

    def _say(self, *fields: object) -> None:
        def begin() -> None:
            self._seq = (self._seq + 1) % 256
            self._waiting[self._seq] = (boot_ns(), 0, fields)

        self.do(begin)

    def _send_line(self, seq: int, born_ns: int, fields: Sequence[object]) -> None:
        type_, *rest = fields
        age = [(boot_ns() - born_ns) // NS_PER_MS] if type_ == "C" else []
        self.sent += 1
        self._answer(bridge.encode(str(type_), seq, *rest, *age))
