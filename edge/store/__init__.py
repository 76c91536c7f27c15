"""What the box remembers; the only package that touches SQLite.

- ``database``: the one way to open a file; every complaint of SQLite becomes one ``JournalError``.
- ``envelope``: an event as the bytes that are stored, hashed and sent (CloudEvents 1.0 JSON); chain check.
- ``schema``, ``writing``, ``reading``: tables of ``events.db``, what may be written, what can be read.
- ``commits``, ``journal``: the thread that writes, and the API that everybody else uses.
- ``salvage``, ``saved_events``: a damaged database is replaced, and what can be read of it saved;
  ``twofold``: small files in two generations with a checksum.
- ``vault``: the device key; ``set_tables``, ``set_reading``, ``sets``, ``set_snapshot``: roster and sealed
  face templates in ``sets.db``; ``faces``, ``portraits``, ``receipts``: its rows about faces, kept pictures,
  proof of deletion; ``pins``: sealed digests of PINs.
- ``media``, ``media_tables``: pictures of passages, sealed, under quota and retention, in ``media.db``;
  ``media_beside``: how a withdrawal reaches them.
- ``items`` (pure), ``scope_tables``, ``scope_sets``: what the platform publishes, in ``scope_sets.db``;
  ``sealing``: bodies that only this box opens; ``scope_layer``: laid over the roster of the box.
"""

from edge.access.consent import Consent
from edge.store.claims import CounterTooLow
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
from edge.store.receipts import receipt_to_json
from edge.store.schema import UNKNOWN, OutboxRow
from edge.store.scope_layer import ScopeLayer
from edge.store.scope_sets import ScopeSets
from edge.store.set_snapshot import SetSnapshot
from edge.store.set_tables import Note, Receipt
from edge.store.sets import SetStore
from edge.store.vault import Vault, open_vault

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
    "Note",
    "OutboxRow",
    "Receipt",
    "ScopeLayer",
    "ScopeSets",
    "SetSnapshot",
    "SetStore",
    "Vault",
    "from_wire",
    "open_vault",
    "read_events",
    "receipt_to_json",
    "to_wire",
    "verify_chain",
]
