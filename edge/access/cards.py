"""Numbers of cards as people write them, and as the roster keeps them: whole numbers in decimal. Pure.

Cards are printed in many ways; ``212,07041`` is facility and number of a 26 or 34 bit card, ``0013900673``
the same in decimal, ``0xD41B81`` in hexadecimal. Readers say the number itself (``drivers.reader.cards``).
"""

import re

from edge.errors import UsageError

_DECIMAL = re.compile(r"\d{1,40}")
_FACILITY = re.compile(r"(\d{1,5})\s*[,:/]\s*(\d{1,5})")
_HEXADECIMAL = re.compile(r"0x([0-9a-f]{1,32})", re.IGNORECASE)
_NUMBER_BITS = 16


def card_text(text: str) -> str:
    """The one form of a card number that somebody typed.

    >>> card_text("212,07041"), card_text("0013900673"), card_text("0xD41B81")
    ('13900673', '13900673', '13900673')

    Raises:
        UsageError: It is no card number.
    """
    typed = text.strip()
    value = 0
    if match := _FACILITY.fullmatch(typed):
        facility, number = (int(part) for part in match.groups())
        if facility < 1 << _NUMBER_BITS and number < 1 << _NUMBER_BITS:
            value = facility << _NUMBER_BITS | number
    elif match := _HEXADECIMAL.fullmatch(typed):
        value = int(match[1], 16)
    elif _DECIMAL.fullmatch(typed):
        value = int(typed)
    if value <= 0:
        raise UsageError(f"card {text!r} is no card number; write 13900673, 212,07041 or 0xD41B81")
    return str(value)


def printed(number: str) -> str:
    """A number as it stands on most cards: ten digits, and facility and number where those fit.

    >>> printed("13900673")
    '0013900673 (212,07041)'
    """
    value = int(number)
    if value >> 2 * _NUMBER_BITS:
        return number
    return f"{value:010d} ({value >> _NUMBER_BITS:03d},{value & 0xFFFF:05d})"
