"""The section ``displays``: LED signs and voice cards of lanes, and what they say.

A template is a line of text with placeholders in braces. A line in which a placeholder has nothing to say is
left out, so ``剩余{days}天`` does not appear for a permit without an end.
"""

import difflib
import string
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from edge.settings_boards import Name, Port, Section

SIMULATED = "simulated"
SignEvent = Literal["idle", "full", "welcome", "farewell", "refused", "prompt", "opened"]
_ALWAYS = ("date", "time", "weekday", "lane", "free")
_VISIT = ("plate", "name", *_ALWAYS)
PLACEHOLDERS: Mapping[str, tuple[str, ...]] = {
    "idle": _ALWAYS,
    "full": _ALWAYS,
    "welcome": ("days", "until", *_VISIT),
    "farewell": ("days", "until", *_VISIT),
    "refused": ("reason", *_VISIT),
    "prompt": ("text", *_ALWAYS),
    "opened": _ALWAYS,
}
"""What each event can say.

``plate``; ``name`` by the option ``names``; ``days`` left of a permit that ends, and the date ``until`` which
it holds; ``reason`` in short words; ``text``: what a person is asked to do; ``free``: spaces, if the platform
tells them; ``date``, ``time``, ``weekday``: now, when the clock is set; ``lane``: its name.
"""


def check_template(event: str, template: str) -> str:
    """See that a template asks only for what its event can say.

    Raises:
        ValueError: One line that names what is wrong, with the word that was probably meant.
    """
    known = PLACEHOLDERS[event]
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        raise ValueError(f"template {template!r}: {error}; write {{{{ for a brace") from None
    for _, name, form, conversion in parts:
        if name is None:
            continue
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            meant = f"; did you mean {{{close[0]}}}?" if close else f"; known here: {', '.join(known)}"
            raise ValueError(f"template {template!r}: unknown placeholder {{{name}}}{meant}")
        if form or conversion:
            raise ValueError(f"template {template!r}: write {{{name}}} without a format")
    if not template.isprintable():
        raise ValueError(f"template {template!r}: holds characters that no card can show")
    return template


class _DisplayBase(Section):
    port: Literal["simulated"] | Port = Field(
        description='Serial port of the card alone, or "simulated" to try texts without one.'
    )
    baud: int = Field(default=9600, ge=1200, le=921_600, description="Of the line.")
    lanes: tuple[Name, ...] = Field(min_length=1, description="Lanes whose events it shows.")
    lines: int = Field(default=4, ge=1, le=8, description="Lines of text on the card.")
    columns: int = Field(
        default=8, ge=4, le=64, description="Half-width characters of a line; a Chinese one takes two."
    )
    gap_ms: int = Field(default=200, ge=50, le=2000, description="Pause between two frames.")
    language: Literal["zh", "en"] = Field(default="zh", description="Of the texts that are not given here.")
    show_s: float = Field(default=10.0, ge=2, le=120, description="How long an event stands.")
    speaks: bool = Field(default=True, description="False: shows and says nothing.")
    quiet: str | None = Field(
        default=None,
        pattern=r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$",
        description='Hours without voice, as in "22:00-07:00".',
    )
    names: Literal["none", "masked", "full"] = Field(
        default="none", description="What {name} says: nothing, the family name (王**), or the whole name."
    )
    templates: dict[SignEvent, tuple[str, ...]] = Field(
        default_factory=dict, description="Lines for an event, instead of ours."
    )
    voices: dict[SignEvent, str] = Field(
        default_factory=dict, description="Sentence for an event, instead of ours; empty: none."
    )

    @field_validator("templates")
    @classmethod
    def _lines_are_known(cls, given: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        problems = [problem for event, lines in given.items() for problem in _faults(event, lines)]
        if problems:
            raise ValueError("; ".join(problems))
        return given

    @field_validator("voices")
    @classmethod
    def _sentences_are_known(cls, given: dict[str, str]) -> dict[str, str]:
        problems = [problem for event, text in given.items() for problem in _faults(event, (text,))]
        if problems:
            raise ValueError("; ".join(problems))
        return given

    @model_validator(mode="after")
    def _lines_fit(self) -> Self:
        for event, lines in self.templates.items():
            if len(lines) > self.lines:
                raise ValueError(f"templates.{event} has {len(lines)} lines, the card has {self.lines}")
        return self


def _faults(event: str, templates: tuple[str, ...]) -> list[str]:
    problems = []
    for template in templates:
        try:
            check_template(event, template)
        except ValueError as error:
            problems.append(f"{event}: {error}")
    return problems


class FkDisplay(_DisplayBase):
    """FK ("方控", OLM) display and voice card."""

    type: Literal["fk"] = "fk"
    address: int = Field(default=0, ge=0, le=255, description="Of the card; 0 on a line with one card.")
    volume: int | None = Field(default=None, ge=0, le=100, description="Percent; not given: as it was set.")
    volume_steps: int = Field(default=100, ge=1, le=255, description="What this card calls full volume.")
    interrupts: bool = Field(
        default=True, description="A new sentence ends the one being said; false for cards that cannot."
    )


class KfDisplay(_DisplayBase):
    """KF ("AA 55") display and voice card."""

    type: Literal["kf"] = "kf"
    address: int = Field(default=100, ge=0, le=255, description="Of the card: 100 entry, 101 exit.")
    speech: Literal["phrases", "text", "chip"] = Field(
        default="phrases", description="Its recorded phrases, any text, or a speech chip on the same line."
    )


DisplaySettings = Annotated[FkDisplay | KfDisplay, Field(discriminator="type")]
AnyDisplay = FkDisplay | KfDisplay


def display_faults(displays: Mapping[str, AnyDisplay]) -> list[str]:
    """One line per fault between cards that share a line."""
    problems = []
    first: dict[str, str] = {}
    places: dict[tuple[str, str, int], str] = {}
    for name, display in displays.items():
        if display.port == SIMULATED:
            continue
        other = first.setdefault(display.port, name)
        if displays[other].baud != display.baud:
            problems.append(f"displays.{name}.baud: {other!r} on the same line has another")
        place = (display.port, display.type, display.address)
        taken = places.setdefault(place, name)
        if taken != name:
            problems.append(
                f"displays.{name}.address: {display.address} is taken by {taken!r} on the same line"
            )
    return problems
