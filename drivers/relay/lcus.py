"""LCUS-1/2/4/8 relay boards: the cheap default. A write is never acknowledged; some boards tell their state.

The dialect of the status answer is found once, in ``open``, with the query alone, which switches nothing. The
text answer is often one state behind, so every reading asks twice and believes the second answer. Nothing on
the board times a pulse: a host that dies with a relay on leaves it on (the lane's guard is there for that).
"""

import logging
import time

from drivers.errors import CommandRefused, DriverError, ReplyTimeout
from drivers.link import NS_PER_MS, Link, boot_ns
from drivers.relay.base import Capabilities, Wanted, never
from drivers.relay.lcus_codec import (
    BOARD_SIZES,
    STATUS_QUERY,
    TEXT_BYTES_PER_CHANNEL,
    Dialect,
    decode_binary_status,
    decode_text_status,
    encode_switch,
)
from drivers.relay.serial_board import SerialBoard

log = logging.getLogger(__name__)

PACING_MS = 60.0  # 50 ms was enough for one implementer, another needed 100; back-to-back frames get lost
_QUIET_S = 0.06  # a text line takes 10.4 ms at 9600 baud; a pause of several ends the answer
_BINARY_QUIET_S = 0.02
_LOOK_UP_NS = 2 * NS_PER_MS


class LcusBoard(SerialBoard):
    """An LCUS board. Thread: the owner of its line.

    Args:
        name: What the configuration calls the board.
        link: Its line (9600 baud on the USB boards).
        channels: Number of relays on a board that does not tell; one that answers the query tells itself.
        dialect: ``probe`` finds out in ``open``; else the only one that is accepted.
        pacing_ms: Pause between two frames.
        reply_timeout_ms: Longest wait for a status answer.
    """

    def __init__(
        self,
        name: str,
        link: Link,
        *,
        channels: int | None = None,
        dialect: str = "probe",
        pacing_ms: float = PACING_MS,
        reply_timeout_ms: float = 300.0,
    ) -> None:
        super().__init__(name, link, gap_ms=pacing_ms, reply_timeout_ms=reply_timeout_ms)
        if channels is not None and not 1 <= channels <= max(BOARD_SIZES):
            raise DriverError(name, f"channels = {channels}: LCUS boards have 1, 2, 4 or 8 relays")
        if dialect != "probe" and dialect not in tuple(Dialect):
            raise DriverError(name, f"dialect = {dialect!r}: choose probe, text, binary or none")
        if dialect == Dialect.NONE and channels is None:
            raise DriverError(name, "a board that never answers needs channels = 1, 2, 4 or 8")
        self._channels = channels
        self._told_channels: int | None = None  # as the board itself answered
        self._fixed_dialect = None if dialect == "probe" else Dialect(dialect)
        self._dialect = self._fixed_dialect
        self._pacing_ms = round(pacing_ms)

    @property
    def capabilities(self) -> Capabilities:
        """What this board can do; complete after ``open``."""
        return Capabilities(
            outputs=self._channels or 0,
            inputs=0,
            acknowledges=False,
            reads_back=self._dialect in (Dialect.TEXT, Dialect.BINARY),
            pulse_step_ms=None,
            min_gap_ms=self._pacing_ms,
        )

    def open(self) -> None:
        """Open the port and find the dialect with the status query alone.

        A board that answered once must answer again: silence after a loss is a dead board, not a new dialect.

        Raises:
            DriverUnavailable, PortBusy: The port. ReplyTimeout, BadReply: The board.
        """
        self._take_line()
        try:
            if self._fixed_dialect is Dialect.NONE:
                return
            if self._dialect in (None, Dialect.NONE):
                self._dialect, states = self._probe()
            else:
                states = self._query()
            if self._dialect is not Dialect.NONE:
                self._channels = self._told_channels = len(states)
        except DriverError:
            self.close()
            raise

    def write_output(self, channel: int, on: bool) -> int:
        """Switch one relay. The board does not acknowledge: the new state is assumed until read back."""
        self._check_channel(channel, self._channels or 0)
        return self._send(encode_switch(channel, on))

    def read_outputs(self, wanted: Wanted = never) -> tuple[bool, ...]:
        """Ask twice and return the second answer, because the first may be one state behind.

        Between the two the board is free, and whoever wants it gets it.

        Raises:
            CommandRefused: This board does not answer the query.
            Abandoned: Something more urgent wants the board.
            ReplyTimeout, BadReply, LinkLost.
        """
        if not self.capabilities.reads_back and self._is_open:
            raise CommandRefused(self.where, "this board does not tell its state")
        # Both answers must be sound: if the first query got lost, the second answer may be the old state.
        self._query()
        while (early_ns := self.free_ns - boot_ns()) > 0:
            self._stop_if(wanted)
            time.sleep(min(early_ns, _LOOK_UP_NS) / 1e9)
        self._stop_if(wanted)
        return self._query()

    def read_inputs(self) -> tuple[bool, ...]:
        """These boards have no inputs."""
        return ()

    def _query(self) -> tuple[bool, ...]:
        self._question(STATUS_QUERY)
        if self._dialect is Dialect.BINARY:
            data = self._collect(lambda _: False, quiet_s=_BINARY_QUIET_S)
            states = decode_binary_status(data)
        else:
            data = self._collect(self._is_whole_text, quiet_s=_QUIET_S)
            states = decode_text_status(data)
            if states is not None:
                self.oddities.stray_bytes += len(data) - len(states) * TEXT_BYTES_PER_CHANNEL
        return self._accept(states, data)

    def _is_whole_text(self, data: bytes) -> bool:
        states = decode_text_status(data)
        return self._told_channels is not None and states is not None and len(states) >= self._told_channels

    def _probe(self) -> tuple[Dialect, tuple[bool, ...]]:
        try:
            data = self._ask_twice_at_most()
        except ReplyTimeout:
            if self._channels is None:
                raise ReplyTimeout(
                    self.where,
                    "no answer to the status query; is this the board? If it never answers, set channels",
                ) from None
            log.warning("%s: no answer to the status query: relays can be switched, not checked", self.where)
            return Dialect.NONE, (False,) * self._channels
        if (states := decode_text_status(data)) is None:
            return Dialect.BINARY, self._accept(decode_binary_status(data), data)
        if self._told_channels is None and len(data) != len(states) * TEXT_BYTES_PER_CHANNEL:
            raise self._bad(f"a damaged status answer: {data[:16].hex(' ')} ...")
        return Dialect.TEXT, self._accept(states, data)

    def _ask_twice_at_most(self) -> bytes:
        # A half command from before may have swallowed the first query, and one lost answer must not make a
        # board that answers look like one that never does.
        self._send(STATUS_QUERY)
        try:
            return self._collect(self._is_whole_text, quiet_s=_QUIET_S)
        except ReplyTimeout:
            self._send(STATUS_QUERY)
            return self._collect(self._is_whole_text, quiet_s=_QUIET_S)

    def _accept(self, states: tuple[bool, ...] | None, data: bytes) -> tuple[bool, ...]:
        if states is None or len(states) not in BOARD_SIZES:
            raise self._bad(f"not an LCUS status: {data[:16].hex(' ')}; is this the board?")
        if self._told_channels is not None and len(states) != self._told_channels:
            raise self._bad(f"{len(states)} relays answered, {self._told_channels} did before")
        return states
