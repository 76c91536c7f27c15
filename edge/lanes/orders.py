"""What a lane orders from a board's owner, and the bounded queue in which orders wait for it."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

MAX_WAITING = 64


class Outcome(StrEnum):
    """How an order ended."""

    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"
    TOO_LATE = "too_late"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class WireResult:
    """What became of an order.

    Attributes:
        written_ns: CLOCK_BOOTTIME at which the bytes that move the relay were on the line, else None.
        why: Empty when done, else one line.
    """

    outcome: Outcome
    written_ns: int | None = None
    why: str = ""


def _nobody(_: WireResult) -> None:
    return


def _always() -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Order:
    """Move one relay away from its safe state.

    Attributes:
        ms: Length of the pulse; 0 leaves it there until it is released.
        first: Goes before the others (OPEN before CLOSE).
        not_after_ns: CLOCK_BOOTTIME after which it is answered ``too_late`` and not done.
        guard_ms: Away from safe for longer than this is ended by the owner itself; 0: no limit (a hold).
        only_if: Asked directly before the bytes are written; False cancels. Runs in the owner's thread.
        done: Told the result, once, in the owner's thread: be quick and never wait for it.
    """

    channel: int
    ms: int
    guard_ms: int
    not_after_ns: int
    first: bool = False
    only_if: Callable[[], bool] = _always
    done: Callable[[WireResult], None] = _nobody


class OrderQueue:
    """Releases first, then orders marked ``first``, then the rest, each kind in the order it came.

    Releases are a set of channels, so they always fit; orders beyond ``MAX_WAITING`` are refused.
    Thread: any.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._orders: list[Order] = []
        self._releases: set[int] = set()
        self._woken = False
        self._closed = False

    def put(self, order: Order) -> bool:
        """Queue an order; False when too many wait, or the queue is closed."""
        with self._changed:
            if self._closed or len(self._orders) >= MAX_WAITING:
                return False
            at = len(self._orders)
            if order.first:
                at = next((i for i, other in enumerate(self._orders) if not other.first), at)
            self._orders.insert(at, order)
            self._wake_up()
            return True

    def release(self, channel: int) -> tuple[Order, ...]:
        """Ask for a channel to be made safe; returns the waiting orders for it, which are dropped."""
        with self._changed:
            dropped = tuple(order for order in self._orders if order.channel == channel)
            self._orders = [order for order in self._orders if order.channel != channel]
            self._releases.add(channel)
            self._wake_up()
            return dropped

    def take_releases(self) -> frozenset[int]:
        """The channels to make safe now."""
        with self._changed:
            taken, self._releases = frozenset(self._releases), set()
            return taken

    def waiting(self) -> tuple[Order, ...]:
        """The orders in the order in which they should be tried; none is taken."""
        with self._changed:
            return tuple(self._orders)

    def has_urgent(self) -> bool:
        """True when something waits that goes first: a release, or an order marked so."""
        with self._changed:
            return bool(self._releases) or any(order.first for order in self._orders)

    def take(self, order: Order) -> bool:
        """Take this very order; False when it has been dropped meanwhile."""
        with self._changed:
            for i, other in enumerate(self._orders):
                if other is order:
                    del self._orders[i]
                    return True
            return False

    def take_all(self, *, close: bool = False) -> tuple[Order, ...]:
        """Take every order, and with ``close`` refuse those that come later."""
        with self._changed:
            self._closed = self._closed or close
            taken, self._orders = tuple(self._orders), []
            return taken

    def wake(self) -> None:
        """End a ``wait`` without an order."""
        with self._changed:
            self._wake_up()

    def wait(self, seconds: float) -> None:
        """Sleep until something is queued, or that long."""
        with self._changed:
            if not self._woken and seconds > 0:
                self._changed.wait(seconds)
            self._woken = False

    def _wake_up(self) -> None:
        self._woken = True
        self._changed.notify_all()
