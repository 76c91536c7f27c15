"""From the bits of a card to its number: Wiegand 26 and 34 with their parity, anything else as it is. Pure.

A Wiegand frame of n data bits has two more: the first makes the number of ones in the first half even, the
last makes it odd in the second half. The data of 26 bits are facility (8) and number (16), those of 34 bits
16 and 16; both print as ``facility,number``, and both are one whole number, which is what the roster keeps.
Cards of other lengths are taken as one number with all their bits.
"""

from typing import Literal

from drivers.errors import BadReply
from drivers.reader.base import CardRead

CardFormat = Literal["auto", "w26", "w34", "raw"]
ByteOrder = Literal["big", "little"]
_WIEGAND_BITS = {"w26": 26, "w34": 34}
_FEWEST_BITS, _MOST_BITS = 9, 512  # shorter frames are keys of a keypad
_KEYS = "0123456789*#"


def card_number(read: CardRead, form: CardFormat = "auto", order: ByteOrder = "big") -> str:
    """The number of a card in decimal digits, without leading zeros.

    Args:
        read: What the reader said.
        form: ``auto`` goes by the number of bits; ``raw`` takes every bit as data.
        order: Order of the data's bytes; some readers send the last byte first.

    Raises:
        BadReply: Parity does not fit, or this is no card of that form.
    """
    bits, count = read.bits, len(read.bits)
    if not _FEWEST_BITS <= count <= _MOST_BITS or set(bits) - {"0", "1"}:
        raise BadReply(read.reader, f"a card of {count} bits is none")
    wanted = _WIEGAND_BITS.get(form)
    if wanted is not None and count != wanted:
        raise BadReply(read.reader, f"a card of {count} bits; this reader is set to {form}")
    if form != "raw" and count in _WIEGAND_BITS.values():
        bits = _without_parity(read.reader, bits)
    if order == "little":
        if len(bits) % 8:
            raise BadReply(
                read.reader, f"{len(bits)} bits are no whole bytes, so they cannot be turned round"
            )
        value = int.from_bytes(int(bits, 2).to_bytes(len(bits) // 8, "big"), "little")
    else:
        value = int(bits, 2)
    if value == 0:
        raise BadReply(read.reader, "a card of zeros: a wire of the reader is loose or shorted")
    return str(value)


def with_parity(data: str) -> str:
    """Data bits with the two parity bits of Wiegand around them.

    >>> with_parity("110101000001101110000001")
    '11101010000011011100000010'
    """
    half = len(data) // 2
    first = data[:half].count("1") % 2
    last = 1 - data[half:].count("1") % 2
    return f"{first}{data}{last}"


def keys_of(bits: str) -> str:
    """The key in a keypad's frame of 4 bits, or of 8 with the inverse first; empty when it is none.

    >>> keys_of("0111"), keys_of("10000111"), keys_of("1011")
    ('7', '7', '#')
    """
    value = int(bits, 2) if bits else 99
    if len(bits) == 8 and value >> 4 == ~value & 0xF:
        value &= 0xF
    elif len(bits) != 4:
        return ""
    return _KEYS[value] if value < len(_KEYS) else ""


def bits_of(data: bytes, count: int) -> str:
    """The first ``count`` bits of packed bytes, the highest bit first; zeros where bytes are missing."""
    whole = "".join(f"{byte:08b}" for byte in data)
    return whole[:count].ljust(count, "0")


def packed(bits: str) -> bytes:
    """Bits as bytes, the highest bit first, filled up with zeros."""
    filled = bits.ljust(-(-len(bits) // 8) * 8, "0")
    return bytes(int(filled[at : at + 8], 2) for at in range(0, len(filled), 8))


def _without_parity(reader: str, bits: str) -> str:
    data = bits[1:-1]
    if with_parity(data) != bits:
        raise BadReply(reader, f"a card of {len(bits)} bits whose parity does not fit; hold it again")
    return data
