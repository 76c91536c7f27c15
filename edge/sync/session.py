"""The words of the MQTT link: how to connect, and what can happen. No I/O, and no word of any library."""

from dataclasses import dataclass
from enum import StrEnum
from ssl import SSLContext
from typing import Literal
from urllib.parse import urlsplit

from edge.errors import Unavailable, UsageError

PLAIN_PORT = 1883
TLS_PORT = 8883


class Protocol(StrEnum):
    """Versions of MQTT; everything works with both."""

    V5 = "5"
    V311 = "3.1.1"


ProtocolChoice = Literal["auto", "5", "3.1.1"]
"""As in the settings; auto: 5, then 3.1.1 where that is refused."""


class Trouble(StrEnum):
    """Why there is no connection. Of the last four, a person must repair something."""

    UNREACHABLE = "unreachable"
    NO_ANSWER = "no answer"
    LOST = "lost"
    DEAF = "deaf"
    BUSY = "busy"
    PROTOCOL = "protocol"
    TAKEN_OVER = "taken over"
    TLS = "tls"
    CREDENTIALS = "credentials"
    CLIENT_ID = "client id"
    SETTINGS = "settings"


NEEDS_A_PERSON = (Trouble.TLS, Trouble.CREDENTIALS, Trouble.CLIENT_ID, Trouble.SETTINGS)


class LinkFailed(Unavailable):
    """A connection could not be made or has ended; ``str(error)`` is one whole line."""

    def __init__(self, trouble: Trouble, message: str) -> None:
        super().__init__(message)
        self.trouble = trouble


@dataclass(frozen=True, slots=True)
class Broker:
    """Where a broker is: ``mqtt://host[:port]`` or ``mqtts://host[:port]``."""

    host: str
    port: int
    tls: bool

    def __str__(self) -> str:
        return f"{'mqtts' if self.tls else 'mqtt'}://{self.host}:{self.port}"

    @classmethod
    def parse(cls, url: str) -> "Broker":
        """Take a URL apart.

        Raises:
            UsageError: It is no broker, or holds a password (secrets never stand in a URL).
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise UsageError(f"broker {url!r}: {error}") from None
        if parts.scheme not in ("mqtt", "mqtts") or not host or parts.path.strip("/") or parts.query:
            raise UsageError(f"broker {url!r}: write mqtt://host:1883 or mqtts://host:8883")
        if parts.username or parts.password:
            raise UsageError(
                f"broker {host!r}: no user or password in the URL; use username and password_file"
            )
        tls = parts.scheme == "mqtts"
        return cls(host, port or (TLS_PORT if tls else PLAIN_PORT), tls)

    @classmethod
    def parse_all(cls, urls: str) -> tuple["Broker", ...]:
        """Take several URLs apart, with commas between them: the nodes of a cluster.

        Raises:
            UsageError: One of them is no broker, or they are not all with or all without TLS.
        """
        brokers = tuple(cls.parse(url.strip()) for url in urls.split(","))
        if len({broker.tls for broker in brokers}) > 1:
            raise UsageError(f"brokers {urls!r}: all mqtt:// or all mqtts://")
        return brokers


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker says for us when we are gone without a word. Retained, QoS 1."""

    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Login:
    """Everything that one connection needs.

    Attributes:
        tls: Context for ``mqtts``. keepalive_s: Silence after which we ask whether the broker is there.
        expiry_s: How long the broker keeps our session (MQTT 5; 3.1.1 brokers have their own idea).
        others: Further nodes of the same cluster, for those who dial by ``SteadyLink``.
        clean: Begin a new session instead of resuming. window: Most QoS 1 messages without PUBACK, each way.
    """

    broker: Broker
    client_id: str
    protocol: Protocol = Protocol.V5
    username: str | None = None
    password: str | None = None
    tls: SSLContext | None = None
    will: Will | None = None
    keepalive_s: int = 30
    expiry_s: int = 7 * 86_400
    clean: bool = False
    window: int = 20
    others: tuple[Broker, ...] = ()


@dataclass(frozen=True, slots=True)
class Connected:
    """The broker has taken us. ``window``: what both ends allow to be without PUBACK."""

    session_present: bool
    window: int


@dataclass(frozen=True, slots=True)
class Received:
    """A message for us. QoS 1 is delivered again on the next connection unless it is acknowledged."""

    topic: str
    payload: bytes
    retained: bool
    qos: int
    mid: int


@dataclass(frozen=True, slots=True)
class Delivered:
    """PUBACK for a message of ours. It says what the broker thinks, not that anybody has it.

    Attributes:
        token: What ``publish`` returned. refusal: Empty when taken; else why not, with its number.
        nobody_listens: The refusal is only that no client has subscribed to the topic.
        about_us: It is about what this box may do (its rights, its quota), not about the message.
    """

    token: int
    refusal: str
    nobody_listens: bool = False
    about_us: bool = False


@dataclass(frozen=True, slots=True)
class Subscribed:
    """SUBACK. ``denied``: filters that the broker does not let us have now; ``granted``: the others."""

    denied: tuple[str, ...]
    granted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ended:
    """There is no connection any more; nothing follows."""

    trouble: Trouble
    message: str


LinkEvent = Connected | Received | Delivered | Subscribed | Ended


@dataclass(frozen=True, slots=True)
class UplinkStatus:
    """How the link is, for health and for people.

    Attributes:
        online: Connected to a broker. broker: The one, or the next to try. protocol: "5" or "3.1.1".
        conn: Number of the connection. in_flight: Events sent and not yet acknowledged by the platform.
        acknowledged: Events acknowledged since the start. last_ack_ns: Boot time of the last; 0: none.
    """

    online: bool = False
    broker: str = ""
    protocol: str = ""
    conn: int = 0
    in_flight: int = 0
    acknowledged: int = 0
    last_ack_ns: int = 0
