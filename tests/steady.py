"""For what depends on milliseconds: a try during which the machine stopped for a moment does not count."""

import threading
import time
from collections.abc import Callable

import pytest

TURN_S = 0.005
UNSTEADY_S = 0.05


class Watch:
    """Notices that this process was not let run; a thread that sleeps and looks how late it wakes."""

    def __init__(self) -> None:
        self.longest_s = 0.0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="steady", daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        before_s = time.monotonic()
        while not self._stopping.wait(TURN_S):
            now_s = time.monotonic()
            self.longest_s = max(self.longest_s, now_s - before_s - TURN_S)
            before_s = now_s


def on_a_steady_machine(scene: Callable[[], None], tries: int = 8) -> None:
    """Play a scene that fails when the machine stops in it; only a failure while it ran on is one."""
    for left in reversed(range(tries)):
        with Watch() as watch:
            try:
                scene()
            except (Exception, pytest.fail.Exception):
                if watch.longest_s < UNSTEADY_S or not left:
                    raise
            else:
                return
