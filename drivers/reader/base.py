"""The contract of every reader line: what comes from readers, and what can be told to them.

One line may carry several readers (OSDP is a bus, a bridge has several Wiegand ports), so a driver is the
whole line and every event names its reader. A driver judges nothing: which number a card bears is ``cards``,
whether it may pass is somebody else's business altogether.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


@dataclass(frozen=True, slots=True)
class CardRead:
    """A card was held before a reader.

    Attributes:
        reader: Name of the reader in the configuration.
        at_ns: CLOCK_BOOTTIME.
        bits: What came, as "0" and "1", first bit first, parity included.
    """

    reader: str
    at_ns: int
    bits: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeysPressed:
    """Keys of a keypad: ``0`` to ``9``, ``*`` and ``#``, in order. Never logged."""

    reader: str
    at_ns: int
    keys: str = field(repr=False)


class Condition(StrEnum):
    """What may be wrong with a reader."""

    OFFLINE = "offline"
    TAMPERED = "tampered"
    POWER_LOST = "power_lost"


@dataclass(frozen=True, slots=True)
class ReaderChanged:
    """A condition began (``holds``) or ended; ``detail`` is one line for a person."""

    reader: str
    at_ns: int
    condition: Condition
    holds: bool
    detail: str = ""


ReaderEvent = CardRead | KeysPressed | ReaderChanged


class Feedback(StrEnum):
    """What light and buzzer of a reader say to the person before it."""

    GRANTED = "granted"
    REFUSED = "refused"
    MORE_WANTED = "more_wanted"


class ReaderLine(Protocol):
    """A line with readers. Used by one thread, which must call ``poll`` again and again.

    Readers count as offline until they were heard.
    """

    name: str

    @property
    def where(self) -> str:
        """Line and port, as error messages name them."""
        ...

    def open(self) -> None:
        """Take the line.

        Raises:
            DriverUnavailable: No such port, or a library is missing. PortBusy: Taken by somebody else.
        """
        ...

    def poll(self, timeout_s: float) -> tuple[ReaderEvent, ...]:
        """Keep the line going and return what has happened, at the latest after ``timeout_s``.

        Raises:
            LinkLost: The port went away.
        """
        ...

    def signal(self, reader: str, feedback: Feedback) -> None:
        """Let a reader show and sound something; nothing happens while it is offline. Raises as ``poll``."""
        ...

    def close(self) -> None:
        """Give the line back. Safe to call twice."""
        ...
