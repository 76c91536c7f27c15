"""Reads the fields of a message that nobody vouches for: type and bounds of each, and nothing besides."""

from collections.abc import Mapping, Sequence
from typing import Any

from edge.vision.wire import WireError

MOST_WHOLE = 2**63 - 1


class Fields:
    """The header and blob of one message. Each field is taken once; ``finish`` refuses what is left.

    Raises:
        WireError: From every method, when the field is missing, of another type, or out of bounds.
    """

    def __init__(self, header: dict[str, Any], blob: bytes) -> None:
        self._left = header
        self._blob = blob
        self._at = 0

    def finish(self) -> None:
        """Refuse fields and bytes that nobody asked for."""
        if self._left or self._at != len(self._blob):
            raise WireError("a message holds more than its kind has")

    def text(self, name: str, most: int) -> str:
        """A string of at most that many characters, without control characters."""
        return self.is_text(self._take(name), most)

    def whole(self, name: str, least: int = 0, most: int = MOST_WHOLE) -> int:
        """A whole number."""
        value = self._take(name)
        if type(value) is not int or not least <= value <= most:
            raise WireError(f"{name} is no whole number from {least} to {most}")
        return value

    def real(self, name: str, least: float, most: float) -> float:
        """A finite number."""
        return self.is_real(self._take(name), least, most)

    def reals(self, name: str, count: int, least: float, most: float) -> list[float]:
        """Exactly that many finite numbers."""
        values = self.rows(name, count)
        if len(values) != count:
            raise WireError(f"{name} does not hold {count} numbers")
        return [self.is_real(value, least, most) for value in values]

    def flag(self, name: str) -> bool:
        """True or false."""
        value = self._take(name)
        if not isinstance(value, bool):
            raise WireError(f"{name} is neither true nor false")
        return value

    def one_of(self, name: str, values: Sequence[str]) -> str:
        """One of the words given."""
        value = self._take(name)
        if value not in values or not isinstance(value, str):
            raise WireError(f"{name} is none of {', '.join(values)}")
        return value

    def part(self, name: str, most: int) -> bytes:
        """The next bytes of the blob; the header says how many."""
        length = self.whole(name, 0, most)
        part = self._blob[self._at : self._at + length]
        if len(part) != length:
            raise WireError(f"{name} reaches beyond the blob")
        self._at += length
        return part

    def rows(self, name: str, most: int) -> list[Any]:
        """A list of at most that many things."""
        value = self._take(name)
        if not isinstance(value, list) or len(value) > most:
            raise WireError(f"{name} is no list of at most {most}")
        return value

    def mapping(self, name: str) -> dict[str, Any]:
        """An object whose content the taker checks itself."""
        value = self._take(name)
        if not isinstance(value, dict):
            raise WireError(f"{name} is no object")
        return value

    def numbers(self, name: str, most: int) -> Mapping[str, float]:
        """An object of finite numbers, none negative."""
        return {
            self.is_text(key, 40): self.is_real(value, 0, 1e12) for key, value in self._entries(name, most)
        }

    def texts(self, name: str, most: int, length: int) -> Mapping[str, str]:
        """An object of short strings."""
        return {
            self.is_text(key, 40): self.is_text(value, length) for key, value in self._entries(name, most)
        }

    @staticmethod
    def is_text(value: object, most: int) -> str:
        """The value, if it is such a string."""
        if not isinstance(value, str) or len(value) > most or not (value.isprintable() or not value):
            raise WireError(f"a text is none, longer than {most}, or holds control characters")
        return value

    @staticmethod
    def is_real(value: object, least: float, most: float) -> float:
        """The value, if it is such a number."""
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise WireError("a number is none")
        # Compared before it becomes a float: JSON may hold whole numbers that no float can.
        if not least <= value <= most:  # false for NaN too
            raise WireError(f"a number is not from {least} to {most}")
        return float(value)

    @staticmethod
    def pairs(value: object, most: int) -> list[list[Any]]:
        """The value, if it is a list of at most that many pairs."""
        if not isinstance(value, list) or len(value) > most:
            raise WireError(f"a list is none, or longer than {most}")
        if not all(isinstance(pair, list) and len(pair) == 2 for pair in value):
            raise WireError("a pair is none")
        return value

    def _entries(self, name: str, most: int) -> list[tuple[str, Any]]:
        value = self.mapping(name)
        if len(value) > most:
            raise WireError(f"{name} has more than {most} entries")
        return list(value.items())

    def _take(self, name: str) -> Any:
        try:
            return self._left.pop(name)
        except KeyError:
            raise WireError(f"a message lacks {name}") from None
