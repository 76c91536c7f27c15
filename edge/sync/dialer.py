"""Which broker to try next, with which version of MQTT, and how long to wait before. Pure.

Brokers are tried in order. The pause has full jitter, U(0, min(limit, 2^n)) seconds after n rounds in vain,
so that ten thousand boxes do not come back in one second. What only a person can repair is tried with the
longest pause. A connection that broke soon does not reset the pause, so that two boxes with one identity,
which throw each other out, do so ever more slowly.
"""

import random
from collections import Counter
from collections.abc import Sequence

from edge.sync.session import NEEDS_A_PERSON, Broker, Protocol, ProtocolChoice, Trouble

STABLE_S = 20.0
SILENCES = 2
"""Who was silent to 5 so often and took 3.1.1 each time is an old one (RabbitMQ before 3.13)."""


class Dialer:
    """Walks along the brokers."""

    def __init__(
        self,
        brokers: Sequence[Broker],
        protocol: ProtocolChoice,
        longest_pause_s: float,
        chance: random.Random,
    ) -> None:
        self._brokers = tuple(brokers)
        self._auto = protocol == "auto"
        self._first_protocol = Protocol.V5 if self._auto else Protocol(protocol)
        self._longest_pause_s, self._chance = longest_pause_s, chance
        self._place = 0
        self._old_only: set[Broker] = set()
        self._silences: Counter[Broker] = Counter()
        self._fall_back_now = False
        self._failures = self._hopeless = 0

    def target(self) -> tuple[Broker, Protocol]:
        """What to try now."""
        broker = self._brokers[self._place]
        if self._fall_back_now or broker in self._old_only:
            return broker, Protocol.V311
        return broker, self._first_protocol

    def failed(self, trouble: Trouble) -> float:
        """A try failed, or a connection broke before it was stable.

        Returns:
            Seconds to wait before the next try.
        """
        broker, protocol = self.target()
        self._fall_back_now = False
        if self._auto and protocol is Protocol.V5 and trouble in (Trouble.PROTOCOL, Trouble.NO_ANSWER):
            # A clear refusal is remembered; a mere silence may have been an accident.
            if trouble is Trouble.PROTOCOL:
                self._old_only.add(broker)
            self._fall_back_now = True
            return 0.0
        self._failures += 1
        self._hopeless += trouble in NEEDS_A_PERSON
        self._place = (self._place + 1) % len(self._brokers)
        if self._place:
            return self._chance.uniform(0.0, 1.0)
        # A round is over. Only when no broker gave hope does it take a person.
        hopeless, self._hopeless = self._hopeless == len(self._brokers), 0
        if hopeless:
            return self._chance.uniform(self._longest_pause_s / 2, self._longest_pause_s)
        rounds = min(self._failures // len(self._brokers), 30)
        return self._chance.uniform(0.0, min(self._longest_pause_s, 2.0**rounds))

    def lost(self, trouble: Trouble, lasted_s: float) -> float:
        """A connection that stood has broken; returns the pause before the next try."""
        if self._fall_back_now:
            broker = self._brokers[self._place]
            self._silences[broker] += 1
            if self._silences[broker] >= SILENCES:
                self._old_only.add(broker)
        self._fall_back_now = False
        if lasted_s < STABLE_S:
            return self.failed(trouble)
        self._failures = self._hopeless = 0
        if trouble is Trouble.DEAF:  # a node of a cluster, perhaps: another may hear
            self.walk_on()
        return self._chance.uniform(0.0, min(self._longest_pause_s, 1.0))

    def walk_on(self) -> None:
        """Leave this broker for the next one: it lets us in, but nobody answers there."""
        self._place = (self._place + 1) % len(self._brokers)
