"""The thread ``uplink``, the only one that touches MQTT: events up; configuration and commands down.

Nobody waits for it: it reads the journal and is woken by it. All it owns can be lost, for what must survive
is in the journal, and each connection starts again from there.
"""

import logging
import random
from collections.abc import Callable, Mapping

from edge.clock import NS_PER_S, Clock
from edge.errors import JournalError
from edge.faults import fault_point
from edge.health import Alarm, Alarms
from edge.records import JsonObject
from edge.settings import Settings, SyncSettings
from edge.store.journal import Journal
from edge.sync.announcer import SUBJECT, Announcer
from edge.sync.asides import Asides
from edge.sync.command_desk import CommandDesk, Handler
from edge.sync.commands import Command
from edge.sync.complaints import UNREACHABLE, Rivals, complain
from edge.sync.delivery import Delivery
from edge.sync.desired import Desired
from edge.sync.keys import KeySet
from edge.sync.login import make_dialer, make_login
from edge.sync.mqtt_link import MqttLink
from edge.sync.nonces import new_nonce
from edge.sync.presence import will
from edge.sync.session import (
    Connected,
    Delivered,
    Ended,
    LinkEvent,
    LinkFailed,
    Received,
    Subscribed,
    UplinkStatus,
)
from edge.sync.side_desks import SideDesk
from edge.sync.telemetry import Measured
from edge.sync.topics import ID_PATTERN, Topics, parse
from edge.sync.waker import Waker
from edge.worker import LateWorker

log = logging.getLogger(__name__)

TURN_S = 0.25
WALK_ON_S = 180.0
FAREWELL_NS = 2 * NS_PER_S
JOURNAL_PAUSE_NS = 5 * NS_PER_S
CONN_KEY = "uplink.conn"


