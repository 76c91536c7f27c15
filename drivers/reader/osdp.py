"""Card readers on OSDP (IEC 60839-11-5) over RS-485, through libosdp.

The secure channel is enforced: a reader that does not prove that it holds our key says nothing to us. Only
``install`` lets a reader with the public factory key take a new one, and that is a command of its own, never
the daemon. A reader that is lost is tried again every few seconds; libosdp by itself would wait 300 s.

A command that a reader refuses costs it its place on the bus (libosdp takes the NAK for the end of the secure
channel). So nothing is sent that a reader does not say it can do, and whoever is lost for a refusal is taken
back at once.
"""

import logging
import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from drivers.errors import CommandRefused, DriverClosed, DriverUnavailable, ReplyTimeout
from drivers.link import NS_PER_MS, Link, boot_ns
from drivers.reader import osdp_library as library
from drivers.reader.base import CardRead, Condition, Feedback, KeysPressed, ReaderChanged, ReaderEvent
from drivers.reader.cards import bits_of

log = logging.getLogger(__name__)

MOST_READERS = 8
_REST_NS = 150 * NS_PER_MS  # between taking a lost reader off the bus and putting it back
_REFUSED_WITHIN_NS = 4_000 * NS_PER_MS  # a wrong key shows at once, silence after libosdp's 8 s
_ATTEMPT_NS = 2_000 * NS_PER_MS  # to come back: the handshake takes half a second at 9600 baud
_REFUSED_JUST_NOW_NS = 200 * NS_PER_MS
_TURN_S = 0.02  # libosdp asks to be called at least every 50 ms
_ANSWER_S = 1.0
_UNPROVEN = "answers, but does not prove that it holds its key; gatehouse reader install gives it one"
_SILENT = "does not answer; is it powered, and its address and baud as configured?"


@dataclass(frozen=True, slots=True)
class OsdpReader:
    """One reader of the line; ``key`` is its own secure channel base key, 16 bytes."""

    name: str
    address: int
    key: bytes = field(repr=False)


@dataclass(slots=True)
class _Standing:
    """What is known of one reader."""

    reader: OsdpReader
    is_online: bool = False
    said_offline: str | None = None
    conditions: set[Condition] = field(default_factory=set)
    tried_ns: int = 0
    refused: set[int] = field(default_factory=set)
    refused_ns: int = 0
    retry_ns: int = 0
    is_resting: bool = False
    is_lost: bool = False


