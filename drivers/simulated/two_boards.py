"""What every simulated site has: a relay board, contacts, a clock that ticks, and levels held by hand."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Collection
from contextlib import ExitStack
from types import TracebackType
from typing import ClassVar, Self

from drivers.errors import DriverError
from drivers.link import boot_ns
from drivers.simulated.boards import SimulatedBoard
from drivers.simulated.modbus import SimulatedModbusBoard

TICK_S = 0.005


class TwoBoards(ABC):
    """Base of the simulated sites.

    Args:
        lcus: The relay board, whatever its family.
        io: The contacts.
        epoch_ns: CLOCK_BOOTTIME that the times of scripts count from; None = now.

    Thread: ``simulated-<title>`` calls `_tick`; each board has its own. Methods may be called from any.
    """

    title: ClassVar[str]
    levels: ClassVar[Collection[str]]
    """Inputs that can be held."""

    def __init__(
        self, lcus: SimulatedBoard, io: SimulatedModbusBoard, *, epoch_ns: int | None = None
    ) -> None:
        self.lcus = lcus
        self.io = io
        self.epoch_ns = boot_ns() if epoch_ns is None else epoch_ns
        self._lock = threading.Lock()
        self._held: dict[str, bool] = {}
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._open_things = ExitStack()

    def start(self) -> Self:
        """Plug the boards in and let time run."""
        with ExitStack() as half_started:
            half_started.enter_context(self.lcus)
            half_started.enter_context(self.io)
            self._open_things = half_started.pop_all()
        self._stopping.clear()
        self._advance()
        self._thread = threading.Thread(target=self._run, name=f"simulated-{self.title}", daemon=True)
        self._thread.start()
        return self

    def close(self) -> None:
        """Stop time and unplug the boards. Safe to call twice."""
        self._stopping.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join(timeout=5.0)
        self._open_things.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def hold(self, input_name: str, active: bool | None) -> None:
        """Hold one of ``levels`` at a level, whatever the script says; None lets the script rule."""
        if input_name not in self.levels:
            known = ", ".join(self.levels)
            raise DriverError(f"simulated {self.title}", f"cannot hold {input_name!r}; known: {known}")
        with self._lock:
            if active is None:
                self._held.pop(input_name, None)
            else:
                self._held[input_name] = active
        self._advance()

    @abstractmethod
    def _advance(self) -> None:
        """Bring everything to now. Any thread."""

    def _tick(self) -> None:
        """One turn of time."""
        self._advance()

    def _run(self) -> None:
        while not self._stopping.wait(TICK_S):
            self._tick()
