"""What is wrong right now: alarms with a name each, worker beats, and the word to systemd.

An alarm is raised once, stays until it is cleared, and both edges are journaled by whoever listens. The
watchdog is fed from here, and only while every critical worker makes progress.
"""

import logging
import os
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from edge.clock import Clock
from edge.worker import Worker

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Alarm:
    """One thing that is wrong.

    Attributes:
        name: ``noun.past_participle``, as in ``camera.lost``; subject: which camera, board, lane.
        detail: One line for a person. since_ns: CLOCK_BOOTTIME when it was raised.
    """

    name: str
    subject: str
    detail: str
    since_ns: int


AlarmListener = Callable[[Alarm, bool], None]
"""Called with the alarm and True when raised, False when cleared, in the thread that reported it."""


class Alarms:
    """The alarms that stand. Any thread may raise and clear; listeners are called outside the lock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._standing: dict[tuple[str, str], Alarm] = {}
        self._listeners: list[AlarmListener] = []

    def listen(self, listener: AlarmListener) -> None:
        """Be told of every edge from now on."""
        self._listeners.append(listener)

    def set(self, name: str, subject: str, detail: str) -> bool:
        """Raise an alarm; False when it stands already (then nobody is told again)."""
        key = (name, subject)
        with self._lock:
            if key in self._standing:
                return False
            alarm = self._standing[key] = Alarm(name, subject, detail, self._clock.boot_ns())
        log.warning("alarm %s %s: %s", name, subject, detail)
        for listener in self._listeners:
            listener(alarm, True)
        return True

    def clear(self, name: str, subject: str) -> bool:
        """Clear an alarm; False when it did not stand."""
        with self._lock:
            alarm = self._standing.pop((name, subject), None)
        if alarm is None:
            return False
        log.info("alarm %s %s cleared", name, subject)
        for listener in self._listeners:
            listener(alarm, False)
        return True

    def standing(self) -> tuple[Alarm, ...]:
        """All alarms that stand, oldest first."""
        with self._lock:
            return tuple(sorted(self._standing.values(), key=lambda alarm: alarm.since_ns))


def stalled(workers: Mapping[str, Worker]) -> tuple[str, ...]:
    """Names of the workers that are dead or make no progress."""
    return tuple(name for name, worker in workers.items() if worker.is_stalled)


class ServiceNotifier:
    """sd_notify(3): READY, STATUS, WATCHDOG, STOPPING over the socket systemd names, else silence."""

    def __init__(self, environ: Mapping[str, str] = MappingProxyType(os.environ)) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        watchdog_us = environ.get("WATCHDOG_USEC", "")
        self.watchdog_s = int(watchdog_us) / 1e6 if watchdog_us.isdigit() else 0.0

    def send(self, *lines: str) -> None:
        """Send one datagram with the given ``KEY=value`` lines; without systemd this does nothing."""
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            try:
                channel.sendto("\n".join(lines).encode(), self._address)
            except OSError as error:
                log.debug("systemd cannot be told %s: %s", lines, error)
