"""One MQTT connection, from CONNECT to its end; the only module that imports paho.

paho is used for its packets and nothing else. Its threads, its reconnecting (no jitter), its queue (memory
only) and its session handling are not: each connection is a new client, so nothing survives in it that the
journal does not know. Callbacks only note what happened; ``poll`` returns the notes. A negative PUBACK, which
paho counts as success, is told as a refusal.
"""

import contextlib
import logging
import select
import socket
import ssl
from collections import deque
from typing import TYPE_CHECKING, Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, LogLevel, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.clock import NS_PER_S, Clock
from edge.sync.session import (
    Broker,
    Connected,
    Delivered,
    Ended,
    LinkEvent,
    LinkFailed,
    Login,
    Protocol,
    Received,
    Subscribed,
    Trouble,
)
from edge.sync.waker import Waker

if TYPE_CHECKING:
    from paho.mqtt.client import SocketLike

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 5.0
CONNACK_TIMEOUT_S = 10.0
PUBACK_TIMEOUT_S = 60.0
"""A broker that answers pings and acknowledges nothing for so long (a cluster without a majority) is left."""
ASK_AGAIN_S, ASK_AGAIN_MAX_S = 2.0, 120.0
"""Pauses before a subscription that was denied is asked for again: in a cluster that may pass."""
PACKETS_PER_POLL = 64
_NO_SUBSCRIBER = 0x10
_FAILURE = 0x80
_ABOUT_US = frozenset((0x80, 0x83, 0x87, 0x90, 0x97))
"""MQTT 5, 3.4.2.1: unspecified, implementation specific, not authorised, topic name invalid, quota."""
_TCP_USER_TIMEOUT = 18  # linux/tcp.h; seconds of unacknowledged bytes after which the kernel gives up

_TROUBLE_OF_CONNACK = {
    "Unsupported protocol version": Trouble.PROTOCOL,
    "Bad user name or password": Trouble.CREDENTIALS,
    "Not authorized": Trouble.CREDENTIALS,
    "Bad authentication method": Trouble.CREDENTIALS,
    "Banned": Trouble.CREDENTIALS,
    "Client identifier not valid": Trouble.CLIENT_ID,
}
_HINTS = {
    Trouble.CREDENTIALS: "check sync.username, the password and the broker's rules for this device",
    Trouble.CLIENT_ID: "the broker does not let this device id in",
    Trouble.TLS: "check sync.ca_file, sync.cert_file, the host name, and the clock of both machines",
    Trouble.UNREACHABLE: "is it running, and is the network up?",
    Trouble.TAKEN_OVER: "another client uses this device id; two boxes with one identity?",
}


class _Client(Client):
    """paho with a socket of ours: Nagle off, dead peers noticed, closed when the handshake fails."""

    def __init__(self, login: Login) -> None:
        v5 = login.protocol is Protocol.V5
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id=login.client_id,
            clean_session=None if v5 else login.clean,
            protocol=MQTTProtocolVersion.MQTTv5 if v5 else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        self._login = login

    def _create_socket(self) -> "SocketLike":
        login = self._login
        raw = socket.create_connection((login.broker.host, login.broker.port), CONNECT_TIMEOUT_S)
        try:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            raw.setsockopt(socket.IPPROTO_TCP, _TCP_USER_TIMEOUT, login.keepalive_s * 500)
            if login.tls is None:
                return raw
            secured = login.tls.wrap_socket(
                raw, server_hostname=login.broker.host, do_handshake_on_connect=False
            )
        except OSError:
            raw.close()
            raise
        try:
            secured.do_handshake()
        except (OSError, ValueError):
            secured.close()
            raise
        return secured


