"""Card readers and keypads.

- ``base``: the contract of a line with readers, and what comes from it.
- ``cards``: from bits to the number of a card.
- ``osdp``: readers on RS-485 with a secure channel, through libosdp (extra ``osdp``).
- ``bridge``: Wiegand readers behind a microcontroller; its line protocol is described there.
"""

from drivers.reader.base import (
    CardRead,
    Condition,
    Feedback,
    KeysPressed,
    ReaderChanged,
    ReaderEvent,
    ReaderLine,
)
from drivers.reader.cards import ByteOrder, CardFormat, card_number

__all__ = [
    "ByteOrder",
    "CardFormat",
    "CardRead",
    "Condition",
    "Feedback",
    "KeysPressed",
    "ReaderChanged",
    "ReaderEvent",
    "ReaderLine",
    "card_number",
]
