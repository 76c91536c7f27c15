"""One thing that was looked at."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from edge.records import JsonObject


class Grade(StrEnum):
    """How it is; ``unasked`` where it could not be looked at."""

    GOOD = "good"
    UNASKED = "unasked"
    DOUBTFUL = "doubtful"
    BAD = "bad"


_ORDER = (Grade.GOOD, Grade.UNASKED, Grade.DOUBTFUL, Grade.BAD)


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found.

    Attributes:
        part: What was looked at, as the configuration names it: ``camera north``.
        grade: How it is.
        words: What was seen, one line.
        advice: What to do; empty where nothing need be done. advice_zh: The same in Chinese.
        figures: The numbers behind it, with their units in the names.
    """

    part: str
    grade: Grade
    words: str
    advice: str = ""
    advice_zh: str = ""
    figures: JsonObject = field(default_factory=dict)


def worst(findings: Iterable[Finding]) -> Grade:
    """The worst grade of all; good when there is nothing."""
    return max((finding.grade for finding in findings), key=_ORDER.index, default=Grade.GOOD)
