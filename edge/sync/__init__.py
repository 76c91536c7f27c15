"""MQTT: events up; acknowledgements, configuration and commands down. DESIGN.md section 6 is the wire.

Read in this order; what is marked pure does no I/O:

- ``topics``, ``presence`` (pure): names on the wire, and what the box says of itself.
- ``keys``, ``keyring``: the keys that count and how a root key changes them (signatures: ``edge.jws``).
  ``nonces``: random words and budgets.
- ``commands`` (pure): may this command be obeyed? ``command_desk``: journal, obey once, tell the result.
- ``config_document``, ``config_state`` (pure): a configuration, and how far it came. ``desired``: the trial.
  ``config_steps``: where tests kill it. ``local_override`` (pure), ``overlay``: what lies over it for a time.
- ``set_documents``, ``set_topics``, ``set_course``, ``set_freshness`` (pure): what is said about sets, what
  is still missing, how old it is. ``set_desk``: the thread ``sets``; ``set_keeper``: one set on its way, with
  ``set_questions``, ``set_turns`` (one box after the other), ``set_gathering``, ``set_snapshot_file`` and
  ``set_fetcher`` (HTTP).
- ``picture_upload`` (pure): one picture on its way. ``side_desks``: threads that speak over the uplink.
- ``outbox`` (pure): what to send next, what to send again. ``delivery``: from the journal onto the wire.
- ``session``, ``dialer`` (pure), ``login``, ``waker``: words of a connection; which one to try; its secrets.
- ``mqtt_link``: one connection; the only module that imports paho.
- ``neighbour``: a Home Assistant on the same broker. ``complaints``: alarms of a link that stands.
- ``certificate``: the own certificate, its end and its replacement. ``asides``: the smaller things together.
- ``announcer``, ``uplink``: what is said besides events; the thread that turns all this.
"""

from edge.sync.command_desk import CommandOutcome, Handler
from edge.sync.commands import Command, Result
from edge.sync.desired import Desired
from edge.sync.keyring import Keyring, KeysRefused
from edge.sync.keys import KeySet, load_public_keys
from edge.sync.session import UplinkStatus
from edge.sync.topics import Topics
from edge.sync.uplink import Uplink

__all__ = [
    "Command",
    "CommandOutcome",
    "Desired",
    "Handler",
    "KeySet",
    "Keyring",
    "KeysRefused",
    "Result",
    "Topics",
    "Uplink",
    "UplinkStatus",
    "load_public_keys",
]
