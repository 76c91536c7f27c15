"""The contract of every lane display: what a card can do, and how its owner uses it.

A card is written to and hardly ever answers. So a driver waits between two frames for as long as the card
needs, says when its port is lost, and leaves to its owner what stands on the card and for how long.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Colour(StrEnum):
    """Colours that a two-colour LED module has."""

    RED = "red"
    GREEN = "green"
    YELLOW = "yellow"


@dataclass(frozen=True, slots=True)
class DisplayCapabilities:
    """What a card can do.

    Attributes:
        rows: Lines of text, the first one on top is 1.
        columns: Half-width cells of a line; a Chinese character takes two.
        speaks: Has a voice.
        sets_volume: Its volume can be set over the line.
        acknowledges: It has been heard to answer; such a card can be noticed missing behind its adapter.
        min_gap_ms: Shortest pause between two frames.
    """

    rows: int
    columns: int
    speaks: bool
    sets_volume: bool
    acknowledges: bool
    min_gap_ms: int


class Display(Protocol):
    """A card on a line. Used by one thread: the owner of its line."""

    name: str

    @property
    def where(self) -> str:
        """Card and port, as error messages name them."""
        ...

    @property
    def capabilities(self) -> DisplayCapabilities:
        """What it can do; ``acknowledges`` is found out on the way."""
        ...

    @property
    def free_ns(self) -> int:
        """CLOCK_BOOTTIME from which the card takes a frame; before that, sending waits."""
        ...

    def open(self) -> None:
        """Take the line; nothing is shown.

        Raises:
            DriverUnavailable: No such port. PortBusy: Taken by somebody else, or no permission.
        """
        ...

    def show(self, row: int, text: str, colour: Colour = Colour.RED, *, seconds: int = 0) -> int:
        """Put a text on one line of the card.

        Args:
            row: From 1.
            text: As long as it is: what does not fit scrolls.
            colour: Of the text.
            seconds: How long the card shows it by itself, 0 until it is told otherwise.

        Returns:
            CLOCK_BOOTTIME in nanoseconds of the last byte.

        Raises:
            LinkLost: The port went away. ReplyTimeout: A card that used to answer does so no more.
            CommandRefused: There is no such row.
        """
        ...

    def speak(self, text: str) -> int:
        """Say a text instead of whatever is being said. Returns and raises as ``show``."""
        ...

    def set_volume(self, percent: int) -> int:
        """Set the volume, 0 to 100. Returns and raises as ``show``; CommandRefused when it cannot be set."""
        ...

    def check(self) -> None:
        """Look whether the port is still there; writes nothing. Raises as ``show``."""
        ...

    def close(self) -> None:
        """Give the line back; what is shown stays. Safe to call twice."""
        ...
