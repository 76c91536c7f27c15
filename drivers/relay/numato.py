"""Numato USB relay modules: lines of text, echoed by the module, each answered by a prompt.

``relay on N``, ``relay off N``, ``relay read N`` (answer ``on`` or ``off``), each ended by CR; relays count
from 0 on the wire, and from 10 on they are letters. The module echoes the line and ends with ``>``. These
spellings have not been tried on every model: test each relay by hand after wiring.
"""

import re
from collections.abc import Callable

from drivers.link import Link
from drivers.relay.base import Wanted, never
from drivers.relay.relay_board import RelayBoard

_PROMPT = b">"
_INDEX = "0123456789ABCDEFGHIJKLMNOPQRSTUV"
_STATE = re.compile(rb"[\r\n]\s*(on|off)\s*[\r\n]")


class NumatoBoard(RelayBoard):
    """A Numato relay module (CDC, /dev/ttyACM*; its speed setting means nothing). See ``RelayBoard``."""

    make = "Numato modules"
    sizes = tuple(range(1, len(_INDEX) + 1))
    acknowledges = True
    forbidden = ("reset, writeall (other outputs share the board)",)

    def __init__(
        self,
        name: str,
        link: Link,
        *,
        channels: int = 8,
        pacing_ms: float = 10.0,
        reply_timeout_ms: float = 300.0,
    ) -> None:
        super().__init__(
            name, link, channels=channels, pacing_ms=pacing_ms, reply_timeout_ms=reply_timeout_ms
        )

    def write_output(self, channel: int, on: bool) -> int:
        """Switch one relay and wait for the prompt."""
        self._check_channel(channel, self._channels)
        return self._ask(f"relay {'on' if on else 'off'} {_INDEX[channel - 1]}", self._send)[1]

    def read_outputs(self, wanted: Wanted = never) -> tuple[bool, ...]:
        """Energised relays as the module reports them, one question each."""
        states = []
        for index in _INDEX[: self._channels]:
            self._stop_if(wanted)
            data = self._ask(f"relay read {index}", self._question)[0]
            answers = _STATE.findall(data)
            if len(answers) != 1:
                raise self._bad(f"not the state of a relay: {data[:40]!r}")
            states.append(answers[0] == b"on")
        return tuple(states)

    def _greet(self) -> None:
        """End a half line from before."""
        self._send(b"\r")
        self._collect(lambda data: data.rstrip().endswith(_PROMPT))

    def _ask(self, line: str, send: Callable[[bytes], int]) -> tuple[bytes, int]:
        command = line.encode("ascii")
        sent_ns = send(command + b"\r")
        data = self._collect(lambda seen: command in seen and seen.rstrip().endswith(_PROMPT))
        echo_at = data.find(command)
        if echo_at < 0 or not data.rstrip().endswith(_PROMPT):
            raise self._bad(f"no prompt after {line!r}: {data[:40]!r}")
        end = data.index(_PROMPT, echo_at) + 1
        self.oddities.stray_bytes += echo_at + len(data[end:].strip())
        return data[echo_at + len(command) :], sent_ns