class MqttLink:
    """One connection. Make a new one for the next try.

    Thread: the one that made it, except ``Waker.wake``.
    """

    def __init__(self, login: Login, clock: Clock, waker: Waker) -> None:
        self.login = login
        self._clock, self._waker = clock, waker
        self._events: list[LinkEvent] = []
        self._queue: deque[tuple[int, str, bytes, bool]] = deque()
        self._token_of_mid: dict[int, int] = {}
        self._filters_of_mid: dict[int, tuple[str, ...]] = {}
        self._next_token = 0
        self._window = login.window
        self._puback_ns = self._ask_again_ns = 0
        self._denied: tuple[str, ...] = ()
        self._ask_again_s = ASK_AGAIN_S
        self._connected = self._ended = self._closed = False
        self._opened_ns = 0
        self._complaint = ""
        self._client = client = _Client(login)
        # Zero: no limit of paho's own; it cannot be changed once the broker has told its receive maximum.
        client.max_inflight_messages = 0
        client.username_pw_set(login.username, login.password)
        if login.will is not None:
            client.will_set(login.will.topic, login.will.payload, qos=1, retain=True)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_log = self._on_log

    def open(self) -> None:
        """Connect and send CONNECT; the answer comes out of ``poll``. Blocks up to a few seconds.

        Raises:
            LinkFailed: No network, no broker, or no trust.
        """
        login = self.login
        self._opened_ns = self._clock.boot_ns()
        try:
            if login.protocol is Protocol.V5:
                properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
                properties.SessionExpiryInterval = 0 if login.clean else login.expiry_s
                properties.ReceiveMaximum = max(login.window, 1)
                self._client.connect(
                    login.broker.host,
                    login.broker.port,
                    login.keepalive_s,
                    clean_start=login.clean,
                    properties=properties,
                )
            else:
                self._client.connect(login.broker.host, login.broker.port, login.keepalive_s)
        except (ssl.SSLError, ssl.CertificateError) as error:
            raise self._failed(Trouble.TLS, _reason_of_tls(error)) from error
        except OSError as error:
            raise self._failed(Trouble.UNREACHABLE, error.strerror or str(error)) from error

    @property
    def outstanding(self) -> int:
        """Messages of ours that have no PUBACK yet, queued ones included."""
        return len(self._token_of_mid) + len(self._queue)

    @property
    def has_ended(self) -> bool:
        """True when the connection is gone; ``Ended`` says why."""
        return self._ended

    def poll(self, timeout_s: float) -> list[LinkEvent]:
        """Wait for the broker, the waker or the timeout; move bytes both ways; return what happened."""
        connection = None if self._closed else self._client.socket()
        if connection is not None:
            self._wait(connection, 0.0 if self._events else timeout_s)
            self._client.loop_misc()
            self._send_queued()
            self._watch()
        if not self._connected and not self._ended and self._opening_s() > CONNACK_TIMEOUT_S:
            self._end(Trouble.NO_ANSWER, f"no answer to CONNECT within {CONNACK_TIMEOUT_S:.0f} s")
        if self._ended:
            self.close()
        events, self._events = self._events, []
        return events

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> int:
        """Send with QoS 1, or queue while the window is full; ``Delivered`` will carry the token returned."""
        self._next_token += 1
        self._queue.append((self._next_token, topic, payload, retain))
        self._send_queued()
        return self._next_token

    def publish_lossy(self, topic: str, payload: bytes) -> None:
        """Send with QoS 0: it arrives or it does not, and nobody is told."""
        self._client.publish(topic, payload, qos=0)

    def subscribe(self, filters: tuple[str, ...]) -> None:
        """Ask for topics with QoS 1; ``Subscribed`` will say what was denied."""
        _, mid = self._client.subscribe([(topic, 1) for topic in filters])
        if mid is not None:
            self._filters_of_mid[mid] = filters

    def acknowledge(self, message: Received) -> None:
        """Tell the broker that a message need not come again."""
        if message.qos:
            self._client.ack(message.mid, message.qos)

    def disconnect(self) -> None:
        """Take leave, so that the broker does not speak our will; then ``close``."""
        self._client.disconnect()

    def close(self) -> None:
        """Drop the connection; harmless when there is none."""
        self._closed = True
        self._client.on_disconnect = None
        connection = self._client.socket()
        if connection is not None:
            connection.close()

    def _wait(self, connection: "SocketLike", timeout_s: float) -> None:
        poller = select.poll()
        wanted = select.POLLIN | (select.POLLOUT if self._client.want_write() else 0)
        poller.register(connection.fileno(), wanted)
        poller.register(self._waker.fileno(), select.POLLIN)
        # TLS may hold decrypted bytes that poll() cannot see.
        wait_ms = 0 if _pending(connection) else max(0, round(timeout_s * 1000))
        ready = dict(poller.poll(wait_ms))
        if self._waker.fileno() in ready:
            self._waker.clear()
        state = ready.get(connection.fileno(), 0)
        if state & select.POLLOUT:
            self._client.loop_write()
        if state & ~select.POLLOUT or _pending(connection):
            self._read(poller, connection)
            self._acknowledge_bytes()

    def _read(self, poller: select.poll, connection: "SocketLike") -> None:
        for _ in range(PACKETS_PER_POLL):
            if self._client.loop_read() != MQTTErrorCode.MQTT_ERR_SUCCESS or self._client.socket() is None:
                return
            more = any(fd == connection.fileno() and state & select.POLLIN for fd, state in poller.poll(0))
            if not more and not _pending(connection):
                return

    def _acknowledge_bytes(self) -> None:
        """Let the kernel acknowledge at once; a broker with Nagle on would else wait 40 ms per message."""
        connection = self._client.socket()
        if isinstance(connection, socket.socket) and not self._ended:
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def _send_queued(self) -> None:
        while self._queue and self._connected and not self._ended and len(self._token_of_mid) < self._window:
            token, topic, payload, retain = self._queue.popleft()
            if not self._token_of_mid:
                self._puback_ns = self._clock.boot_ns()
            info = self._client.publish(topic, payload, qos=1, retain=retain)
            self._token_of_mid[info.mid] = token

    def _watch(self) -> None:
        """Notice a broker that takes nothing any more, and ask again for what it has denied."""
        now_ns = self._clock.boot_ns()
        if self._token_of_mid and now_ns - self._puback_ns > PUBACK_TIMEOUT_S * NS_PER_S:
            self._end(Trouble.DEAF, f"has acknowledged no message for {PUBACK_TIMEOUT_S:.0f} s")
        if self._denied and not self._ended and now_ns >= self._ask_again_ns:
            denied, self._denied = self._denied, ()
            self.subscribe(denied)

    def _opening_s(self) -> float:
        return (self._clock.boot_ns() - self._opened_ns) / NS_PER_S

    def _failed(self, trouble: Trouble, reason: str) -> LinkFailed:
        self._ended = True
        self.close()
        return LinkFailed(trouble, describe(self.login.broker, trouble, reason))

    def _end(self, trouble: Trouble, reason: str) -> None:
        if not self._ended:
            self._ended = True
            self._events.append(Ended(trouble, describe(self.login.broker, trouble, reason)))

    # What paho calls, always inside ``open`` or ``poll`` or a call of ours. Nothing is sent from here.

    def _on_connect(
        self, _client: Client, _data: Any, flags: ConnectFlags, reason: ReasonCode, properties: Any
    ) -> None:
        if reason.is_failure:
            name = reason.getName()
            self._end(_TROUBLE_OF_CONNACK.get(name, Trouble.BUSY), f"refused: {name.lower()}")
            return
        self._connected = True
        theirs = getattr(properties, "ReceiveMaximum", self._window)
        self._window = max(1, min(self._window, theirs))
        self._events.append(Connected(flags.session_present, self._window))

    def _on_disconnect(
        self, _client: Client, _data: Any, flags: DisconnectFlags, reason: ReasonCode, _properties: Any
    ) -> None:
        name = reason.getName() if flags.is_disconnect_packet_from_server else ""
        if name == "Session taken over":
            self._end(Trouble.TAKEN_OVER, "the broker gave our session to another connection")
        elif not self._connected and "alert" in self._complaint:
            self._end(Trouble.TLS, self._complaint)
        elif not self._connected:
            self._end(Trouble.NO_ANSWER, "closed the connection instead of answering CONNECT")
        else:
            self._end(Trouble.LOST, name.lower() or self._complaint or "connection lost")

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""
        payload = bytes(message.payload)
        self._events.append(Received(topic, payload, message.retain, message.qos, message.mid))

    def _on_publish(
        self, _client: Client, _data: Any, mid: int, reason: ReasonCode, _properties: Any
    ) -> None:
        token = self._token_of_mid.pop(mid, None)
        self._puback_ns = self._clock.boot_ns()
        if token is None:
            return
        nobody_listens = reason.value == _NO_SUBSCRIBER
        refused = nobody_listens or reason.value >= _FAILURE
        text = f"{reason.getName().lower()} (0x{reason.value:02x})" if refused else ""
        self._events.append(Delivered(token, text, nobody_listens, reason.value in _ABOUT_US))

    def _on_subscribe(
        self, _client: Client, _data: Any, mid: int, reasons: list[ReasonCode], _properties: Any
    ) -> None:
        filters = self._filters_of_mid.pop(mid, ())
        denied = tuple(topic for topic, reason in zip(filters, reasons, strict=False) if reason.is_failure)
        if denied:
            self._denied += denied
            self._ask_again_ns = self._clock.boot_ns() + round(self._ask_again_s * NS_PER_S)
            self._ask_again_s = min(2 * self._ask_again_s, ASK_AGAIN_MAX_S)
        self._events.append(Subscribed(denied, tuple(topic for topic in filters if topic not in denied)))

    def _on_log(self, _client: Client, _data: Any, level: int, text: str) -> None:
        if level == LogLevel.MQTT_LOG_ERR:
            self._complaint = text.removeprefix("failed to receive on socket: ")


def describe(broker: Broker, trouble: Trouble, reason: str) -> str:
    """One line: which broker, what, and what to look at."""
    hint = _HINTS.get(trouble, "")
    if trouble is Trouble.NO_ANSWER and broker.tls:
        # Whether its alert can still be read before the reset of the connection is a matter of luck.
        hint = "if it asks for a certificate, set sync.cert_file and sync.key_file"
    return f"broker {broker}: {reason}" + (f"; {hint}" if hint else "")


def _pending(connection: "SocketLike") -> bool:
    return isinstance(connection, ssl.SSLSocket) and connection.pending() > 0


def _reason_of_tls(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    return f"TLS failed ({getattr(error, 'reason', None) or error})"
