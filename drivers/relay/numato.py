"""Numato USB relay modules: lines of text, echoed by the module, each answered by a prompt.

``relay on N``, ``relay off N``, ``relay read N`` (answer ``on`` or ``off``), each ended by CR; relays count
from 0 on the wire, and from 10 on they are letters. The module echoes the line and ends with ``>``. These
spellings have not been tried on every model: test each relay by hand after wiring.
"""

import re

from drivers.errors import BadReply, DriverError
from drivers.link import Link
from drivers.relay.base import Capabilities
from drivers.relay.serial_board import SerialBoard

_PROMPT = b">"
_INDEX = "0123456789ABCDEFGHIJKLMNOPQRSTUV"
_STATE = re.compile(rb"[\r\n]\s*(on|off)\s*[\r\n]")


class NumatoBoard(SerialBoard):
    """A Numato relay module. Thread: the owner of its line.

    Args:
        name: What the configuration calls the board.
        link: Its line (CDC, /dev/ttyACM*; its speed setting means nothing).
        channels: Relays, 1..32.
        pacing_ms: Pause between two lines.
        reply_timeout_ms: Longest wait for the prompt.
    """

    def __init__(
        self,
        name: str,
        link: Link,
        *,
        channels: int = 8,
        pacing_ms: float = 10.0,
        reply_timeout_ms: float = 300.0,
    ) -> None:
        super().__init__(name, link, gap_ms=pacing_ms, reply_timeout_ms=reply_timeout_ms)
        if not 1 <= channels <= len(_INDEX):
            raise DriverError(name, f"channels = {channels}: Numato modules have 1 to {len(_INDEX)} relays")
        self._channels = channels
        self._pacing_ms = round(pacing_ms)

    @property
    def capabilities(self) -> Capabilities:
        """What this board can do."""
        return Capabilities(
            outputs=self._channels,
            inputs=0,
            acknowledges=True,
            reads_back=True,
            pulse_step_ms=None,
            min_gap_ms=self._pacing_ms,
            forbidden=("reset, writeall (other outputs share the board)",),
        )

    def open(self) -> None:
        """Open the port, end a half line from before, and have the module tell its state."""
        self._take_line()
        try:
            self._send(b"\r")
            self._collect(lambda data: data.rstrip().endswith(_PROMPT))
            self.read_outputs()
        except DriverError:
            self.close()
            raise

    def write_output(self, channel: int, on: bool) -> int:
        """Switch one relay and wait for the prompt."""
        self._check_channel(channel, self._channels)
        return self._ask(f"relay {'on' if on else 'off'} {_INDEX[channel - 1]}")[1]

    def read_outputs(self) -> tuple[bool, ...]:
        """Energised relays as the module reports them, one question each."""
        states = []
        for index in _INDEX[: self._channels]:
            data = self._ask(f"relay read {index}")[0]
            answers = _STATE.findall(data)
            if len(answers) != 1:
                raise BadReply(self.where, f"not the state of a relay: {data[:40]!r}")
            states.append(answers[0] == b"on")
        return tuple(states)

    def read_inputs(self) -> tuple[bool, ...]:
        """The inputs of the larger models are not read."""
        return ()

    def _ask(self, line: str) -> tuple[bytes, int]:
        command = line.encode("ascii")
        sent_ns = self._send(command + b"\r")
        data = self._collect(lambda seen: command in seen and seen.rstrip().endswith(_PROMPT))
        echo_at = data.find(command)
        if echo_at < 0 or not data.rstrip().endswith(_PROMPT):
            raise BadReply(self.where, f"no prompt after {line!r}: {data[:40]!r}")
        return data[echo_at + len(command) :], sent_ns
