"""Modbus relay and input boards, on RS-485 or a network: one request, one answer, never a second try here.

A lost answer means that the state is unknown; whether to repeat is the caller's decision (repeating is safe
for everything sent from here, because nothing toggles). ``open`` alone asks a second time, where silence
would be taken for a board of another type. Many two-wire adapters return what was sent. The answer to a
single write is equal to the request, so an unnoticed echo would pass for an acknowledgement by a board that
is not there: ``open`` looks for an echo with a read, whose answer never equals its request.
"""

import logging
import time

from drivers.errors import (
    AnswerPending,
    BadReply,
    CommandRefused,
    DriverError,
    ReplyTimeout,
    UnexpectedEcho,
    WrongUnit,
)
from drivers.link import Link, boot_ns
from drivers.relay.base import Capabilities, Wanted, never
from drivers.relay.modbus_codec import Refusal, Reply, Request, read_registers
from drivers.relay.modbus_framing import FRAMINGS
from drivers.relay.modbus_profiles import PROFILES
from drivers.relay.serial_board import SerialBoard

log = logging.getLogger(__name__)

_UNITS = range(1, 256)  # the standard ends at 247, but LC boards leave the factory with 255


class ModbusBoard(SerialBoard):
    """A Modbus board. Thread: the owner of its line.

    Args:
        name: What the configuration calls the board.
        link: Its line; a ``SharedLink`` when several boards are on it.
        profile: Family, one of ``PROFILES``.
        framing: ``rtu``, or ``tcp`` for a board that speaks Modbus TCP.
        address: Unit address of the board, 1..255.
        outputs, inputs: Channels; None takes the family's usual number.
        reply_timeout_ms: Longest wait for an answer; USB adapters need 300 or more.
        gap_ms: Silence on the line before a request; the standard wants 3.5 characters, 3.6 ms at 9600 baud.
        local_echo: The adapter returns what is sent; None finds out in ``open``.
    """

    def __init__(
        self,
        name: str,
        link: Link,
        *,
        profile: str,
        framing: str = "rtu",
        address: int = 1,
        outputs: int | None = None,
        inputs: int | None = None,
        reply_timeout_ms: float = 300.0,
        gap_ms: float = 5.0,
        local_echo: bool | None = None,
    ) -> None:
        super().__init__(name, link, gap_ms=gap_ms, reply_timeout_ms=reply_timeout_ms)
        if profile not in PROFILES:
            raise DriverError(name, f"unknown Modbus profile {profile!r}; known: {', '.join(PROFILES)}")
        if framing not in FRAMINGS:
            raise DriverError(name, f"unknown framing {framing!r}; known: {', '.join(FRAMINGS)}")
        if address not in _UNITS:
            raise DriverError(name, f"address = {address}: must be 1..255")
        self._profile = PROFILES[profile]
        self._framing = FRAMINGS[framing]()
        self._unit = address
        usual_outputs, usual_inputs = self._profile.usual_channels
        self._outputs = usual_outputs if outputs is None else outputs
        self._inputs = usual_inputs if inputs is None else inputs
        if not 0 <= self._outputs <= 32 or not 0 <= self._inputs <= 32 or not self._outputs + self._inputs:
            raise DriverError(name, f"outputs = {self._outputs}, inputs = {self._inputs}: 1 to 32 channels")
        if self._inputs and not self._profile.inputs_per_read:
            raise DriverError(name, f"inputs = {self._inputs}: boards of family {profile} have none")
        self._gap_ms = round(gap_ms)
        self._fixed_echo = False if framing == "tcp" else local_echo
        self._echoes = bool(self._fixed_echo)
        self._late_ns: dict[int, int] = {}  # function code -> CLOCK_BOOTTIME

    @property
    def capabilities(self) -> Capabilities:
        """What this board can do."""
        return Capabilities(
            outputs=self._outputs,
            inputs=self._inputs,
            acknowledges=True,
            reads_back=bool(self._outputs and self._profile.read_outputs(self._unit, self._outputs)),
            pulse_step_ms=self._profile.pulse.step_ms if self._profile.pulse else None,
            min_gap_ms=self._gap_ms,
            forbidden=self._profile.forbidden,
        )

    def open(self) -> None:
        """Open the line and make the board answer a read; check that nothing on it acts by itself.

        Raises:
            DriverUnavailable, PortBusy: The port. ReplyTimeout, BadReply: The board.
            CommandRefused: The board is in a mode in which its inputs drive its relays.
        """
        self._take_line()
        self._late_ns.clear()
        try:
            if self._fixed_echo is None:
                self._echoes = self._find_echo()
            if self._outputs and self.capabilities.reads_back:
                self.read_outputs()
            if self._inputs:
                self.read_inputs()
            self._check_control_modes()
        except ReplyTimeout as silence:
            self.close()
            if "echo" in str(silence):
                raise
            raise ReplyTimeout(self.where, self._whom_to_look_for()) from silence
        except DriverError:
            self.close()
            raise

    def write_output(self, channel: int, on: bool) -> int:
        """Switch one relay and wait for the acknowledgement."""
        self._check_channel(channel, self._outputs)
        return self._ask(self._profile.switch(self._unit, channel, on))[1]

    def write_outputs(self, states: tuple[bool, ...]) -> int:
        """Switch every relay with one request; not every family can.

        Returns:
            CLOCK_BOOTTIME in nanoseconds at which the request had left.
        """
        switch_all = self._profile.switch_all
        if switch_all is None or len(states) != self._outputs:
            raise CommandRefused(self.where, f"cannot switch {len(states)} relays at once")
        return self._ask(switch_all(self._unit, states))[1]

    def pulse(self, channel: int, ms: int) -> int:
        """Energise one relay for ``ms``, rounded up to the board's step; the board releases it by itself."""
        self._check_channel(channel, self._outputs)
        timer = self._profile.pulse
        if timer is None:
            raise CommandRefused(self.where, "this board cannot time a pulse")
        if not 0 < ms <= timer.longest_ms:
            raise CommandRefused(self.where, f"a pulse of {ms} ms; the board can do 1..{timer.longest_ms} ms")
        return self._ask(timer.request(self._unit, channel, -(-ms // timer.step_ms)))[1]

    def read_outputs(self, wanted: Wanted = never) -> tuple[bool, ...]:
        """Energised relays as the board reports them."""
        requests = self._profile.read_outputs(self._unit, self._outputs)
        if not requests:
            raise CommandRefused(self.where, "boards of this family do not tell their state")
        replies = []
        for request in requests:
            self._stop_if(wanted)
            replies.append(self._ask(request)[0])
        return self._profile.decode_outputs(replies, self._outputs)

    def read_inputs(self) -> tuple[bool, ...]:
        """Active inputs, channel 1 first; an empty tuple when the board has none."""
        if not self._inputs:
            return ()
        reply, _ = self._ask(self._profile.input_request(self._unit, self._inputs))
        return reply.bits(self._inputs)

    def _ask(self, request: Request) -> tuple[Reply, int]:
        """One exchange; returns the reply and the CLOCK_BOOTTIME at which the request had left."""
        self._refuse_while_late(request)
        sent = self._framing.wrap(request)
        sent_ns = self._send(sent)
        reply = None
        try:
            data = self._collect(lambda seen: self._find(seen, request, sent) is not None)
            reply = self._find(data, request, sent)
        finally:
            if reply is None and not request.is_echoed:
                late_ns = round(self._reply_timeout_s * 1e9)
                self._late_ns[request.function] = boot_ns() + late_ns
        if reply is None:
            raise self._why_no_reply(data, request, sent)
        echoed = sent in data and not request.is_echoed
        if echoed and not self._echoes:
            raise UnexpectedEcho(self.where, "the line returns what is sent; set local_echo = true")
        self.oddities.stray_bytes += len(data) - (reply.end - reply.start) - len(sent) * self._echoes
        if reply.refusal is not None:
            raise self._why_refused(reply.refusal, request)
        return reply, sent_ns

    def _ask_twice_at_most(self, request: Request) -> Reply:
        """One exchange, and one more where nothing came: one lost answer must not say what a board lacks."""
        try:
            return self._ask(request)[0]
        except ReplyTimeout:
            time.sleep(max(0, self._late_ns.get(request.function, 0) - boot_ns()) / 1e9)
            return self._ask(request)[0]

    def _find(self, data: bytes, request: Request, sent: bytes) -> Reply | None:
        if not self._echoes:
            return self._framing.find(data, request)
        echo_at = data.find(sent)
        return None if echo_at < 0 else self._framing.find(data, request, echo_at + len(sent))

    def _why_no_reply(self, data: bytes, request: Request, sent: bytes) -> DriverError:
        if data == sent:
            return ReplyTimeout(self.where, "only the echo of our own request came back; is the board wired?")
        if self._framing.is_late(data):
            return ReplyTimeout(self.where, "only answers to earlier requests came, none to the last one")
        behind = data[data.find(sent) + len(sent) :] if self._echoes else data
        if (other := self._framing.find_other_unit(behind, request)) is not None:
            reason = f"unit {other} answered a request to unit {self._unit}; check the address of each board"
            return WrongUnit(self.where, reason)
        look_at = (
            "a board that speaks Modbus TCP?" if self._framing.numbers_answers else "right baud? parity?"
        )
        return BadReply(self.where, f"damaged answer: {data[:24].hex(' ')}; {look_at} right board type?")

    def _why_refused(self, code: int, request: Request) -> DriverError:
        if code in (Refusal.NO_WAY_TO_UNIT, Refusal.UNIT_SILENT):
            return ReplyTimeout(
                self.where, f"the gateway gets no answer from unit {self._unit}; right address?"
            )
        known = code in tuple(Refusal)
        reason = Refusal(code).name.lower().replace("_", " ") if known else f"reason {code}"
        return CommandRefused(self.where, f"the board refused function {request.function}: {reason}")

    def _whom_to_look_for(self) -> str:
        within = (
            f"unit {self._unit} does not answer within {self._reply_timeout_s * 1000:.0f} ms; right address?"
        )
        if self._framing.numbers_answers:
            return f"{within} is the board behind the gateway on?"
        return f"{within} on? A and B not swapped? right baud?"

    def _refuse_while_late(self, request: Request) -> None:
        """After a lost answer, refuse the same kind of read until that answer can no longer arrive.

        Modbus RTU numbers nothing: a late answer to the last read looks like the answer to this one. Writes
        need no such wait, because their answer repeats what was written. Nothing blocks here: the owner of
        the line may have to switch another relay meanwhile.
        """
        if not self._framing.numbers_answers and boot_ns() < self._late_ns.get(request.function, 0):
            raise AnswerPending(self.where, "the answer to the last read may still be under way")

    def _find_echo(self) -> bool:
        """Send one read and see whether it comes back; a board that does not answer it is no fault here."""
        probe = read_registers(self._unit, 0, 1)
        if self._inputs:
            probe = self._profile.input_request(self._unit, self._inputs)
        elif requests := self._profile.read_outputs(self._unit, self._outputs):
            probe = requests[0]
        sent = self._framing.wrap(probe)
        self._send(sent)
        try:
            data = self._collect(lambda seen: self._framing.find(seen, probe) is not None)
        except ReplyTimeout:
            return False
        return sent in data

    def _check_control_modes(self) -> None:
        modes_of = self._profile.control_modes
        if modes_of is None or not self._outputs:
            return
        try:
            modes = self._ask_twice_at_most(modes_of(self._unit, self._outputs)).registers()
        except (CommandRefused, ReplyTimeout) as refusal:
            if not self._inputs:
                return  # the type without inputs has no such registers, and nothing that could drive a relay
            reason = "no control mode registers: not the type with inputs? Set inputs = 0"
            raise CommandRefused(self.where, reason) from refusal
        for channel, mode in enumerate(modes, start=1):
            if mode != 0:
                raise CommandRefused(
                    self.where,
                    f"relay {channel} is in control mode {mode}: an input could drive it; set it to 0",
                )
