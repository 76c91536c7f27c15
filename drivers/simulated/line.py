"""The device's side of a line: a pseudo-terminal or a TCP port, one thread, and faults that can be ordered.

The far side opens ``port`` like any other; what plugging and unplugging mean to it is said in
``drivers.simulated.jacks``.

Not modelled: parity and framing errors, flow control, and (unless ``wire_baud`` is set) the time on the wire.
"""

import logging
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from drivers.errors import DriverClosed
from drivers.link import NS_PER_MS, boot_ns
from drivers.simulated.jacks import Jack, PtyJack

log = logging.getLogger(__name__)

_BITS_PER_BYTE = 10  # start, eight data, stop
_HISTORY_LENGTH = 100_000
_DOUBLE_AFTER_NS = 15 * NS_PER_MS
_JOB_TIMEOUT_S = 60.0  # a machine may be very busy; only a device that is stuck takes so long


@dataclass(slots=True)
class LineFaults:
    """What is wrong with the line and the board; every field may be set at any time, from any thread.

    Attributes:
        silent: The board is dead: it neither acts nor answers.
        mute: The board acts and answers nothing.
        drop_requests: So many of the next requests are not heard.
        drop_replies: So many of the next replies get lost; the board has acted.
        garbage_before, garbage_after: Bytes around every reply.
        garbage_inside: Bytes pushed into the middle of every reply.
        corrupt: So many of the next replies arrive with one bit flipped.
        corrupt_at: In which byte of the reply; -1 is the last.
        duplicate: So many of the next replies arrive twice.
        late_ms: Delay of every reply.
        split_bytes: Replies arrive in pieces of this size, 2 ms apart; 0 = whole.
        echo: The adapter returns what is sent on the line.
        answer_as: The address that a bus board puts into its replies instead of its own.
        stuck: Relays that stay as given, whatever is commanded (channel -> energised).
    """

    silent: bool = False
    mute: bool = False
    drop_requests: int = 0
    drop_replies: int = 0
    garbage_before: bytes = b""
    garbage_after: bytes = b""
    garbage_inside: bytes = b""
    corrupt: int = 0
    corrupt_at: int = 0
    duplicate: int = 0
    late_ms: float = 0.0
    split_bytes: int = 0
    echo: bool = False
    answer_as: int | None = None
    stuck: dict[int, bool] = field(default_factory=dict)


