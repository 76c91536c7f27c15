"""MQTT: events up; acknowledgements, configuration and commands down. DESIGN.md section 6 is the wire.

Read in this order; what is marked pure does no I/O:

- ``topics``, ``presence`` (pure): names on the wire, and what the box says of itself.
- ``keys``: the keys that count (signatures themselves: ``edge.jws``). ``nonces``: random words and budgets.
- ``commands`` (pure): may this command be obeyed? ``command_desk``: journal, obey once, tell the result.
- ``config_document``, ``config_state`` (pure): a configuration, and how far it came. ``desired``: the trial.
- ``outbox`` (pure): what to send next, what to send again. ``delivery``: from the journal onto the wire.
- ``session``, ``dialer`` (pure), ``login``, ``waker``: words of a connection; which one to try; its secrets.
- ``mqtt_link``: one connection; the only module that imports paho.
- ``announcer``, ``uplink``: what is said besides events; the thread that turns all this.
"""

from edge.sync.command_desk import CommandOutcome, Handler
from edge.sync.commands import Command, Result
from edge.sync.desired import Desired
from edge.sync.keys import KeySet, load_public_keys
from edge.sync.topics import Topics
from edge.sync.uplink import Uplink, UplinkStatus

__all__ = [
    "Command",
    "CommandOutcome",
    "Desired",
    "Handler",
    "KeySet",
    "Result",
    "Topics",
    "Uplink",
    "UplinkStatus",
    "load_public_keys",
]
