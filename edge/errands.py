"""The thread ``errands``: what somebody asked for that takes seconds, one after the other.

Nothing of a lane waits for it: a self-test that hangs in a dead network is a self-test that hangs.
"""

import queue
from collections.abc import Callable
from concurrent.futures import Future

from drivers.errors import DriverError
from edge.clock import Clock
from edge.errors import EdgeError, Unavailable
from edge.records import JsonObject
from edge.worker import Worker

MOST_WAITING = 4
STALLS_AFTER_S = 300.0
_TURN_S = 0.5

Errand = Callable[[], JsonObject]
"""Does it and gives what came out; ``EdgeError``, ``DriverError``, ``OSError``: it could not be done."""


class Errands(Worker):
    """Thread: its own; ``send`` from any."""

    def __init__(self, clock: Clock) -> None:
        super().__init__("errands", clock, stalls_after_s=STALLS_AFTER_S)
        self._waiting: queue.Queue[tuple[Errand, Future[JsonObject]] | None] = queue.Queue(MOST_WAITING)

    def send(self, errand: Errand) -> "Future[JsonObject]":
        """Have it done.

        Raises:
            Unavailable: Too many wait.
        """
        future: Future[JsonObject] = Future()
        try:
            self._waiting.put_nowait((errand, future))
        except queue.Full:
            raise Unavailable(f"{MOST_WAITING} such commands wait already; try again later") from None
        return future

    def stop(self) -> None:
        """Ask the thread to end after what it does now."""
        super().stop()
        try:
            self._waiting.put_nowait(None)
        except queue.Full:
            return  # it is awake

    def work(self) -> None:
        """Do errands until stopped; who still waits then is told so."""
        while not self.stopping.is_set():
            self.beat()
            try:
                item = self._waiting.get(timeout=_TURN_S)
            except queue.Empty:
                continue
            if item is not None:
                _do(*item)
        while not self._waiting.empty():
            if (item := self._waiting.get_nowait()) is not None:
                item[1].cancel()


def _do(errand: Errand, future: "Future[JsonObject]") -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(errand())
    except EdgeError as error:
        future.set_exception(error)
    except (DriverError, OSError) as error:
        future.set_exception(Unavailable(str(error)))
