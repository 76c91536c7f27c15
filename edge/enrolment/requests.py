"""The platform's ``enrol`` command taken apart and checked, before anything is done. Pure.

{"person": "wang-li", "name": "王丽", "lanes": [...], "zones": [...], "despite_likeness": false,
 "consent": {"who": ..., "when": ..., "text_version": ..., "channel": ..., "under_14": false},
 "pictures": ["<base64 of a JPEG>", ...]}
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass

from edge.access import Consent, Person, consent_from_json, person_from_json, person_to_json
from edge.errors import ConsentMissing, UsageError
from edge.records import JsonObject

MOST_PICTURES = 10
_FIELDS = frozenset(
    {"person", "name", "room", "lanes", "zones", "consent", "pictures", "despite_likeness", "operator"}
)
_OF_PERSON = ("name", "room", "lanes", "zones")
_JPEG = b"\xff\xd8\xff"


@dataclass(frozen=True, slots=True, eq=False)
class EnrolRequest:
    """One person to be enrolled.

    Attributes:
        person: As they are to stand on the roster; None: as they stand there already.
        pictures: 1 to 10 JPEG files.
        cause: Id of the command. operator: Who ordered it, as the platform says.
    """

    person_id: str
    person: Person | None
    consent: Consent
    pictures: tuple[bytes, ...]
    despite_likeness: bool = False
    cause: str = ""
    operator: str = ""


def enrol_request(
    args: JsonObject, known: Person | None, now_utc_s: int, *, cause: str = "", operator: str = ""
) -> EnrolRequest:
    """Check the arguments of an ``enrol`` command.

    Args:
        args: Of the command.
        known: The person's entry on the roster, if there is one.
        now_utc_s: Now; a consent cannot come from the future.
        cause: Id of the command.
        operator: Who ordered it.

    Raises:
        ConsentMissing: There is no consent, or it does not say all that it must.
        UsageError: One line that says what else is wrong.
    """
    for name in args:
        if name not in _FIELDS:
            raise UsageError(f"enrol: unknown argument {name!r}; known are {', '.join(sorted(_FIELDS))}")
    person = _person(args, known)
    consent = args.get("consent")
    if not isinstance(consent, dict):
        raise ConsentMissing(f"enrol: no consent of {person.id!r} is given; no face is stored without one")
    despite_likeness = args.get("despite_likeness", False)
    if not isinstance(despite_likeness, bool):
        raise UsageError(f"enrol: despite_likeness {despite_likeness!r} is not true or false")
    return EnrolRequest(
        person.id,
        None if person == known else person,
        consent_from_json(consent, person.id, now_utc_s),
        _pictures(args.get("pictures")),
        despite_likeness,
        cause,
        operator,
    )


def _person(args: JsonObject, known: Person | None) -> Person:
    document: dict[str, object] = {"id": args.get("person")}
    if known is not None:
        document = person_to_json(known)
    document |= {name: args[name] for name in _OF_PERSON if name in args}
    return person_from_json(document, plates_are_checked=True)


def _pictures(value: object) -> tuple[bytes, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise UsageError("enrol: pictures is not a list of base64 texts")
    if not 1 <= len(value) <= MOST_PICTURES:
        raise UsageError(f"enrol: {len(value)} pictures; 1 to {MOST_PICTURES} are wanted")
    pictures = []
    for number, text in enumerate(value, start=1):
        try:
            content = base64.b64decode(text, validate=True) if isinstance(text, str) else b""
        except (binascii.Error, ValueError):
            content = b""
        if not content.startswith(_JPEG):
            raise UsageError(f"enrol: picture {number} is no JPEG in base64")
        pictures.append(content)
    return tuple(pictures)