class OsdpLine:
    """All OSDP readers of one line.

    Args:
        name: For errors and logs.
        link: The line, not yet open.
        readers: At most eight, each with its own address and key.
        retry_s: Between two tries with a reader that was lost.
        install: Let readers with the factory key in, and give them theirs. Only ever on a person's command.

    Thread: one owner.
    """

    def __init__(
        self,
        name: str,
        link: Link,
        readers: Sequence[OsdpReader],
        *,
        retry_s: float = 5.0,
        install: bool = False,
    ) -> None:
        if not 0 < len(readers) <= MOST_READERS:
            raise ValueError(f"{len(readers)} OSDP readers on one line; 1 to {MOST_READERS} are possible")
        self.name = name
        self._link = link
        self._install = install
        self._retry_ns = round(retry_s * 1e9)
        self._standing = [_Standing(reader) for reader in readers]
        self._index = {reader.name: number for number, reader in enumerate(readers)}
        self._events: deque[ReaderEvent] = deque()
        self._completed: deque[tuple[int, int, int]] = deque(maxlen=32)
        self._osdp: Any = None
        self._panel: Any = None
        self._channel: library.Channel | None = None

    @property
    def where(self) -> str:
        """Line and port, as error messages name them."""
        return f"{self.name} ({self._link.name})"

    def open(self) -> None:
        """Take the line; readers are heard a fraction of a second later."""
        self.close()
        osdp = self._osdp = library.load_libosdp()
        for standing in self._standing:
            key = standing.reader.key
            if len(key) != library.KEY_BYTES or key == library.FACTORY_KEY:
                raise DriverUnavailable(
                    standing.reader.name, "has no key of its own; gatehouse reader install gives it one"
                )
        self._link.open()
        self._channel = library.Channel(self._link)
        flag = osdp.FLAG_INSTALL_MODE if self._install else osdp.FLAG_ENFORCE_SECURE
        flags = flag | osdp.FLAG_ENABLE_NOTIFICATION
        readers = [standing.reader for standing in self._standing]
        self._panel = osdp.ControlPanel(
            [library.identity(r.name, r.address, flags, r.key, self._channel) for r in readers]
        )
        self._panel.set_event_callback(self._on_event)
        self._panel.set_command_completion_callback(self._on_completion)
        for standing in self._standing:
            standing.is_online, standing.said_offline = False, None
            standing.is_resting = standing.is_lost = False
            standing.tried_ns = boot_ns()

    def poll(self, timeout_s: float) -> tuple[ReaderEvent, ...]:
        """Keep the bus going; returns early when something has happened."""
        until_ns = boot_ns() + round(timeout_s * 1e9)
        while True:
            self._turn()
            left_s = (until_ns - boot_ns()) / 1e9
            if self._events or left_s <= 0:
                events = tuple(self._events)
                self._events.clear()
                return events
            self._need_channel().wait(min(_TURN_S, left_s))

    def is_secure(self, reader: str) -> bool:
        """Whether this reader is online and has proved that it holds its key."""
        bit = 1 << self._index[reader]
        panel = self._panel
        return panel is not None and bool(panel.status() & panel.sc_status() & bit)

    def signal(self, reader: str, feedback: Feedback) -> None:
        """Light and sound by the decision; a reader without a buzzer refuses that alone."""
        number = self._index[reader]
        if self._panel is None or not self._standing[number].is_online:
            return
        osdp = self._osdp
        wanted = (
            (osdp.CAP_READER_LED_CONTROL, library.light(osdp, feedback)),
            (osdp.CAP_READER_AUDIBLE_OUTPUT, library.sound(osdp, feedback)),
        )
        for ability, command in wanted:
            self._submit(number, ability, command)

    def pulse_output(self, reader: str, channel: int, ms: int) -> int:
        """Energise an output of a reader for a time that the reader itself keeps.

        Args:
            reader: Which.
            channel: From 1.
            ms: Rounded up to 100 ms, at most 25,500.

        Returns:
            CLOCK_BOOTTIME in nanoseconds when the reader had acknowledged it.

        Raises:
            CommandRefused: Offline, no such output, or too long. ReplyTimeout: What it did is unknown.
        """
        ticks = math.ceil(ms / library.TICK_MS)
        if not 0 < ticks <= library.MOST_TICKS:
            raise CommandRefused(
                reader, f"a pulse of {ms} ms; 1 to {library.MOST_TICKS * library.TICK_MS} ms are possible"
            )
        return self._output(reader, channel, library.OUTPUT_ON_FOR, ticks)

    def write_output(self, reader: str, channel: int, energised: bool) -> int:
        """Energise or release an output for good. Returns and raises as ``pulse_output``."""
        code = library.OUTPUT_ON if energised else library.OUTPUT_OFF
        return self._output(reader, channel, code, 0)

    def close(self) -> None:
        """Give the line back. Safe to call twice."""
        if self._panel is not None:
            self._panel = self._channel = None
            self._link.close()

    # Inside

    def _output(self, reader: str, channel: int, code: int, ticks: int) -> int:
        number = self._index[reader]
        if self._panel is None or not self._standing[number].is_online:
            raise CommandRefused(reader, "the reader is offline")
        if (count := self._can(number, self._osdp.CAP_OUTPUT_CONTROL)) < channel:
            raise CommandRefused(reader, f"has no output {channel}; it has {count or 'none'}")
        self._completed.clear()
        command = library.output(self._osdp, channel, code, ticks)
        if not self._panel.submit_command(number, command):
            raise CommandRefused(reader, "takes no more commands now")
        deadline_ns = boot_ns() + round(_ANSWER_S * 1e9)
        while boot_ns() < deadline_ns:
            self._turn()
            for done, which, status in self._completed:
                if done == number and which == self._osdp.CMD_OUTPUT:
                    if status != self._osdp.COMPLETION_OK:
                        raise CommandRefused(reader, f"does not switch its output {channel}")
                    return boot_ns()
            self._need_channel().wait(_TURN_S)
        raise ReplyTimeout(reader, "no answer to an output command; what the output does is unknown")

    def _turn(self) -> None:
        channel = self._need_channel()
        self._panel.refresh()
        if channel.failure is not None:
            failure = channel.failure
            self.close()
            raise failure
        now_ns = boot_ns()
        for number, standing in enumerate(self._standing):
            self._follow(number, standing, now_ns)

    def _follow(self, number: int, standing: _Standing, now_ns: int) -> None:
        """Notice who has come and gone, and try again with those who are lost."""
        is_online = self.is_secure(standing.reader.name)
        if is_online != standing.is_online:
            standing.is_online = is_online
            if is_online:
                standing.said_offline = None
                standing.is_resting = standing.is_lost = False
                self._report(standing, Condition.OFFLINE, False)
                self._submit(
                    number, self._osdp.CAP_CONTACT_STATUS_MONITORING, library.local_status(self._osdp)
                )
        if is_online:
            return
        if standing.is_resting:
            if now_ns >= standing.retry_ns:
                self._panel.enable_pd(number)
                standing.is_resting, standing.tried_ns = False, now_ns
        elif standing.is_lost or (standing.said_offline and now_ns - standing.tried_ns > _ATTEMPT_NS):
            # libosdp would try once and then wait for minutes; taken off and put on again, it begins anew.
            if not standing.is_lost:
                self._say_offline(standing, _SILENT)
            self._panel.disable_pd(number)
            was_refused = now_ns - standing.refused_ns < _REFUSED_JUST_NOW_NS
            standing.retry_ns = now_ns + (_REST_NS if was_refused else self._retry_ns)
            standing.is_resting, standing.is_lost = True, False

    def _on_event(self, number: int, event: Mapping[str, Any]) -> int:
        osdp, standing, now_ns = self._osdp, self._standing[number], boot_ns()
        kind = event["event"]
        if kind == osdp.EVENT_CARDREAD:
            if event["format"] == osdp.CARD_FMT_ASCII:
                log.warning("%s sends characters, an abandoned format; set it to bits", standing.reader.name)
                return 0
            bits = bits_of(bytes(event["data"]), event["length"])
            self._events.append(CardRead(standing.reader.name, now_ns, bits))
        elif kind == osdp.EVENT_KEYPRESS:
            keys = "".join(library.KEY_OF.get(byte, "") for byte in event["data"])
            if keys:
                self._events.append(KeysPressed(standing.reader.name, now_ns, keys))
        elif kind == osdp.EVENT_STATUS and event["type"] == osdp.STATUS_REPORT_LOCAL:
            tampered, power_lost = (*event["report"], 0, 0)[:2]
            self._report(standing, Condition.TAMPERED, bool(tampered), "its housing was opened")
            self._report(standing, Condition.POWER_LOST, bool(power_lost), "reports a failure of its power")
        elif kind == osdp.EVENT_NOTIFICATION and not event["arg1"]:
            if event["type"] == osdp.EVENT_NOTIFICATION_COMMAND:
                self._refuses(standing, event["arg0"], now_ns)
            elif event["type"] == osdp.EVENT_NOTIFICATION_PD_STATUS and not event["arg0"]:
                self._lost(standing, now_ns)
        return 0

    def _refuses(self, standing: _Standing, command: int, now_ns: int) -> None:
        """It says that it can, and does not: light and sound are not tried again."""
        standing.refused_ns = now_ns
        if command != self._osdp.CMD_OUTPUT and command not in standing.refused:
            standing.refused.add(command)
            log.warning("%s refuses OSDP command %d and is not asked again", standing.reader.name, command)

    def _submit(self, number: int, ability: int, command: dict[str, Any]) -> None:
        """Send what a reader says that it can do, and has not refused."""
        if self._can(number, ability) and command["command"] not in self._standing[number].refused:
            self._panel.submit_command(number, command)

    def _can(self, number: int, ability: int) -> int:
        """How many of something a reader says that it has: lights, buzzers, outputs; 0 for none."""
        level, count = self._panel.check_capability(number, ability)
        return int(count or 1) if level else 0

    def _on_completion(self, number: int, command: Mapping[str, Any], status: int) -> None:
        self._completed.append((number, command["command"], status))

    def _lost(self, standing: _Standing, now_ns: int) -> None:
        """Given up by libosdp; called while that is at work, so what follows is done by ``_follow``."""
        if standing.is_resting:
            return
        standing.is_online, standing.is_lost = False, True
        if now_ns - standing.refused_ns >= _REFUSED_JUST_NOW_NS:
            answers = now_ns - standing.tried_ns < _REFUSED_WITHIN_NS
            self._say_offline(standing, _UNPROVEN if answers else _SILENT)

    def _say_offline(self, standing: _Standing, detail: str) -> None:
        if standing.said_offline != detail:
            standing.said_offline = detail
            self._report(standing, Condition.OFFLINE, True, detail)

    def _report(self, standing: _Standing, condition: Condition, holds: bool, detail: str = "") -> None:
        is_news = holds != (condition in standing.conditions) or condition is Condition.OFFLINE
        (standing.conditions.add if holds else standing.conditions.discard)(condition)
        if is_news:
            change = ReaderChanged(standing.reader.name, boot_ns(), condition, holds, detail if holds else "")
            self._events.append(change)

    def _need_channel(self) -> library.Channel:
        if self._channel is None:
            raise DriverClosed(self.where, "the reader line is not open")
        return self._channel
