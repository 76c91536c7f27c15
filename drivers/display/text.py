"""Text as lane cards want it: GBK, measured in half-width cells, cut without splitting a character.

A Chinese character fills two cells and takes two bytes; a Latin letter fills one. So the number of GBK bytes
is the number of cells, which is what every one of these cards counts in. Pure.
"""

import codecs

_UNKNOWN = "gatehouse-question-mark"
# What people and other programs type for characters that GBK has in another form.
_LIKE = str.maketrans({"\u30fb": "\u00b7", "\u2022": "\u00b7", "\u2013": "-", "\u00a0": " "})


def _question_mark(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "?" * (error.end - error.start), error.end


codecs.register_error(_UNKNOWN, _question_mark)


def encode(text: str) -> bytes:
    """GBK bytes; line breaks become spaces, and a character that GBK lacks becomes ``?``.

    >>> encode("欢迎").hex()
    'bbb6d3ad'
    """
    return " ".join(text.split("\n")).translate(_LIKE).encode("gbk", _UNKNOWN)


def decode(data: bytes) -> str:
    """Text of GBK bytes; what is none becomes U+FFFD."""
    return data.decode("gbk", "replace")


def cells(text: str) -> int:
    """Half-width cells that a text fills.

    >>> cells("粤B12345")
    8
    """
    return len(encode(text))


def fit(text: str, limit: int) -> str:
    """The text, cut to at most ``limit`` cells; no character is split."""
    used = 0
    for at, character in enumerate(text):
        used += cells(character)
        if used > limit:
            return text[:at]
    return text


def pad(text: str, width: int) -> str:
    """The text in the middle of ``width`` cells; longer texts are cut."""
    shown = fit(text, width)
    spare = width - cells(shown)
    return " " * (spare // 2) + shown + " " * (spare - spare // 2)
