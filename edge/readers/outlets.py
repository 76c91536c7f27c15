"""The way from a board's owner to the relays of a reader, whose line belongs to another thread."""

import queue
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTime
from dataclasses import dataclass

from drivers.errors import CommandRefused, DriverError, LinkLost, ReplyTimeout
from drivers.reader import ReaderLine
from drivers.reader.osdp import OsdpLine

MAX_WAITING = 8
_ANSWER_S = 1.5

Switch = Callable[[OsdpLine], int]


@dataclass(frozen=True, slots=True)
class _Call:
    switch: Switch
    done: Future[int]


class Outlet:
    """Relays of one reader. ``pulse`` and ``release``: any one thread; ``serve``: the owner of the line."""

    def __init__(self, reader: str) -> None:
        self._reader = reader
        self._calls: queue.Queue[_Call] = queue.Queue(MAX_WAITING)
        self._is_up = False

    @property
    def is_up(self) -> bool:
        """Whether the reader is online."""
        return self._is_up

    @is_up.setter
    def is_up(self, is_up: bool) -> None:
        self._is_up = is_up

    def pulse(self, channel: int, ms: int) -> int:
        """Energise for a time that the reader keeps.

        Returns:
            CLOCK_BOOTTIME in nanoseconds of its acknowledgement.

        Raises:
            LinkLost: It is offline. ReplyTimeout: What it did is unknown. CommandRefused: It said no.
        """
        return self._call(lambda line: line.pulse_output(self._reader, channel, ms))

    def release(self, channel: int) -> int:
        """Release at once. Returns and raises as ``pulse``."""
        return self._call(lambda line: line.write_output(self._reader, channel, energised=False))

    def serve(self, line: ReaderLine) -> None:
        """Do what waits; what nobody waits for any more is not done."""
        while not self._calls.empty():
            call = self._calls.get_nowait()
            if not call.done.set_running_or_notify_cancel():
                continue
            if not isinstance(line, OsdpLine):
                call.done.set_exception(CommandRefused(self._reader, "readers of this type have no relays"))
                continue
            try:
                call.done.set_result(call.switch(line))
            except DriverError as error:
                call.done.set_exception(error)
                if isinstance(error, LinkLost):
                    raise

    def _call(self, switch: Switch) -> int:
        if not self._is_up:
            raise LinkLost(self._reader, "the reader is offline")
        call = _Call(switch, Future())
        try:
            self._calls.put_nowait(call)
        except queue.Full:
            raise CommandRefused(self._reader, "its line is busy") from None
        try:
            return call.done.result(_ANSWER_S)
        except NotInTime:
            call.done.cancel()
            raise ReplyTimeout(self._reader, "no answer; what its relay does is unknown") from None
