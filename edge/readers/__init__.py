"""Card readers and keypads at the lanes.

- ``worker``: one line of readers and its thread; what is presented goes to ``Decider.present``.
- ``outlets``: the relays inside OSDP readers, for the owners of boards.
- ``pinpad``: from keys to a PIN. Pure.
- ``keys``: the keys of OSDP readers; ``installing``: how a reader comes by one.
- ``all_readers``: all lines of a configuration.
"""

from edge.readers.all_readers import Readers, outlets_of
from edge.readers.installing import install_reader
from edge.readers.keys import key_path, new_key, read_key, write_key
from edge.readers.outlets import Outlet
from edge.readers.pinpad import PinPad
from edge.readers.worker import ReaderStatus, ReaderWorker

__all__ = [
    "Outlet",
    "PinPad",
    "ReaderStatus",
    "ReaderWorker",
    "Readers",
    "install_reader",
    "key_path",
    "new_key",
    "outlets_of",
    "read_key",
    "write_key",
]
