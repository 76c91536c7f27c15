"""The platform's end of the wire, for demo, tests and integrators: takes events, acknowledges, signs, sends.

It subscribes with a clean session and remembers nothing about the broker: whatever is lost between broker and
here is sent again, because only what the ledger has committed is acknowledged. One thread, one connection.
"""

import json
import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

from edge.clock import NS_PER_S, Clock
from edge.errors import JournalError
from edge.platform.known_device import KnownDevice, read_json, with_state
from edge.platform.ledger import Arrival, Ledger, Place
from edge.platform.requests import CommandResult, Request, Requests, deadline_ns
from edge.platform.signer import Signer
from edge.platform.steady_link import SteadyLink
from edge.records import Event, JsonObject, Stream
from edge.store.envelope import json_bytes
from edge.sync.mqtt_link import MqttLink
from edge.sync.session import Connected, Ended, Login, ProtocolChoice, Received
from edge.sync.topics import ROOT, Topics, parse
from edge.sync.waker import Waker
from edge.worker import Worker

log = logging.getLogger(__name__)

TURN_S = 0.2
REPEAT_ACK_NS = 30 * NS_PER_S
LEDGER_FILE = "ledger.db"
FILTERS = ("state", "info", "cfg/reported", "cmd/+/res")


class Counterpart(Worker):
    """One platform on one broker.

    Thread: its own; every public method but ``work`` may be called from any, and those that wait, wait there.
    """

    def __init__(
        self,
        login: Login,
        folder: Path,
        clock: Clock,
        *,
        collects: bool = True,
        protocol: ProtocolChoice = "auto",
        reconnect_max_s: float = 5.0,
        share: str = "",
        refuses: Callable[[Event], str] = lambda _event: "",
    ) -> None:
        """Open the ledger and the keys; ``start`` then connects, and goes on trying for ever.

        Args:
            login: Broker and credentials; ``client_id`` tells two counterparts on one broker apart.
            folder: Holds ``ledger.db`` and the key files of ``make_keys``.
            clock: For timeouts and issue times.
            collects: False: do not take or acknowledge events, only command and configure, as a tool beside
                another counterpart does.
            protocol: Version of MQTT; overrides that of the login.
            reconnect_max_s: Longest pause between two tries.
            share: Name of a shared subscription: several counterparts on one folder divide the events among
                them; each with a client id of its own.
            refuses: Says why the platform will not have an event; the box parks it after five refusals.

        Raises:
            JournalError: The ledger cannot be opened.
            SettingsError: There is no key in the folder.
        """
        super().__init__("platform", clock, stalls_after_s=60.0)
        self.signer = Signer.load(folder)
        self.ledger = Ledger(folder / LEDGER_FILE, refuses)
        self._collects, self._share = collects, share
        self._waker = Waker()
        self._steady = SteadyLink(login, clock, self._waker, protocol, reconnect_max_s)
        self._lock = threading.Lock()  # for the ledger and what others read; never held while sending
        self._changed = threading.Condition(self._lock)
        self._devices: dict[str, KnownDevice] = {}
        self._to_publish: dict[str, bytes] = {}
        self._requests = Requests()
        self._new_requests: deque[Request] = deque()
        self._arrivals: list[Arrival] = []
        self._heads: dict[Place, int] = {}
        self._repeat_at_ns = 0
        self.duplicates = self.refused = 0

    # Any thread

    @property
    def is_online(self) -> bool:
        """True while connected to the broker."""
        return self._steady.online is not None

    def devices(self) -> dict[str, KnownDevice]:
        """Every box that was seen, by "tenant/device"."""
        with self._lock:
            return dict(self._devices)

    def counts(self) -> dict[str, dict[str, int]]:
        """Events in the ledger per device and stream."""
        with self._lock:
            return self.ledger.counts()

    def acknowledged(self) -> dict[str, dict[str, int]]:
        """Last sequence acknowledged since the start, per device and stream."""
        with self._lock:
            acks: dict[str, dict[str, int]] = {}
            for (device, _, stream), seq in self._heads.items():
                acks.setdefault(device, {})[stream.value] = seq
            return acks

    def events(self, device: str, stream: Stream | None = None) -> list[JsonObject]:
        """All events of a device as parsed CloudEvents, in the order in which they were taken."""
        with self._lock:
            payloads = self.ledger.payloads(device, stream)
        return [json.loads(payload) for payload in payloads]

    def wait_for(self, condition: Callable[["Counterpart"], bool], timeout_s: float) -> bool:
        """Wait until a condition on this counterpart holds; False when it does not within the time.

        The condition is asked outside the lock, each time something has come.
        """
        until_ns = deadline_ns(self.clock.boot_ns(), timeout_s)
        while not condition(self):
            left_s = (until_ns - self.clock.boot_ns()) / NS_PER_S
            if left_s <= 0:
                return False
            with self._changed:
                self._changed.wait(min(left_s, 0.2))
        return True

    def send_command(
        self,
        device: str,
        name: str,
        args: Mapping[str, object],
        *,
        timeout_s: float = 30.0,
        life_s: float = 10.0,
    ) -> CommandResult:
        """Sign a command, send it once the device is there, and wait for how it ended.

        Raises:
            Unavailable: Nobody answered in time. The command may have been obeyed all the same.
        """
        return self.request(device, name, args, timeout_s=timeout_s, life_s=life_s).result(timeout_s + 5.0)

    def request(
        self, device: str, name: str, args: Mapping[str, object], *, timeout_s: float, life_s: float = 10.0
    ) -> "Future[CommandResult]":
        """The same without waiting."""
        future: Future[CommandResult] = Future()
        until_ns = deadline_ns(self.clock.boot_ns(), timeout_s)
        self._new_requests.append(Request(device, name, dict(args), life_s, until_ns, future))
        self._waker.wake()
        return future

    def put_person(self, device: str, person: JsonObject) -> CommandResult:
        """Put a person on the roster of a device."""
        return self.send_command(device, "roster-put", {"person": dict(person)}, life_s=60.0)

    def remove_person(self, device: str, person_id: str) -> CommandResult:
        """Take a person off the roster of a device."""
        return self.send_command(device, "roster-remove", {"id": person_id}, life_s=60.0)

    def publish_desired(
        self,
        device: str,
        sections: Mapping[str, object],
        *,
        rev: int | None = None,
        confirm_s: int = 120,
        rollback: bool = False,
    ) -> int:
        """Sign a configuration and retain it at the broker; returns its revision.

        Args:
            device: "tenant/device".
            sections: Whole sections (``decision``, ``lanes``).
            rev: By default one above the last that was published from here.
            confirm_s: How long the device may try it.
            rollback: The revision is lower than what the device has, on purpose.
        """
        with self._lock:
            last_rev, last_issued_s = self.ledger.last_revision(device)
            revision = last_rev + 1 if rev is None else rev
            # Never before the last one, even if this machine's clock was set back.
            issued_s = round(max(self.clock.utc_ns() / NS_PER_S, last_issued_s + 0.001), 3)
            raw = self.signer.document(
                device,
                dict(sections),
                rev=revision,
                prev=last_rev,
                confirm_s=confirm_s,
                rollback=rollback,
                issued_s=issued_s,
            )
            self.ledger.keep_document(device, revision, issued_s, raw)
            self._to_publish[topics_of(device).desired] = raw
        self._waker.wake()
        return revision

    def publish_key_set(self, device: str, raw: bytes) -> None:
        """Retain a key set, signed by the root, for a device."""
        with self._lock:
            self._to_publish[topics_of(device).keys] = raw
        self._waker.wake()

    def stop(self) -> None:
        """Ask the thread to end."""
        super().stop()
        self._waker.wake()

    def close(self) -> None:
        """End the thread and close the ledger."""
        super().close()
        self._waker.close()
        self.ledger.close()

    # The thread

    def work(self) -> None:
        """Connect, take, acknowledge, until stopped."""
        try:
            while not self.stopping.is_set():
                self._turn()
                self.beat()
        finally:
            self._requests.cancel()
            self._steady.close()

    def _turn(self) -> None:
        for event in self._steady.turn(TURN_S):
            link = self._steady.online
            match event:
                case Connected() if link is not None:
                    self._on_connected(link)
                case Received() if link is not None:
                    self._on_received(link, event)
                case Ended():
                    self._arrivals.clear()  # not acknowledged, so they come again
        now_ns = self.clock.boot_ns()
        while self._new_requests:
            self._requests.add(self._new_requests.popleft())
        self._requests.expire(now_ns)
        link = self._steady.online
        if link is not None:
            self._store(link, now_ns)
            self._send(link)

    def _on_connected(self, link: MqttLink) -> None:
        among = f"$share/{self._share}/" if self._share else ""
        events = (f"{among}{ROOT}/+/+/ev/+",) if self._collects else ()
        link.subscribe((*(f"{ROOT}/+/+/{rest}" for rest in FILTERS), *events))
        log.info("the platform is connected to %s with MQTT %s", link.login.broker, link.login.protocol)
        with self._changed:
            # The broker may have lost what it retained; for a device that has it already this is no news.
            last = self.ledger.last_documents() if self._collects else {}
            self._to_publish |= {topics_of(device).desired: raw for device, raw in last.items()}
            self._changed.notify_all()

    def _on_received(self, link: MqttLink, message: Received) -> None:
        address = parse(message.topic)
        if address is not None:
            audience = address.topics.audience
            match address.rest:
                case ("ev", stream) if stream in tuple(Stream):
                    self._arrivals.append(Arrival(audience, Stream(stream), message.payload))
                case ("state",) | ("info",) | ("cfg", "reported"):
                    self._learn(link, address.topics, address.rest[-1], message)
                case ("cmd", _, "res"):
                    self._on_result(link, message.payload)
        link.acknowledge(message)

    def _learn(self, link: MqttLink, topics: Topics, what: str, message: Received) -> None:
        body = read_json(message.payload)
        if body is None:
            return
        with self._changed:
            known = self._devices.get(topics.audience, KnownDevice(topics.audience))
            if what == "state":
                device = with_state(known, body)
            elif what == "info":
                device = replace(known, info=body)
            else:
                device = replace(known, reported=body)
            self._devices[topics.audience] = device
            self._changed.notify_all()
        if self._collects and device.epoch:
            if what == "info":
                self._adopt(device)
            if what == "state" and (device.conn, device.epoch) != (known.conn, known.epoch):
                # A retained state: not the device is new here, but we are.
                self._acknowledge_all(link, topics, device.epoch, resend=message.retained)

    def _adopt(self, device: KnownDevice) -> None:
        """Begin where the device begins, when this table has never heard of its epoch, or lost too much."""
        for stream, seq in device.beginnings().items():
            self.ledger.begin_at(device.audience, device.epoch, stream, seq)
            if lost := self.ledger.leave_out(device.audience, device.epoch, stream, seq):
                log.error("%s: %d events of %s are nowhere any more", device.audience, lost, stream)

    def _acknowledge_all(self, link: MqttLink, topics: Topics, epoch: str, *, resend: bool) -> None:
        """A device is back, or we are: say what we have, also where it is nothing; it begins at once."""
        for stream in Stream:
            self._acknowledge(link, (topics.audience, epoch, stream), resend=resend)

    def _acknowledge(
        self,
        link: MqttLink,
        place: Place,
        *,
        resend: bool = False,
        rejected: tuple[int, str] | None = None,
    ) -> None:
        device, epoch, stream = place
        upto, digest = self.ledger.mark(place)  # whoever shares the events may have come further
        known = self._devices.get(device)
        body: dict[str, object] = {"stream": stream.value, "epoch": epoch, "upto": upto}
        body |= {"digest": digest} if upto and digest else {}
        body |= {"conn": known.conn} if known is not None else {}
        if resend or known is None:  # not even its retained state has come: it shall say it
            body["resend"] = True
        if rejected is not None:
            body["refused"], body["why"] = rejected
        link.publish(topics_of(device).ack, json_bytes(body))

    def _store(self, link: MqttLink, now_ns: int) -> None:
        if self._arrivals:
            arrivals, self._arrivals = self._arrivals, []
            try:
                with self._changed:
                    tally = self.ledger.take(arrivals, now_ns=now_ns, utc_ns=self.clock.utc_ns())
                    self._changed.notify_all()
            except JournalError as error:
                log.error("events could not be stored and are not acknowledged: %s", error)
                return
            self.duplicates += tally.duplicates
            self.refused += tally.refused
            for place in tally.conflicts:
                log.error("%s has two histories of %s: two boxes with one identity?", place[0], place[2])
            with self._lock:
                self._heads |= tally.heads
            for place in tally.heads:
                self._acknowledge(link, place, rejected=tally.rejected.get(place))
            self._repeat_at_ns = now_ns + REPEAT_ACK_NS
        elif now_ns >= self._repeat_at_ns:
            self._repeat_at_ns = now_ns + REPEAT_ACK_NS
            for place in self._heads:
                self._acknowledge(link, place)

    def _send(self, link: MqttLink) -> None:
        with self._lock:
            documents, self._to_publish = self._to_publish, {}
            live = {name: device for name, device in self._devices.items() if device.is_live}
        for topic, raw in documents.items():
            link.publish(topic, raw, retain=True)
        for request in self._requests.sendable({name: device.nonce for name, device in live.items()}):
            self._sign_and_send(link, request, "")

    def _on_result(self, link: MqttLink, payload: bytes) -> None:
        body = read_json(payload)
        again = None if body is None else self._requests.answered(body)
        if again is not None:
            request, challenge = again
            self._sign_and_send(link, request, challenge)

    def _sign_and_send(self, link: MqttLink, request: Request, challenge: str) -> None:
        with self._lock:
            nonce = self._devices[request.device].nonce
            counter = self.ledger.next_counter(self.signer.kid)
        order = self.signer.command(
            request.device,
            request.name,
            request.args,
            nonce=nonce,
            counter=counter,
            life_s=request.life_s,
            challenge=challenge,
            now_s=self.clock.utc_ns() / NS_PER_S,
        )
        self._requests.sent(request, order.jti, nonce)
        link.publish(topics_of(request.device).command(request.name), order.raw)


def topics_of(device: str) -> Topics:
    """The topics of "tenant/device".

    Raises:
        UsageError: It is not that.
    """
    tenant, _, name = device.partition("/")
    return Topics(tenant, name)
