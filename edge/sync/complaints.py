"""Alarms of a link that stands and does not do what it should. Thread: the uplink's."""

from edge.health import Alarms
from edge.sync.announcer import SUBJECT, Announcer
from edge.sync.delivery import Delivery
from edge.sync.dialer import STABLE_S
from edge.sync.session import Trouble

SILENT_S = 60.0
UNREACHABLE = "platform.unreachable"
REFUSED = "platform.refused"
PARKED = "events.parked"
TAKEN_OVER, UNSTABLE = "identity.taken_over", "platform.unstable"
ALONE_S = 600.0
"""Two boxes with one identity wait ever longer for each other; a connection this old has no rival."""
SHORT_LIVES = 4


def complain(alarms: Alarms, announcer: Announcer, delivery: Delivery, silent_s: float) -> None:
    """Raise and clear what there is to say about a broker that refuses and a platform that is silent."""
    refused = announcer.refused or delivery.refused
    if refused:
        alarms.set(REFUSED, SUBJECT, f"{refused}; check its rules for this device")
    else:
        alarms.clear(REFUSED, SUBJECT)
    if delivery.parked:
        count, last = delivery.parked, delivery.last_parked
        alarms.set(PARKED, SUBJECT, f"{count} events are refused and parked, the last: {last}")
    if silent_s > SILENT_S:
        detail = f"the broker takes events, but the platform has acknowledged none for {SILENT_S:.0f} s"
        alarms.set(UNREACHABLE, SUBJECT, detail)


class Rivals:
    """Notices another box with the identity of this one: the broker keeps only the newer connection.

    With MQTT 5 the broker says so. With 3.1.1 it merely closes, which a bad network does as well; so several
    short connections in a row have an alarm of their own that names both. Thread: the uplink's.
    """

    def __init__(self, alarms: Alarms) -> None:
        self._alarms = alarms
        self._short = 0

    def ended(self, trouble: Trouble, stood_s: float, message: str) -> None:
        """A connection that stood has ended."""
        if trouble is Trouble.TAKEN_OVER:
            detail = f"{message}. 另一台设备使用了同一身份,请检查是否复制了存储卡"
            self._alarms.set(TAKEN_OVER, SUBJECT, detail)
        self._short = self._short + 1 if stood_s < STABLE_S else 0
        if self._short >= SHORT_LIVES and trouble is not Trouble.TAKEN_OVER:
            detail = (
                f"{self._short} connections in a row ended within {STABLE_S:.0f} s: a bad network, or another"
                " box with this identity. 连接频繁中断:网络不良,或另一台设备使用了同一身份"
            )
            self._alarms.set(UNSTABLE, SUBJECT, detail)

    def stands(self, stood_s: float) -> None:
        """The connection stands; called often."""
        if stood_s > STABLE_S:
            self._short = 0
            self._alarms.clear(UNSTABLE, SUBJECT)
        if stood_s > ALONE_S:
            self._alarms.clear(TAKEN_OVER, SUBJECT)
