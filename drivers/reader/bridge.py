r"""Wiegand readers behind a microcontroller: the protocol of the bridge, and its driver.

Linux cannot time pulses of 50 us, so a small controller does: it collects the bits of each Wiegand port, and
talks to the host over USB or a serial line, 115200 8N1, in lines of ASCII. This text is all that one needs to
program it.

    $TYPE,FIELD,FIELD...*CRC\r\n     at most 300 characters; CR may be left out

``CRC`` is CRC-16/MODBUS (reflected polynomial A001, start FFFF) over all characters between ``$`` and ``*``,
as four upper-case hexadecimal digits. A line whose checksum does not fit, or of an unknown type, is ignored.
Numbers are decimal, ports are counted from 1, ``SEQ`` counts from 0 to 255 and begins again.

From the bridge:

    $H,VERSION,PORTS,UPTIME*CRC       every 2 s, and when asked. VERSION is 1, UPTIME in seconds
    $C,SEQ,PORT,BITS,HEX,AGE*CRC      a frame of BITS bits ended on a port AGE ms ago. HEX: bits, the first
                                      one highest, filled up with zeros to whole bytes, e.g. 26,EA0DC080
    $T,SEQ,PORT,0|1*CRC               its tamper contact closed, or opened (1)

To the bridge:

    $A,SEQ*CRC                        C or T with this number has arrived
    $F,PORT,G|R|M*CRC                 for 2 s: green and a beep, red and three beeps, amber and a beep
    $Q*CRC                            say H

A C or T that is not acknowledged is sent again every 300 ms, with the same number and its new AGE, for 3 s;
then it is dropped: a card held long ago must open nothing. A frame ends after 25 ms without a pulse; D0 is a
0, D1 a 1. Example: card 212,7041 on 26 bits is ``$C,7,1,26,EA0DC080,12*934D``, to be answered ``$A,7*C27C``.

Wiegand is not encrypted, a card can be copied and a wire tapped: no driver can mend that. Prefer OSDP.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from drivers.checksum import crc16
from drivers.errors import DriverClosed
from drivers.link import NS_PER_MS, Link, boot_ns
from drivers.reader.base import CardRead, Condition, Feedback, KeysPressed, ReaderChanged, ReaderEvent
from drivers.reader.cards import bits_of, keys_of

log = logging.getLogger(__name__)

BAUD = 115_200
VERSION = 1
LONGEST_LINE = 300
HELLO_S = 2.0
OLDEST_MS = 3_000
FEEDBACK_WORDS: Mapping[Feedback, str] = {
    Feedback.GRANTED: "G",
    Feedback.REFUSED: "R",
    Feedback.MORE_WANTED: "M",
}
_READ_BYTES = 1024
_REPEAT_NS = 2 * OLDEST_MS * NS_PER_MS


@dataclass(frozen=True, slots=True)
class Message:
    """One sound line."""

    type: str
    fields: tuple[str, ...]


def encode(type_: str, *fields: object) -> bytes:
    """A line with its checksum."""
    body = ",".join((type_, *(str(field) for field in fields))).encode("ascii")
    return b"$" + body + b"*" + f"{crc16(body):04X}".encode() + b"\r\n"


def decode(data: bytes) -> tuple[list[Message], bytes]:
    """Find every sound line in a stream; whatever else stands there is passed over.

    Returns:
        The lines, and the tail that may be the beginning of one more.
    """
    *lines, tail = data.split(b"\n")
    messages = [message for line in lines if (message := _decode_line(line)) is not None]
    start = tail.rfind(b"$")
    return messages, tail[start:] if start >= 0 and len(tail) - start < LONGEST_LINE else b""


def _decode_line(line: bytes) -> Message | None:
    body, star, crc = line.rstrip(b"\r").rpartition(b"*")
    start = body.rfind(b"$")
    body = body[start + 1 :]
    if start < 0 or not star or not body.isascii() or crc != f"{crc16(body):04X}".encode():
        return None
    type_, *fields = body.decode("ascii").split(",")
    return Message(type_, tuple(fields))


class BridgeLine:
    """The readers behind one bridge.

    Args:
        name: For errors and logs.
        link: Its line, not yet open.
        ports: Names of the readers by the number of their port.
        lost_after_s: Silence after which the bridge counts as lost; it says that it is there every 2 s.

    Thread: one owner.
    """

    def __init__(self, name: str, link: Link, ports: Mapping[int, str], *, lost_after_s: float = 6.0) -> None:
        self.name = name
        self._link = link
        self._ports = dict(ports)
        self._number = {reader: port for port, reader in ports.items()}
        self._lost_after_ns = round(lost_after_s * 1e9)
        self._is_open = False
        self._buffer = b""
        self._heard_ns = 0
        self._is_online = False
        self._uptime_s = 0
        self._seen: dict[str, int] = {}
        self._events: list[ReaderEvent] = []

    @property
    def where(self) -> str:
        """Line and port, as error messages name them."""
        return f"{self.name} ({self._link.name})"

    def open(self) -> None:
        """Take the line and ask the bridge to say who it is."""
        self.close()
        self._link.open()
        self._is_open = True
        self._buffer = b""
        self._is_online = False
        self._heard_ns = boot_ns()
        self._seen.clear()
        self._link.write(encode("Q"))

    def poll(self, timeout_s: float) -> tuple[ReaderEvent, ...]:
        """Listen; returns early when something has come."""
        until_ns = boot_ns() + round(timeout_s * 1e9)
        while True:
            left_s = max(0.0, (until_ns - boot_ns()) / 1e9)
            data = self._need_link().read(_READ_BYTES, left_s)
            messages, self._buffer = decode(self._buffer + data)
            for message in messages:
                self._take(message)
            self._notice_silence()
            if self._events or boot_ns() >= until_ns:
                events, self._events = tuple(self._events), []
                return events

    def signal(self, reader: str, feedback: Feedback) -> None:
        """Let the bridge light and beep."""
        if self._is_online:
            self._need_link().write(encode("F", self._number[reader], FEEDBACK_WORDS[feedback]))

    def close(self) -> None:
        """Give the line back. Safe to call twice."""
        if self._is_open:
            self._is_open = False
            self._link.close()

    # Inside

    def _take(self, message: Message) -> None:
        now_ns = boot_ns()
        try:
            if message.type == "H":
                version, _, uptime_s = (int(field) for field in message.fields)
                self._greet(version, uptime_s)
            elif message.type in ("C", "T"):
                is_new = self._acknowledge(message.fields[0], now_ns)
                self._heard(now_ns)
                if is_new and message.type == "C":
                    self._take_bits(message, now_ns)
                elif is_new:
                    self._take_tamper(message, now_ns)
        except (ValueError, IndexError):
            log.warning("%s: a line of type %s that makes no sense", self.where, message.type)

    def _greet(self, version: int, uptime_s: int) -> None:
        if version != VERSION:
            log.warning("%s: the bridge speaks version %d, we speak %d", self.where, version, VERSION)
            return
        if uptime_s < self._uptime_s:
            self._seen.clear()  # it has started anew, and counts from 0 again
        self._uptime_s = uptime_s
        self._heard(boot_ns())

    def _heard(self, now_ns: int) -> None:
        self._heard_ns = now_ns
        if not self._is_online:
            self._is_online = True
            self._report(Condition.OFFLINE, False, "")

    def _notice_silence(self) -> None:
        now_ns = boot_ns()
        if now_ns - self._heard_ns > self._lost_after_ns:
            self._heard_ns = now_ns  # say it again after as long, for whoever came later
            self._is_online = False
            self._report(Condition.OFFLINE, True, "the bridge does not answer; is it powered and programmed?")
            self._need_link().write(encode("Q"))

    def _report(self, condition: Condition, holds: bool, detail: str) -> None:
        now_ns = boot_ns()
        for reader in self._ports.values():
            self._events.append(ReaderChanged(reader, now_ns, condition, holds, detail))

    def _acknowledge(self, seq: str, now_ns: int) -> bool:
        """Answer, so that it is not sent again; False when it was heard before."""
        if not 0 <= int(seq) <= 255:
            raise ValueError(seq)
        self._need_link().write(encode("A", seq))
        is_new = now_ns - self._seen.get(seq, -_REPEAT_NS) >= _REPEAT_NS
        self._seen[seq] = now_ns
        return is_new

    def _take_bits(self, message: Message, now_ns: int) -> None:
        _, port, count, data, age_ms = message.fields
        reader = self._ports.get(int(port))
        bits = bits_of(bytes.fromhex(data), int(count))
        if reader is None or int(age_ms) > OLDEST_MS or not 0 < int(count) <= 4 * len(data):
            log.warning(
                "%s: a card at port %s, %s bits, %s ms ago is ignored", self.where, port, count, age_ms
            )
            return
        at_ns = now_ns - int(age_ms) * NS_PER_MS
        if key := keys_of(bits):
            self._events.append(KeysPressed(reader, at_ns, key))
        else:
            self._events.append(CardRead(reader, at_ns, bits))

    def _take_tamper(self, message: Message, now_ns: int) -> None:
        _, port, opened = message.fields
        reader = self._ports.get(int(port))
        if reader is not None and opened in ("0", "1"):
            detail = "its housing was opened" if opened == "1" else ""
            self._events.append(ReaderChanged(reader, now_ns, Condition.TAMPERED, opened == "1", detail))

    def _need_link(self) -> Link:
        if not self._is_open:
            raise DriverClosed(self.where, "the bridge is not open")
        return self._link
