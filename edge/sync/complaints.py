"""Alarms of a link that stands and does not do what it should. Thread: the uplink's."""

from edge.health import Alarms
from edge.sync.announcer import SUBJECT, Announcer
from edge.sync.delivery import Delivery

SILENT_S = 60.0
UNREACHABLE = "platform.unreachable"
REFUSED = "platform.refused"
PARKED = "events.parked"


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
