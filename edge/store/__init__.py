"""What the box remembers; the only package that touches SQLite.

- ``database``: the one way to open a file; every complaint of SQLite becomes one ``JournalError``.
- ``envelope``: an event as the bytes that are stored, hashed and sent (CloudEvents 1.0 JSON); chain check.
- ``schema``, ``writing``, ``reading``: tables of ``events.db``, what may be written, what can be read.
- ``commits``, ``journal``: the thread that writes, and the API that everybody else uses.
- ``vault``: the device key; ``set_tables``, ``sets``: roster and sealed face templates in ``sets.db``.
"""

from edge.store.database import Database, DatabaseDamaged
from edge.store.envelope import (
    CONTENT_TYPE,
    ChainBreak,
    Envelope,
    EnvelopeInvalid,
    from_wire,
    to_wire,
    verify_chain,
)
from edge.store.journal import Journal
from edge.store.reading import EventReader, read_events
from edge.store.schema import UNKNOWN, OutboxRow
from edge.store.set_tables import Consent, Receipt
from edge.store.sets import SetSnapshot, SetStore
from edge.store.vault import Vault, open_vault
from edge.store.writing import CounterTooLow

__all__ = [
    "CONTENT_TYPE",
    "UNKNOWN",
    "ChainBreak",
    "Consent",
    "CounterTooLow",
    "Database",
    "DatabaseDamaged",
    "Envelope",
    "EnvelopeInvalid",
    "EventReader",
    "Journal",
    "OutboxRow",
    "Receipt",
    "SetSnapshot",
    "SetStore",
    "Vault",
    "from_wire",
    "open_vault",
    "read_events",
    "to_wire",
    "verify_chain",
]
