"""A connection that comes back by itself, for the platform's side. Thread: its owner's."""

import logging
import random
from dataclasses import replace

from edge.clock import NS_PER_S, Clock
from edge.sync.dialer import Dialer
from edge.sync.mqtt_link import MqttLink
from edge.sync.session import Connected, Ended, LinkEvent, LinkFailed, Login, ProtocolChoice, Trouble
from edge.sync.waker import Waker

log = logging.getLogger(__name__)


class SteadyLink:
    """The brokers of a login, in turn and for ever; MQTT 5, and 3.1.1 where that is refused."""

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