class SimulatedLine:
    """A device at the end of a line; boards derive from it and say what bytes mean.

    Args:
        name: Name of the device and of its thread.
        link: Path of a symbolic link to keep pointed at the port.
        jack: Where it is plugged in; None: a pseudo-terminal.
        wire_baud: Let bytes take the time that they would take at this speed; None = no time.

    Thread: one, named after the device; it alone touches the descriptor and calls ``received`` and ``tick``.
    """

    def __init__(
        self,
        name: str,
        *,
        link: Path | None = None,
        jack: Jack | None = None,
        wire_baud: int | None = None,
    ) -> None:
        self.name = name
        self.faults = LineFaults()
        self._heard: deque[tuple[int, bytes]] = deque(maxlen=_HISTORY_LENGTH)
        self._records = threading.Lock()  # guards what the device's thread appends and others read
        self._jack: Jack = jack or PtyJack(link)
        self._ns_per_byte = 0 if wire_baud is None else _BITS_PER_BYTE * 1_000_000_000 // wire_baud
        self._jobs: deque[Callable[[], None]] = deque()
        self._wake: int | None = None
        self._poll: select.epoll | None = None
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._outgoing: list[tuple[int, bytes]] = []  # (CLOCK_BOOTTIME when it arrives, bytes)

    # What a board says.

    def received(self, data: bytes, now_ns: int) -> list[bytes]:
        """Take the bytes that arrived and return the replies. Called in the device's thread."""
        raise NotImplementedError

    def tick(self, now_ns: int) -> int | None:
        """Do what is due and return when to be called next (CLOCK_BOOTTIME ns), or None."""
        del now_ns
        return None

    def power_up(self) -> None:
        """Forget what was half received; called when the plug goes in."""

    def power_down(self) -> None:
        """The plug was pulled; a board that the plug feeds falls asleep."""

    def is_lost(self) -> bool:
        """True when a request that has arrived is one of those that ``drop_requests`` takes away."""
        if self.faults.drop_requests <= 0:
            return False
        self.faults.drop_requests -= 1
        return True

    # What a user does.

    @property
    def frames(self) -> tuple[tuple[int, bytes], ...]:
        """Every piece of bytes that arrived, as (CLOCK_BOOTTIME ns, bytes)."""
        with self._records:
            return tuple(self._heard)

    @property
    def port(self) -> str:
        """What the other side opens; a pseudo-terminal without a link is another one after ``replug``."""
        return self._jack.port

    def start(self) -> Self:
        """Plug the device in and start its thread."""
        if self._thread is not None:
            raise RuntimeError(f"{self.name} is running already")
        self._stopping = False
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._poll = select.epoll()
        self._poll.register(self._wake, select.EPOLLIN)
        try:
            self._plug_in()
        except OSError:
            self._let_go()
            raise
        self._thread = threading.Thread(target=self._run, name=f"simulated-{self.name}", daemon=True)
        self._thread.start()
        return self

    def unplug(self) -> None:
        """Pull the plug: the other side loses the port at once."""

        def pull() -> None:
            self._pull_out()
            self.power_down()

        self.do(pull)

    def replug(self) -> None:
        """Put the plug back: a new pseudo-terminal, and the link re-pointed."""
        self.do(self._plug_in)

    def do(self, job: Callable[[], None]) -> None:
        """Run something in the device's thread and wait until it is done."""
        thread = self._thread
        if thread is None:
            raise DriverClosed(self.name, "the simulated device is not running")
        if thread is threading.current_thread():
            job()
            return
        done = threading.Event()

        def job_then_tell() -> None:
            try:
                job()
            finally:
                done.set()

        self._jobs.append(job_then_tell)
        self._nudge()
        if not done.wait(_JOB_TIMEOUT_S):
            raise DriverClosed(self.name, "the simulated device's thread does not answer")

    def close(self) -> None:
        """Unplug for good, end the thread and remove the link. Safe to call twice."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._stopping = True
        self._nudge()
        thread.join(timeout=5.0)
        self._let_go()

    def _let_go(self) -> None:
        self._pull_out()
        if self._poll is not None and self._wake is not None:
            self._poll.close()
            os.close(self._wake)
            self._poll = self._wake = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # The thread.

    def _run(self) -> None:
        poll = self._poll
        if poll is None:
            return
        due_ns: int | None = None
        while not self._stopping:
            poll.poll(None if due_ns is None else max(0, due_ns - boot_ns()) / 1e9)
            if self._wake is not None:
                with suppress(BlockingIOError):
                    os.eventfd_read(self._wake)
            while self._jobs:
                self._jobs.popleft()()
            self._take_arrivals()
            self._send_what_is_due()
            wakes = [self.tick(boot_ns()), *(at_ns for at_ns, _ in self._outgoing)]
            due_ns = min((at_ns for at_ns in wakes if at_ns is not None), default=None)

    def _take_arrivals(self) -> None:
        for data in self._jack.arrivals():
            self._hear(data)

    def _hear(self, data: bytes) -> None:
        now_ns = boot_ns()
        with self._records:
            self._heard.append((now_ns, data))
        arrived_ns = now_ns + len(data) * self._ns_per_byte
        if self.faults.echo:
            self._outgoing.append((arrived_ns, data))
        if self._ns_per_byte:
            time.sleep(len(data) * self._ns_per_byte / 1e9)
        if self.faults.silent:
            return
        for reply in self.received(data, boot_ns()):
            self._answer(reply)

    def _answer(self, reply: bytes) -> None:
        faults = self.faults
        if faults.mute:
            return
        if faults.drop_replies > 0:
            faults.drop_replies -= 1
            return
        if faults.corrupt > 0:
            faults.corrupt -= 1
            damaged = bytearray(reply)
            damaged[faults.corrupt_at] ^= 0x10
            reply = bytes(damaged)
        half = len(reply) // 2
        reply = reply[:half] + faults.garbage_inside + reply[half:]
        reply = faults.garbage_before + reply + faults.garbage_after
        at_ns = boot_ns() + round(faults.late_ms * NS_PER_MS) + len(reply) * self._ns_per_byte
        step = faults.split_bytes or len(reply)
        if faults.duplicate > 0:
            faults.duplicate -= 1
            self._outgoing.append((at_ns + _DOUBLE_AFTER_NS, reply))
        for i in range(0, len(reply), step):
            self._outgoing.append((at_ns + i // step * 2 * NS_PER_MS, reply[i : i + step]))

    def _send_what_is_due(self) -> None:
        now_ns = boot_ns()
        due = [data for at_ns, data in self._outgoing if at_ns <= now_ns]
        self._outgoing = [item for item in self._outgoing if item[0] > now_ns]
        for data in due:
            self._jack.send(data)

    def _plug_in(self) -> None:
        if self._poll is not None and self._jack.plug_in(self._poll):
            self.power_up()

    def _pull_out(self) -> None:
        if self._jack.pull_out():
            self._outgoing.clear()

    def _nudge(self) -> None:
        if self._wake is not None:
            os.eventfd_write(self._wake, 1)
