"""From an event to the lines on a card and the sentence it says. Pure."""

import math
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from drivers.display import Colour
from drivers.display.text import cells, fit
from edge.access import Person
from edge.clock import NS_PER_S
from edge.records import JsonObject, Reason, Verdict
from edge.settings_signs import AnyDisplay
from edge.signs.texts import CHOICES, MONTHS, REASONS, TEMPLATES, VOICES, WAIT, WEEKDAYS, Language

_DAY_S = 86_400
_BETWEEN = " ,\uff0c"  # what stands between a plate that is not there and the rest
_COLOURS: Mapping[str, Colour] = {
    "idle": Colour.RED,
    "full": Colour.RED,
    "welcome": Colour.GREEN,
    "farewell": Colour.GREEN,
    "opened": Colour.GREEN,
    "refused": Colour.RED,
    "prompt": Colour.YELLOW,
}


@dataclass(frozen=True, slots=True)
class Message:
    """What a card shall show and say.

    Attributes:
        key: Two messages with one key are the same showing, which is not said twice.
        lines: At most as many as the card has; speech: empty for none.
    """

    key: str
    lines: tuple[str, ...]
    colour: Colour
    speech: str = ""


def compose(display: AnyDisplay, event: str, values: Mapping[str, str], key: str = "") -> Message:
    """Lines and sentence of an event on a card.

    Args:
        display: The card's section.
        event: Of ``edge.settings_signs.SignEvent``.
        values: What there is to say by placeholder; an empty one leaves its line out.
        key: See ``Message``.
    """
    templates = display.templates.get(event) or TEMPLATES[display.language][event]  # type: ignore[call-overload]
    voice = VOICES[display.language].get(event, "")
    voice = display.voices.get(event, voice)  # type: ignore[call-overload]
    said = [text for template in templates if (text := fill(template, values))]
    speech = fill(voice, values, leaves_out=False) if display.speaks else ""
    return Message(key, lay_out(said, display.lines, display.columns), _COLOURS[event], speech)


def fill(template: str, values: Mapping[str, str], *, leaves_out: bool = True) -> str:
    """The text of a template; empty when a placeholder has nothing to say.

    Args:
        template: Checked when the configuration was read.
        values: By placeholder.
        leaves_out: False: what is missing is simply not said, with the comma before it.
    """
    names = [name for _, name, _, _ in string.Formatter().parse(template) if name]
    if leaves_out and not all(values.get(name) for name in names):
        return ""
    text = template.format_map({name: values.get(name, "") for name in names})
    return text if leaves_out else text.strip(_BETWEEN)


def lay_out(texts: Sequence[str], rows: int, columns: int) -> tuple[str, ...]:
    """Lines of a card: a text too long for a line goes on in the next one, while lines are left.

    What even then does not fit stays one long line, which the card scrolls.
    """
    spare = rows - len(texts)
    lines: list[str] = []
    for text in texts:
        parts = _wrapped(text, columns)
        if 1 < len(parts) <= spare + 1:
            spare -= len(parts) - 1
            lines += parts
        else:
            lines.append(text)
    return tuple(lines[:rows])


def _wrapped(text: str, columns: int) -> list[str]:
    parts: list[str] = []
    rest = text
    while cells(rest) > columns:
        head = fit(rest, columns)
        at = head.rfind(" ")
        # English breaks between words, Chinese anywhere.
        if at > 0 and rest[len(head) - 1 : len(head) + 1].isascii() and not rest[len(head)].isspace():
            head = head[:at]
        parts.append(head.strip())
        rest = rest[len(head) :].strip()
    return [*parts, rest]


def now_values(
    utc_ns: int, is_known: bool, language: Language, zone: tzinfo | None = None
) -> Mapping[str, str]:
    """``date``, ``time`` and ``weekday``; empty when the clock is not set: none is better than a wrong one.

    Args:
        utc_ns: Now.
        is_known: Whether the clock was ever set.
        language: Of the words.
        zone: Local time zone; None: the machine's.
    """
    if not is_known:
        return {"date": "", "time": "", "weekday": ""}
    now = datetime.fromtimestamp(utc_ns // NS_PER_S, UTC).astimezone(zone)
    date = f"{now.month}月{now.day}日" if language == "zh" else f"{now.day} {MONTHS[now.month - 1]}"
    return {"date": date, "time": f"{now:%H:%M}", "weekday": WEEKDAYS[language][now.weekday()]}


def permit_values(
    person: Person | None, utc_ns: int, is_known: bool, language: Language
) -> Mapping[str, str]:
    """``days`` left and the date ``until`` which a permit holds; empty without an end."""
    end_s = person.valid_to_utc_s if person is not None else None
    left_s = end_s - utc_ns // NS_PER_S if end_s is not None and is_known else 0
    if end_s is None or left_s <= 0:
        return {"days": "", "until": ""}
    until = now_values((end_s - 1) * NS_PER_S, True, language)["date"]
    return {"days": str(math.ceil(left_s / _DAY_S)), "until": until}


def shown_name(name: str, how: str) -> str:
    """A name as the option ``names`` allows it.

    >>> shown_name("王小丽", "masked"), shown_name("Anna", "masked"), shown_name("王", "none")
    ('王**', 'A***', '')
    """
    if how == "none" or not name:
        return ""
    return name if how == "full" else name[0] + "*" * (min(len(name), 4) - 1)


def reason_words(reason: str, language: Language, data: JsonObject | None = None) -> str:
    """A reason in short words."""
    choice = CHOICES[language]
    try:
        return REASONS[Reason(reason)][choice]
    except (KeyError, ValueError):
        return str((data or {}).get(f"reason_{language}") or WAIT[choice])


def event_of(access: JsonObject, direction: str) -> tuple[str, str] | None:
    """What an access event means for the people before a sign: the sign's event, and a reason.

    Args:
        access: Data of ``access.decided``: what was decided, and whether the lane has taken it.
        direction: Of the lane.
    """
    if access.get("result") == "dry_run":
        return None
    if access.get("verdict") == Verdict.DENY.value:
        return "refused", str(access["reason"])
    if access.get("result") != "accepted":
        return "refused", str(access.get("result"))
    if access.get("reason") != Reason.PERMIT.value:
        return "opened", ""
    return ("farewell" if direction == "out" else "welcome"), ""


def plate_of(access: JsonObject) -> str:
    """The plate to show: the one that was matched, else the one that was read."""
    if access.get("kind") != "plate":
        return ""
    return str(access.get("credential") or (access.get("evidence") or {}).get("subject") or "")


def is_quiet(hours: str | None, time: str) -> bool:
    """Whether a time of day lies in hours like ``22:00-07:00``; an unknown time does not.

    >>> is_quiet("22:00-07:00", "06:59"), is_quiet("22:00-07:00", "07:00"), is_quiet("12:00-14:00", "13:00")
    (True, False, True)
    """
    if not hours or not time:
        return False
    start, _, end = hours.partition("-")
    return start <= time < end if start <= end else time >= start or time < end