class Uplink(LateWorker):
    """The link to the platform.

    Thread: its own; ``wake``, ``stop`` and ``status`` may be called from any.
    """

    def __init__(
        self,
        settings: Settings,
        journal: Journal,
        clock: Clock,
        alarms: Alarms,
        *,
        keys: KeySet,
        desired: Desired,
        handlers: Mapping[str, Handler],
        forbids: Callable[[Command], str] = lambda _command: "",
        is_killed: Callable[[Command], bool] = lambda _command: False,
        info: Callable[[], JsonObject] = dict,
        sees: Callable[[], JsonObject] = dict,
        measured: Measured = dict,
        lanes: Callable[[], Mapping[str, JsonObject]] = dict,
        chance: random.Random | None = None,
        sets: SideDesk | None = None,
    ) -> None:
        """Take what is needed; nothing happens before ``start``.

        Args:
            settings: ``device`` and ``sync`` are read, once.
            journal: Where events come from; must be running.
            clock: For pauses, timeouts and the commands' expiry.
            alarms: Ours are ``platform.unreachable`` and ``platform.refused``; the others go into ``state``.
            keys: Whose commands count.
            desired: The configuration; its ``restore`` was called.
            handlers: What obeys commands, by name; see ``edge.sync.command_desk.Handler``.
            forbids: Why a command may not run here and now; empty when it may.
            is_killed: Whether the kill switch stops a command now.
            info: Members of the birth certificate besides our own.
            sees: Which networks look through each camera; asked often, so it must be quick.
            measured: Numbers for ``tm/<name>``.
            lanes: The lanes by name, for a Home Assistant.
            chance: For the jitter of pauses.
            sets: Who else speaks over this connection: sets, pictures.

        Raises:
            UsageError: A broker's URL, the tenant or the device cannot be used.
        """
        super().__init__("uplink", clock, stalls_after_s=60.0)
        self.status = UplinkStatus()
        self._sync, self._journal, self._alarms = settings.sync, journal, alarms
        self._topics = Topics(settings.device.tenant, settings.device.id)
        self._desired, self._info, self._keys = desired, info, keys
        self._rivals = Rivals(alarms)
        self._waker = Waker()
        self._announcer = Announcer(self._topics, journal, clock, alarms, sees)
        self._asides = Asides(self._topics, journal, clock, alarms, keys, measured, lanes, sets)
        self._desk = CommandDesk(
            journal,
            clock,
            keys,
            self._topics.audience,
            handlers,
            forbids=forbids,
            is_killed=is_killed,
            wake=self._waker.wake,
        )
        self._chance = chance or random.Random()  # noqa: S311 - jitter, no secret
        self._dialer = make_dialer(settings.sync, self._chance)
        self._moving = False
        self._delivery = Delivery(
            journal, self._topics, settings.sync.window, self._waker.wake, settings.sync.drain_rate
        )
        self._link: MqttLink | None = None
        self._conn = int(journal.get_state(CONN_KEY) or 0)
        self._nonce = ""
        self._dial_at_ns = self._connected_ns = 0
        self._journal_at_ns = 0
        self._announced = self._state_stale = False
        self._left_over = True
        self._said: set[str] = set()
        alarms.listen(self._on_alarm)
        if sets is not None:
            sets.on_outgoing = self._waker.wake

    # Any thread

    def wake(self) -> None:
        """Look for work now."""
        self._waker.wake()

    def use(self, sync: SyncSettings) -> None:
        """Leave the broker and dial anew with another section ``sync``; nothing when it is the same.

        Thread: this one, or any before ``start``.

        Raises:
            UsageError: A broker's URL cannot be used; the old section stays.
        """
        if sync != self._sync:
            self._dialer = make_dialer(sync, self._chance)
            self._sync, self._moving = sync, True
            self._delivery.keep_to(sync.drain_rate)

    @property
    def has_heard_platform(self) -> bool:
        """Whether the platform has acknowledged anything over the link as it is configured now."""
        return 0 < self._connected_ns < self._delivery.last_ack_ns and not self._moving

    def stop(self) -> None:
        """Ask the thread to take leave of the broker and end."""
        super().stop()
        self._waker.wake()

    def close(self) -> None:
        """Stop, wait, and free what was opened even if the thread was never started."""
        super().close()
        self._waker.close()

    def _on_alarm(self, alarm: Alarm, _raised: bool) -> None:
        if alarm.subject != SUBJECT:
            self._state_stale = True
            self._waker.wake()

    # The thread

    def work(self) -> None:
        """Connect, serve, reconnect, until stopped; then say goodbye."""
        try:
            while not self.stopping.is_set():
                if self._moving:
                    self._move()
                if self._link is None and self.clock.boot_ns() >= self._dial_at_ns:
                    self._dial()
                self._serve(self._wait())
                self.beat()
            self.hushed.set()
            if self._connected_ns:
                if self._link is not None and self.has_heard_platform:
                    self._delivery.see_out(self._link, self.clock, self.beat, self.all_told.is_set)
                self._announcer.farewell(self.clock.boot_ns() + FAREWELL_NS, self.beat)
                log.info("left %s", self.status.broker)
        finally:
            if self._link is not None:
                self._link.close()
            self._waker.close()

    def _move(self) -> None:
        """Another section ``sync`` counts from now on: say goodbye here, and dial there at once."""
        if self._connected_ns:
            self._announcer.farewell(self.clock.boot_ns() + FAREWELL_NS, self.beat)
        log.info("the link to the platform is set anew")
        self._moving = False
        self._said.clear()
        self._drop_link(self.clock.boot_ns())

    def _dial(self) -> None:
        broker, protocol = self._dialer.target()
        try:
            self._journal.put_state(CONN_KEY, self._conn + 1)
            self._conn += 1
            fault_point("uplink.dialed")
            login = make_login(
                self._sync,
                broker,
                protocol,
                client_id=self._topics.client_id,
                will=will(self._topics, conn=self._conn, epoch=self._journal.epoch),
            )
            link = MqttLink(login, self.clock, self._waker)
            link.open()
        except LinkFailed as error:
            self._pause(self._dialer.failed(error.trouble), str(error))
        except JournalError as error:
            self._pause(self._sync.reconnect_max_s, f"no connection without a journal: {error}")
        else:
            self._link, self._nonce, self._connected_ns = link, "", 0
            self._note()

    def _wait(self) -> list[LinkEvent]:
        if self._link is not None:
            return self._link.poll(TURN_S)
        left_s = (self._dial_at_ns - self.clock.boot_ns()) / NS_PER_S
        self._waker.wait(min(TURN_S, left_s))
        return []

    def _serve(self, events: list[LinkEvent]) -> None:
        for event in events:
            self._handle(event)
        if self._link is not None and self._connected_ns:
            self._asides.ask(self._link)
        now_ns = self.clock.boot_ns()
        if now_ns >= self._journal_at_ns:
            try:
                self._serve_journal(now_ns)
            except JournalError as error:
                # Its own alarm stands; here only nothing may spin.
                log.debug("the uplink waits for the journal: %s", error)
                self._journal_at_ns = now_ns + JOURNAL_PAUSE_NS
        self._watch(now_ns)

    def _handle(self, event: LinkEvent) -> None:
        match event:
            case Connected():
                self._on_connected(event)
            case Received():
                self._on_received(event)
            case Delivered():
                if not self._announcer.told(event):
                    self._delivery.told(event, self.clock.boot_ns())
            case Subscribed():
                self._announcer.subscribed(event)
            case Ended():
                self._on_ended(event)

    def _on_connected(self, event: Connected) -> None:
        if self._link is None:
            return
        fault_point("uplink.connected")
        self._connected_ns = self.clock.boot_ns()
        self._nonce = new_nonce()
        self._said.clear()
        self._announced = False
        self._announcer.begin(self._link, conn=self._conn, nonce=self._nonce)
        self._delivery.restart(event.window, self._conn)
        # Subscribed anew each time: cheap, and no broker's memory is trusted.
        self._link.subscribe(self._topics.subscriptions())
        self._asides.begin(self._link, self._sync)
        self._announcer.state()
        self._alarms.clear(UNREACHABLE, SUBJECT)
        login = self._link.login
        log.info(
            "connected to %s with MQTT %s (connection %d, session %s)",
            login.broker,
            login.protocol,
            self._conn,
            "resumed" if event.session_present else "new",
        )

    def _on_received(self, message: Received) -> None:
        address = parse(message.topic)
        rest = address.rest if address is not None and address.topics == self._topics else ()
        match rest:
            case ("ack",) if not message.retained:
                ack = self._delivery.hear(message.payload)
                if ack is not None and ack.resend:
                    # It has just come and missed our birth certificate, which says where our streams begin,
                    # and perhaps our state; without them it waits for what is long gone.
                    self._announced, self._state_stale = False, True
            case ("cfg", "desired"):
                self._take_desired(message.payload)
            case ("cfg", "keys"):
                if self._asides.take_keys(message.payload):
                    self._announced = False  # the birth certificate names the keys
            case ("cmd", name) if ID_PATTERN.fullmatch(name):
                replies = self._desk.take(name, message.payload, retained=message.retained, nonce=self._nonce)
                self._announcer.answers(replies)
            case _:
                if not self._asides.hear(message.topic, message.payload, self._sync):
                    log.debug("a message on %r is not for us", message.topic)
        if self._link is not None:
            self._link.acknowledge(message)

    def _take_desired(self, payload: bytes) -> None:
        try:
            self._desired.receive(payload)
        except JournalError as error:
            log.error("the configuration waits for the journal: %s", error)

    def _on_ended(self, event: Ended) -> None:
        now_ns = self.clock.boot_ns()
        if self._connected_ns:
            log.warning("%s", event.message)
            stood_s = (now_ns - self._connected_ns) / NS_PER_S
            self._rivals.ended(event.trouble, stood_s, event.message)
            pause_s = self._dialer.lost(event.trouble, stood_s)
            self._drop_link(now_ns + round(pause_s * NS_PER_S))
        else:
            self._pause(self._dialer.failed(event.trouble), event.message)

    def _pause(self, pause_s: float, message: str) -> None:
        """A try has failed: say so once per reason, raise the alarm, and wait."""
        log.log(logging.DEBUG if message in self._said else logging.WARNING, "%s", message)
        self._said.add(message)
        if pause_s > 0:
            self._alarms.set(UNREACHABLE, SUBJECT, message)
        self._drop_link(self.clock.boot_ns() + round(pause_s * NS_PER_S))

    def _drop_link(self, dial_at_ns: int) -> None:
        if self._link is not None:
            self._link.close()
        self._announcer.end()
        self._link, self._nonce, self._connected_ns = None, "", 0
        self._dial_at_ns = dial_at_ns
        self._note()

    def _serve_journal(self, now_ns: int) -> None:
        """Everything that reads or writes the journal; ``JournalError`` stops it for a while."""
        self._desired.tick()
        self._announcer.answers(self._desk.finished())
        if self._delivery.settle(now_ns):
            self._alarms.clear(UNREACHABLE, SUBJECT)
        if self._link is None or not self._connected_ns:
            return
        if not self._announced:
            own = {"commands": list(self._desk.names), "keys": self._keys.fingerprints()}
            self._announcer.birth(own | dict(self._asides.info()) | dict(self._info()))
            self._desired.tell_again()
            self._announced = True
        if self._left_over:
            self._announcer.answers(self._desk.unfinished())
            self._left_over = False
        report = self._desired.news()
        if report is not None:
            self._announcer.configuration(report)
        self._delivery.send(self._link, now_ns)

    def _watch(self, now_ns: int) -> None:
        """Notice a platform that says nothing, and things that the others should see."""
        if self._connected_ns and (self._state_stale or self._announcer.is_outdated):
            self._state_stale = False
            self._announcer.state()
        self._note()
        self._moving = self._delivery.wants_anew() or self._asides.wants_anew(self._sync) or self._moving
        if not self._connected_ns:
            return
        self._rivals.stands((now_ns - self._connected_ns) / NS_PER_S)
        if self._link is not None and not self._moving:
            self._asides.tick(self._link, self._sync)
        silent_s = self._delivery.silent_s(now_ns)
        complain(self._alarms, self._announcer, self._delivery, silent_s)
        if silent_s > WALK_ON_S and len(self._sync.brokers) > 1:
            log.warning("no word from the platform for %.0f s; trying the next broker", silent_s)
            self._dialer.walk_on()
            self._drop_link(now_ns)

    def _note(self) -> None:
        link = self._link
        self.status = UplinkStatus(
            online=self._connected_ns > 0,
            broker=str(link.login.broker if link is not None else self._dialer.target()[0]),
            protocol=str(link.login.protocol) if link is not None else "",
            conn=self._conn,
            in_flight=self._delivery.in_flight,
            acknowledged=self._delivery.acknowledged,
            last_ack_ns=self._delivery.last_ack_ns,
        )
