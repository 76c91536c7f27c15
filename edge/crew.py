"""The workers of a running daemon: started in order, ended in reverse, and some of them come and go between.

A worker that dies of a bug ends the daemon, so that systemd starts it anew; one whose work is beside the
lanes (a display) is only reported by whoever started it.
"""

import logging
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Generic, TypeVar

from edge.errors import EdgeError
from edge.worker import LateWorker, Worker

log = logging.getLogger(__name__)

T = TypeVar("T")


class Current(Mapping[str, T], Generic[T]):
    """What is there now, by name: one immutable snapshot that is swapped, so anybody may walk through it.

    Thread: read from any, ``swap`` from one at a time.
    """

    def __init__(self) -> None:
        self._now: Mapping[str, T] = {}

    def swap(self, now: Mapping[str, T]) -> None:
        """Use these from now on."""
        self._now = dict(now)

    def __getitem__(self, name: str) -> T:
        return self._now[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._now)

    def __len__(self) -> int:
        return len(self._now)


class Crew:
    """Thread: ``main`` starts and ends all; the uplink starts and ends lanes and cameras between.

    Args:
        on_lost: Told, in its thread, of a worker that has failed and whose end is everybody's.
    """

    def __init__(self, on_lost: Callable[[Worker], None]) -> None:
        self._on_lost = on_lost
        self._workers: list[Worker] = []
        self._changing = threading.Lock()

    def start(self, worker: Worker, on_failure: Callable[[Worker], None] | None = None) -> None:
        """Start one more; its failure goes to ``on_failure`` where given, else to everybody."""
        worker.on_failure = on_failure or self._on_lost
        with self._changing:
            self._workers.append(worker)
        worker.start()

    def end(self, worker: Worker) -> None:
        """End one before its time.

        Raises:
            WorkerStalled: It does not end; it is counted among the others still.
        """
        worker.close()
        with self._changing:
            self._workers.remove(worker)

    def close(self) -> None:
        """End all that were started, the last one first; who tells of the others' end comes behind them."""
        workers = self.all()
        late = [worker for worker in workers if isinstance(worker, LateWorker)]
        for teller in late:
            teller.hush()
        for worker in (*(worker for worker in reversed(workers) if worker not in late), *late):
            try:
                worker.close()
            except EdgeError as error:
                # The others must still be stopped, and outputs made safe.
                log.error("%s", error)

    def all(self, without: Collection[str] = ()) -> tuple[Worker, ...]:
        """Those there are now, in the order of their starts."""
        with self._changing:
            return tuple(worker for worker in self._workers if worker.name not in without)
