"""A line and whose turn it is to speak on it.

Several boards may hang on one RS-485 line, each with an owner of its own. One speaks at a time, and whoever
must raise a boom or end a pulse goes before those who only want to look.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Line:
    """The turns on one line. Thread: any.

    Args:
        is_shared: Several boards hang on it.
    """

    def __init__(self, *, is_shared: bool = False) -> None:
        self.is_shared = is_shared
        self._changed = threading.Condition()
        self._is_taken = False
        self._urgent_waiting = 0
        self._free_until_ns = 0

    @contextmanager
    def turn(self, *, urgent: bool = False) -> Iterator[None]:
        """Have the line for oneself for one exchange with a board."""
        with self._changed:
            self._urgent_waiting += urgent
            try:
                while self._is_taken or (self._urgent_waiting and not urgent):
                    self._changed.wait()
            finally:
                self._urgent_waiting -= urgent
            self._is_taken = True
        try:
            yield
        finally:
            with self._changed:
                self._is_taken = False
                self._changed.notify_all()

    @property
    def is_wanted(self) -> bool:
        """True while somebody urgent waits for it."""
        return self._urgent_waiting > 0

    @property
    def free_until_ns(self) -> int:
        """CLOCK_BOOTTIME until which nothing slow may be begun: something may have to be raised at once."""
        return self._free_until_ns

    def keep_free(self, until_ns: int) -> None:
        """Put off slow exchanges until then."""
        self._free_until_ns = max(self._free_until_ns, until_ns)
