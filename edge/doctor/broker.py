"""Each broker: can it be reached, and does it let this device in. Takes no session away from the daemon."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from edge.clock import NS_PER_S, Clock
from edge.doctor.finding import Finding, Grade
from edge.settings import Settings
from edge.sync.certificate import end_in_words, is_due, validity_of
from edge.sync.login import make_login
from edge.sync.mqtt_link import MqttLink
from edge.sync.session import Broker, Connected, Ended, LinkFailed, Protocol, Trouble
from edge.sync.waker import Waker

ANSWER_S = 8.0


def examine_brokers(settings: Settings, clock: Clock) -> Iterator[Finding]:
    """Connect to each broker in turn, with a client id of its own, and leave again."""
    if not settings.sync.enabled:
        yield Finding("broker", Grade.UNASKED, "sync.enabled is false: this box works alone")
        return
    if settings.sync.cert_file is not None:
        yield _certificate(settings.sync.cert_file, clock)
    for url in settings.sync.brokers:
        yield _examine(Broker.parse(url), settings, clock)


def _certificate(path: Path, clock: Clock) -> Finding:
    part, span, utc_s = f"certificate {path}", validity_of(path), clock.utc_ns() / NS_PER_S
    if span is None:
        return Finding(
            part,
            Grade.BAD,
            "cannot be read as a certificate",
            "sync.cert_file names a PEM file",
            "证书无法读取",
        )
    words, days = end_in_words(span, utc_s), round((span[1] - utc_s) / 86_400, 1)
    if not is_due(span, utc_s):
        return Finding(part, Grade.GOOD, words, figures={"days_left": days})
    grade = Grade.BAD if days <= 0 else Grade.DOUBTFUL
    advice = "put a new one in its place; the daemon takes it without a restart"
    return Finding(part, grade, words, advice, "请更换证书,无需重启", {"days_left": days})


def _examine(broker: Broker, settings: Settings, clock: Clock) -> Finding:
    part = f"broker {broker}"
    wanted = Protocol.V311 if settings.sync.protocol == "3.1.1" else Protocol.V5
    began_ns = clock.boot_ns()
    try:
        ended = _connect(broker, wanted, settings, clock)
        if ended is not None and ended.trouble is Trouble.PROTOCOL and settings.sync.protocol == "auto":
            wanted = Protocol.V311
            ended = _connect(broker, wanted, settings, clock)
    except LinkFailed as error:
        return Finding(
            part, Grade.BAD, str(error), "check network, address and firewall", "无法连接消息服务器"
        )
    took_ms = round((clock.boot_ns() - began_ns) / 1e6)
    if ended is None:
        words = f"lets us in with MQTT {wanted} after {took_ms} ms"
        return Finding(part, Grade.GOOD, words, figures={"connect_ms": took_ms, "protocol": str(wanted)})
    if ended.trouble is Trouble.CLIENT_ID:
        words = (
            f"is there, and takes no client id but {settings.device.id}: cannot be asked beside the daemon"
        )
        return Finding(part, Grade.UNASKED, words)
    return Finding(part, Grade.BAD, ended.message, "see what the line names", "请按提示检查账号或证书")


def _connect(broker: Broker, protocol: Protocol, settings: Settings, clock: Clock) -> Ended | None:
    """None: let in; else how it ended."""
    client_id = f"{settings.device.id}-doctor"
    login = make_login(settings.sync, broker, protocol, client_id=client_id, will=None)
    waker = Waker()
    with closing(waker):
        link = MqttLink(replace(login, clean=True), clock, waker)
        with closing(link):
            link.open()
            until_ns = clock.boot_ns() + round(ANSWER_S * NS_PER_S)
            while clock.boot_ns() < until_ns:
                for event in link.poll(0.2):
                    if isinstance(event, Connected):
                        link.disconnect()
                        return None
                    if isinstance(event, Ended):
                        return event
    return Ended(Trouble.NO_ANSWER, f"broker {broker}: no answer to CONNECT within {ANSWER_S:.0f} s")
