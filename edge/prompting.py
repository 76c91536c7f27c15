"""What is asked of people now, by lane: kept for the status, and told to displays and console."""

import logging
import threading
from collections.abc import Callable

from edge.clock import Clock
from edge.records import Prompt, Step

log = logging.getLogger(__name__)

PromptListener = Callable[[Prompt], None]
"""Called with every new prompt, also the one that says ``NOTHING``, in the thread that asks: do not block."""


class Prompts:
    """The newest prompt of each lane. Any thread may ask and read; listeners are called outside the lock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._newest: dict[str, Prompt] = {}
        self._listeners: list[PromptListener] = []

    def listen(self, listener: PromptListener) -> None:
        """Be told of every prompt from now on."""
        self._listeners.append(listener)

    def show(self, prompt: Prompt) -> None:
        """Replace what is asked at a lane."""
        with self._lock:
            self._newest[prompt.lane] = prompt
        for listener in self._listeners:
            listener(prompt)

    def standing(self) -> tuple[Prompt, ...]:
        """What is asked at this moment, one for each lane at most."""
        now_ns = self._clock.boot_ns()
        with self._lock:
            prompts = tuple(self._newest.values())
        return tuple(p for p in prompts if p.step is not Step.NOTHING and now_ns < p.until_ns)
