"""What the box says besides events: that it is there, what it is, which configuration runs, what it obeyed.

Thread: the uplink's.
"""

from collections import deque
from collections.abc import Callable, Iterable

from edge.clock import NS_PER_S, Clock
from edge.health import Alarms
from edge.records import JsonObject
from edge.store.envelope import json_bytes
from edge.store.journal import Journal
from edge.sync.command_desk import Reply
from edge.sync.mqtt_link import MqttLink
from edge.sync.presence import Presence, rfc3339, state_body
from edge.sync.session import Delivered, Subscribed
from edge.sync.topics import Topics

UNSAID_LIMIT = 100
STATE_AGAIN_NS = 900 * NS_PER_S
"""``state`` is said again so often: not every cluster keeps what is retained on all of its nodes."""
_DENIED = "subscription denied"
SUBJECT = "uplink"
"""Subject of the alarms about the link itself; they are no part of ``state``, which needs the link."""


class Announcer:
    """Speaks on one link at a time. Answers to commands wait for the next; all else is said anew there."""

    def __init__(
        self,
        topics: Topics,
        journal: Journal,
        clock: Clock,
        alarms: Alarms,
        sees: Callable[[], JsonObject] = dict,
    ) -> None:
        self._topics, self._journal, self._clock, self._alarms = topics, journal, clock, alarms
        self._sees = sees
        self._said_sees: JsonObject = {}
        self._said_ns = 0
        self._link: MqttLink | None = None
        self._conn, self._nonce = 0, ""
        self._topic_of_token: dict[int, str] = {}
        self._denied: dict[str, str] = {}
        self._unsaid: deque[Reply] = deque(maxlen=UNSAID_LIMIT)

    @property
    def refused(self) -> str:
        """One line about what the broker does not let us say or hear; empty when all is allowed."""
        return "; ".join(f"the broker refuses {topic}: {words}" for topic, words in self._denied.items())

    def begin(self, link: MqttLink, *, conn: int, nonce: str) -> None:
        """Speak on this link from now on."""
        self._link, self._conn, self._nonce = link, conn, nonce
        self._topic_of_token.clear()
        self._denied.clear()

    def end(self) -> None:
        """There is no link."""
        self._link = None

    def subscribed(self, answer: Subscribed) -> None:
        """The broker's word about what we may hear; what it denies is asked for again by the link."""
        self._denied |= dict.fromkeys(answer.denied, _DENIED)
        for topic in answer.granted:
            self._denied.pop(topic, None)

    def told(self, puback: Delivered) -> bool:
        """The broker's word about one message; False when it was none of these."""
        topic = self._topic_of_token.pop(puback.token, None)
        if topic is not None and puback.refusal and not puback.nobody_listens:
            self._denied[topic] = puback.refusal
        return topic is not None

    @property
    def is_outdated(self) -> bool:
        """Whether other networks look than ``state`` says, or it was said long ago."""
        return self._sees() != self._said_sees or self._clock.boot_ns() - self._said_ns > STATE_AGAIN_NS

    def state(self, presence: Presence | None = None) -> None:
        """Publish ``state``; by itself it is ready, or degraded while an alarm stands."""
        self._said_sees, self._said_ns = self._sees(), self._clock.boot_ns()
        alarms = tuple(alarm.name for alarm in self._alarms.standing() if alarm.subject != SUBJECT)
        body = state_body(
            presence or (Presence.DEGRADED if alarms else Presence.READY),
            conn=self._conn,
            epoch=self._journal.epoch,
            nonce=self._nonce,
            clock_state=self._clock.state().value,
            alarms=alarms,
            at_ns=self._clock.utc_ns(),
            sees=self._said_sees,
        )
        self._publish(self._topics.state, body, retain=True)

    def birth(self, info: JsonObject) -> None:
        """Publish the birth certificate."""
        own = {
            "schema": 1,
            "device": self._topics.audience,
            "conn": self._conn,
            "epoch": self._journal.epoch,
            "backlog": {stream.value: count for stream, count in self._journal.backlog().items()},
            # The platform may have lost its table: what comes next, also where nothing waits right now.
            "oldest": {stream.value: seq for stream, seq in self._journal.first_wanted().items()},
            # Or have gone back to an older one: what lies before this is here no more.
            "kept": {stream.value: seq for stream, seq in self._journal.reader.first_kept().items()},
        }
        self._publish(self._topics.info, own | dict(info))

    def configuration(self, report: JsonObject) -> None:
        """Publish what became of the desired configuration."""
        body = {**report, "at": rfc3339(self._clock.utc_ns())}
        self._publish(self._topics.reported, body, retain=True)

    def answers(self, replies: Iterable[Reply]) -> None:
        """Publish what became of commands, now or on the next link."""
        self._unsaid.extend(replies)
        while self._unsaid and self._link is not None:
            reply = self._unsaid.popleft()
            self._publish(self._topics.result(reply.name), reply.body)

    def farewell(self, done_by_ns: int, on_turn: Callable[[], None]) -> None:
        """Say that we leave, wait until the broker has it, and go, so that our will is not spoken."""
        link = self._link
        if link is None:
            return
        self.state(Presence.DISCONNECTED)
        while link.outstanding and not link.has_ended and self._clock.boot_ns() < done_by_ns:
            link.poll(0.1)
            on_turn()
        link.disconnect()
        link.poll(0.0)

    def _publish(self, topic: str, body: JsonObject, *, retain: bool = False) -> None:
        if self._link is not None:
            token = self._link.publish(topic, json_bytes(body), retain=retain)
            self._topic_of_token[token] = topic
