"""The other end of the wire, for demo, tests and integrators; a real platform does the same in its own way.

- ``ledger``: the table of events, each exactly once; only what is in it is acknowledged.
- ``signer``: the platform's key, and the commands and configurations it signs.
- ``counterpart``: the thread that subscribes, stores, acknowledges, sends and waits for results.
- ``enrolling``: faces by signed command.
- ``key_ceremony``: root and operational keys, and the key sets that boxes take.
- ``roster``: publishes permits and faces for many boxes; ``set_table``, ``set_files``: its parts.
- ``pictures``, ``picture_collector``: takes the pictures of passages that boxes send, and deletes them.
- ``known_device``, ``requests``, ``steady_link``: its parts. ``__main__``: the same as a process.
- ``broker``, ``python_broker``: a broker for the demo.
"""

from edge.platform.broker import BrokerProcess, open_broker
from edge.platform.counterpart import Counterpart
from edge.platform.enrolling import enrol, withdraw
from edge.platform.key_ceremony import ROOT_KEY_FILE, ROOT_KEYS_FILE, make_root, sign_key_set
from edge.platform.known_device import KnownDevice
from edge.platform.ledger import Ledger
from edge.platform.requests import CommandResult
from edge.platform.signer import PRIVATE_KEY_FILE, PUBLIC_KEYS_FILE, Signer, make_keys

__all__ = [
    "PRIVATE_KEY_FILE",
    "PUBLIC_KEYS_FILE",
    "ROOT_KEYS_FILE",
    "ROOT_KEY_FILE",
    "BrokerProcess",
    "CommandResult",
    "Counterpart",
    "KnownDevice",
    "Ledger",
    "Signer",
    "enrol",
    "make_keys",
    "make_root",
    "open_broker",
    "sign_key_set",
    "withdraw",
]
