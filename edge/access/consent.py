"""The separate consent that face recognition needs: what it must say, and whether it does. Pure.

Who consented, when, to which text, over which channel; for a child under 14 the guardian, by name and
relation (PIPL, article 31). The birth date decides about that and is forgotten: only the answer is recorded.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any

from edge.errors import ConsentMissing
from edge.records import JsonObject

MAJORITY_YEARS = 14
"""Below this age it is the guardian who consents."""

_LONGEST_TEXT = 100
_FIELDS = frozenset(
    {"who", "when", "text_version", "channel", "birth", "under_14", "guardian", "keep_pictures"}
    | {"passage_pictures"}
)
PASSAGE_PICTURES = ("no", "keep", "send")
"""What a consent may say about pictures of the face at each passage."""


@dataclass(frozen=True, slots=True)
class Consent:
    """A person's separate consent to be recognised by face.

    Attributes:
        who: Who gave it, by name: the person, or for a child under 14 the guardian.
        when_utc_s: When, seconds since 1970.
        text_version: Version of the text that was shown.
        channel: Where: "paper", "kiosk", "app", ...
        under_14: Whether the person was a child under 14 then.
        guardian, relation: Of such a child: name, and "mother", "guardian", ...
        keep_pictures: Whether the pictures themselves may be kept, sealed, to be described again when the
            network changes. Otherwise they are dropped as soon as the templates are made.
        passage_pictures: Whether a picture of the face may be kept of each passage: "no"; "keep", sealed on
            the box; "send", and the platform may have it too. The box does so only where it is configured.
    """

    who: str
    when_utc_s: int
    text_version: str
    channel: str
    under_14: bool = False
    guardian: str = ""
    relation: str = ""
    keep_pictures: bool = False
    passage_pictures: str = "no"


def check_consent(person_id: str, consent: Consent) -> None:
    """Refuse a consent that does not say all it must.

    Raises:
        ConsentMissing: One line that says what is missing.
    """
    if not (consent.who and consent.text_version and consent.channel):
        raise ConsentMissing(
            f"consent of {person_id!r} must say who gave it, to which text version, and where"
        )
    if consent.under_14 and not (consent.guardian and consent.relation):
        raise ConsentMissing(
            f"{person_id!r} is under {MAJORITY_YEARS}: the consent must name the guardian and the relation"
        )
    if consent.passage_pictures not in PASSAGE_PICTURES:
        raise ConsentMissing(
            f"consent of {person_id!r}: passage_pictures {consent.passage_pictures!r} is none of"
            f" {', '.join(PASSAGE_PICTURES)}"
        )


def consent_from_json(document: JsonObject, person_id: str, now_utc_s: int) -> Consent:
    """A consent as a message writes it.

    ``{"who": "王丽", "when": 1795000000, "text_version": "v3", "channel": "app", "under_14": false}``; a
    ``birth`` ("2015-04-01") may stand for ``under_14``; ``guardian`` is ``{"name": ..., "relation": ...}``.

    Args:
        document: The JSON object.
        person_id: Whose consent it is.
        now_utc_s: Now; a consent cannot come from the future.

    Raises:
        ConsentMissing: One line that says what is missing or wrong.
    """
    where = f"consent of {person_id!r}"
    for name in document:
        if name not in _FIELDS:
            raise ConsentMissing(f"{where}: unknown field {name!r}; known are {', '.join(sorted(_FIELDS))}")
    when_utc_s = document.get("when")
    if not isinstance(when_utc_s, int) or isinstance(when_utc_s, bool) or not 0 < when_utc_s < 1 << 40:
        raise ConsentMissing(f"{where}: when {when_utc_s!r} is not seconds since 1970")
    if when_utc_s > now_utc_s + 86_400:
        raise ConsentMissing(f"{where}: when lies in the future")
    guardian = document.get("guardian", {})
    if not isinstance(guardian, dict) or not set(guardian) <= {"name", "relation"}:
        raise ConsentMissing(f"{where}: guardian is not an object of name and relation")
    consent = Consent(
        who=_text(document, where, "who"),
        when_utc_s=when_utc_s,
        text_version=_text(document, where, "text_version"),
        channel=_text(document, where, "channel"),
        under_14=_is_child(document, where, date.fromtimestamp(when_utc_s)),  # noqa: DTZ012 - a local day
        guardian=_text(guardian, where, "name", default=""),
        relation=_text(guardian, where, "relation", default=""),
        keep_pictures=_flag(document, where, "keep_pictures", default=False),
        passage_pictures=_text(document, where, "passage_pictures", default="no"),
    )
    check_consent(person_id, consent)
    return consent


def consent_to_json(consent: Consent) -> dict[str, Any]:
    """The inverse of ``consent_from_json``."""
    document: dict[str, Any] = {
        "who": consent.who,
        "when": consent.when_utc_s,
        "text_version": consent.text_version,
        "channel": consent.channel,
        "under_14": consent.under_14,
        "keep_pictures": consent.keep_pictures,
    }
    if consent.passage_pictures != "no":
        document["passage_pictures"] = consent.passage_pictures
    if consent.guardian:
        document["guardian"] = {"name": consent.guardian, "relation": consent.relation}
    return document


def is_under_14(birth: date, on: date) -> bool:
    """Whether somebody is still a child then; a year of life is complete only on the day after the birthday.

    >>> [is_under_14(date(2012, 11, 23), date(2026, 11, day)) for day in (23, 24)]
    [True, False]
    """
    year = birth.year + MAJORITY_YEARS
    try:
        birthday = birth.replace(year=year)
    except ValueError:  # born on the 29th of February
        birthday = date(year, 3, 1)
    return on <= birthday


def _is_child(document: JsonObject, where: str, on: date) -> bool:
    if "birth" not in document:
        if "under_14" not in document:
            raise ConsentMissing(f"{where}: say under_14 (true or false) or birth; a child needs a guardian")
        return _flag(document, where, "under_14", default=False)
    try:
        birth = date.fromisoformat(_text(document, where, "birth"))
    except ValueError:
        raise ConsentMissing(f"{where}: birth {document['birth']!r} is not a day like 2015-04-01") from None
    if birth > on:
        raise ConsentMissing(f"{where}: birth lies after the consent")
    child = is_under_14(birth, on)
    if "under_14" in document and _flag(document, where, "under_14", default=False) != child:
        raise ConsentMissing(f"{where}: birth and under_14 contradict each other")
    return child


def _text(document: JsonObject, where: str, name: str, default: str | None = None) -> str:
    value = document.get(name, default)
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT or not value.isprintable():
        raise ConsentMissing(f"{where}: {name} {value!r} is not a text of at most {_LONGEST_TEXT} characters")
    return value.strip()


def _flag(document: JsonObject, where: str, name: str, *, default: bool) -> bool:
    value = document.get(name, default)
    if not isinstance(value, bool):
        raise ConsentMissing(f"{where}: {name} {value!r} is not true or false")
    return value
