"""A connection that comes back by itself, for the platform's side, and a thread around one."""

import logging
import random
from abc import ABC, abstractmethod
from dataclasses import replace

from edge.clock import NS_PER_S, Clock
from edge.sync.dialer import Dialer
from edge.sync.mqtt_link import MqttLink
from edge.sync.session import (
    Connected,
    Ended,
    LinkEvent,
    LinkFailed,
    Login,
    ProtocolChoice,
    Received,
    Trouble,
)
from edge.sync.waker import Waker
from edge.worker import Worker

log = logging.getLogger(__name__)

TURN_S = 0.2


class SteadyLink:
    """The brokers of a login, in turn and for ever; MQTT 5, and 3.1.1 where that is refused.

    Thread: its owner's.
    """

    def __init__(
        self, login: Login, clock: Clock, waker: Waker, protocol: ProtocolChoice, reconnect_max_s: float
    ) -> None:
        self._login, self._clock, self._waker = login, clock, waker
        chance = random.Random()  # noqa: S311 - jitter, no secret
        self._dialer = Dialer([login.broker, *login.others], protocol, reconnect_max_s, chance)
        self._link: MqttLink | None = None
        self._dial_at_ns = self._connected_ns = 0

    @property
    def online(self) -> MqttLink | None:
        """The connection while it stands, else None."""
        return self._link if self._connected_ns else None

    def turn(self, timeout_s: float) -> list[LinkEvent]:
        """Dial when it is time, and return what happened within the timeout."""
        if self._link is None:
            left_s = (self._dial_at_ns - self._clock.boot_ns()) / NS_PER_S
            if left_s > 0:
                self._waker.wait(min(timeout_s, left_s))
                return []
            self._dial()
        if self._link is None:
            return []
        events = self._link.poll(timeout_s)
        for event in events:
            match event:
                case Connected():
                    self._connected_ns = self._clock.boot_ns()
                case Ended():
                    self._lost(event.trouble, event.message)
        return events

    def close(self) -> None:
        """Take leave and drop the connection."""
        if self._link is not None:
            self._link.disconnect()
            self._link.close()
        self._link, self._connected_ns = None, 0

    def _dial(self) -> None:
        broker, protocol = self._dialer.target()
        link = MqttLink(replace(self._login, broker=broker, protocol=protocol), self._clock, self._waker)
        try:
            link.open()
        except LinkFailed as error:
            self._lost(error.trouble, str(error))
        else:
            self._link = link

    def _lost(self, trouble: Trouble, message: str) -> None:
        now_ns = self._clock.boot_ns()
        if self._connected_ns:
            pause_s = self._dialer.lost(trouble, (now_ns - self._connected_ns) / NS_PER_S)
        else:
            pause_s = self._dialer.failed(trouble)
        log.warning("%s", message)
        self._dial_at_ns = now_ns + round(pause_s * NS_PER_S)
        self._link, self._connected_ns = None, 0


class SteadyWorker(Worker, ABC):
    """A thread with one such connection: subscribes on it, takes what comes, and does its own work between.

    Subclasses give ``_subscribe``, ``_take`` and ``_turned``, all called in this thread.
    """

    def __init__(
        self, name: str, login: Login, clock: Clock, protocol: ProtocolChoice, reconnect_max_s: float
    ) -> None:
        super().__init__(name, clock, stalls_after_s=60.0)
        self._waker = Waker()
        self._steady = SteadyLink(login, clock, self._waker, protocol, reconnect_max_s)

    def stop(self) -> None:
        """Ask the thread to end."""
        super().stop()
        self._waker.wake()

    def close(self) -> None:
        """End the thread."""
        super().close()
        self._waker.close()

    def work(self) -> None:
        """Connect and serve, until stopped."""
        try:
            while not self.stopping.is_set():
                for event in self._steady.turn(TURN_S):
                    link = self._steady.online
                    match event:
                        case Connected() if link is not None:
                            self._subscribe(link)
                        case Received() if link is not None:
                            self._take(link, event)
                            link.acknowledge(event)
                self._turned()
                self.beat()
        finally:
            self._steady.close()

    @abstractmethod
    def _subscribe(self, link: MqttLink) -> None:
        """The connection is new."""

    @abstractmethod
    def _take(self, link: MqttLink, message: Received) -> None:
        """A message has come; it is acknowledged when this returns."""

    def _turned(self) -> None:
        """Called at each turn of the loop, at least five times a second."""
