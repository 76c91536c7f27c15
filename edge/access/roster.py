"""Who may pass: persons with their permits and plates, and those who may not, as one immutable snapshot.

A roster never changes; a change is another roster with a higher revision, swapped in by one assignment.
Templates are not in it: the gallery (``models.face``) holds them, and both name a person by the same id.
Pure.
"""

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any, TypeVar

from edge.access.cards import card_text
from edge.errors import UsageError
from edge.records import JsonObject
from models.plate.grammar import parse_plate

T = TypeVar("T")

_PERSON_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_NAME = re.compile(r"[a-z0-9-]{1,40}")
_LONGEST_TEXT = 100


class DenyKind(StrEnum):
    """What a deny entry is about."""

    PERSON = "person"
    PLATE = "plate"
    QR = "qr"


@dataclass(frozen=True, slots=True)
class Person:
    """One person and what they hold.

    Attributes:
        id: Stable, given by whoever keeps the roster; the subject of every event about this person.
        name, room: For people to read.
        valid_from_utc_s, valid_to_utc_s: Seconds since 1970, from inclusive, to exclusive; None: no limit.
        lanes: Names of lanes this person may pass; empty together with ``zones``: every lane.
        zones: Names of zones; any lane that leads to one of them may be passed.
        plates: Normalised.
        cards: Numbers of cards, in decimal (``edge.access.cards``).
        group: Free word ("resident", "staff", ...) for reports and later rules.
    """

    id: str
    name: str
    room: str = ""
    valid_from_utc_s: int | None = None
    valid_to_utc_s: int | None = None
    lanes: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    plates: tuple[str, ...] = ()
    group: str = "resident"
    cards: tuple[str, ...] = ()

    def is_for(self, lane: str, zones: Sequence[str]) -> bool:
        """Whether the permit names this lane or a zone it leads to, or nothing at all."""
        if not self.lanes and not self.zones:
            return True
        return lane in self.lanes or not set(zones).isdisjoint(self.zones)

    @property
    def has_dates(self) -> bool:
        """Whether the permit can only be judged with a clock that is set."""
        return self.valid_from_utc_s is not None or self.valid_to_utc_s is not None


@dataclass(frozen=True, slots=True)
class DenyEntry:
    """A person (by id), a plate (normalised) or a QR pass (by its jti) that never opens anything."""

    kind: DenyKind
    value: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Roster:
    """Everybody, at one revision.

    Attributes:
        persons: By id.
        by_plate: Persons by normalised plate; a family car belongs to several.
        plates: The keys of ``by_plate``, as the set that plate matching wants.
        by_card: Persons by card number, as readers say it.
        deny: As given; ``denied_persons``, ``denied_plates``, ``denied_passes`` are their values by kind.
        set_revs: Revisions of the platform's sets that lie over it, by name (``edge.store.scope_layer``).
    """

    rev: int = 0
    persons: Mapping[str, Person] = field(default_factory=lambda: MappingProxyType({}))
    by_plate: Mapping[str, tuple[Person, ...]] = field(default_factory=lambda: MappingProxyType({}))
    plates: frozenset[str] = frozenset()
    deny: tuple[DenyEntry, ...] = ()
    denied_persons: frozenset[str] = frozenset()
    denied_plates: frozenset[str] = frozenset()
    denied_passes: frozenset[str] = frozenset()
    by_card: Mapping[str, tuple[Person, ...]] = field(default_factory=lambda: MappingProxyType({}))
    set_revs: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def of(cls, rev: int, persons: Sequence[Person], deny: Sequence[DenyEntry] = ()) -> "Roster":
        """Build the indexes.

        Raises:
            UsageError: Two persons have one id.
        """
        by_id: dict[str, Person] = {}
        by_plate: dict[str, tuple[Person, ...]] = {}
        by_card: dict[str, tuple[Person, ...]] = {}
        for person in persons:
            if person.id in by_id:
                raise UsageError(f"person {person.id!r} is in the roster twice")
            by_id[person.id] = person
            for plate in person.plates:
                by_plate[plate] = (*by_plate.get(plate, ()), person)
            for card in person.cards:
                by_card[card] = (*by_card.get(card, ()), person)
        return cls(
            rev,
            MappingProxyType(by_id),
            MappingProxyType(by_plate),
            frozenset(by_plate),
            tuple(deny),
            frozenset(entry.value for entry in deny if entry.kind is DenyKind.PERSON),
            frozenset(entry.value for entry in deny if entry.kind is DenyKind.PLATE),
            frozenset(entry.value for entry in deny if entry.kind is DenyKind.QR),
            MappingProxyType(by_card),
        )


def without(roster: Roster, ids: Collection[str]) -> Roster:
    """The roster without some persons; much cheaper than building it again."""
    return with_changes(roster, ids, ()) if any(i in roster.persons for i in ids) else roster


def with_changes(roster: Roster, gone: Collection[str], come: Sequence[Person]) -> Roster:
    """The roster without some persons and with others, who take the place of those of the same id."""
    leaving = {*gone, *(person.id for person in come)} & roster.persons.keys()
    left = [roster.persons[person_id] for person_id in leaving]
    persons = _copied(roster.persons)
    for person in left:
        del persons[person.id]
    persons.update((person.id, person) for person in come)
    by_plate = _indexed(roster.by_plate, left, come, lambda person: person.plates)
    by_card = _indexed(roster.by_card, left, come, lambda person: person.cards)
    return replace(
        roster,
        persons=MappingProxyType(persons),
        by_plate=by_plate,
        plates=roster.plates if by_plate is roster.by_plate else _plates(roster, by_plate, left, come),
        by_card=by_card,
    )


def _plates(
    roster: Roster, by_plate: Mapping[str, tuple[Person, ...]], left: Sequence[Person], come: Sequence[Person]
) -> frozenset[str]:
    gone = {plate for person in left for plate in person.plates if plate not in by_plate}
    return (roster.plates - gone) | {plate for person in come for plate in person.plates}


def _copied(mapping: Mapping[str, T]) -> dict[str, T]:
    """A dictionary of its own; a proxy copies itself five times faster than ``dict`` copies a proxy."""
    return mapping.copy() if isinstance(mapping, MappingProxyType) else dict(mapping)


def _indexed(
    index: Mapping[str, tuple[Person, ...]],
    left: Sequence[Person],
    come: Sequence[Person],
    keys_of: Callable[[Person], tuple[str, ...]],
) -> Mapping[str, tuple[Person, ...]]:
    if not any(keys_of(person) for person in (*left, *come)):
        return index
    found = _copied(index)
    ids = {person.id for person in left}
    for key in {key for person in left for key in keys_of(person)}:
        owners = tuple(person for person in found.pop(key) if person.id not in ids)
        if owners:
            found[key] = owners
    for person in come:
        for key in keys_of(person):
            found[key] = (*found.get(key, ()), person)
    return MappingProxyType(found)


def plate_text(text: str) -> str:
    """The one written form of a plate that somebody typed.

    Raises:
        UsageError: It is no plate.
    """
    plate = parse_plate(text)
    if plate is None:
        raise UsageError(f"plate {text!r} is no plate under GA 36")
    return plate.text


def person_from_json(document: JsonObject, *, plates_are_checked: bool = False) -> Person:
    """A person as commands, MQTT and files write them; plates may be typed in any form.

    Args:
        document: The JSON object.
        plates_are_checked: They were written by ``person_to_json`` from a checked person, so the grammar need
            not be asked again: most of the time that reading 100,000 persons takes.

    Raises:
        UsageError: One line that names the person, the field, and what is wrong with it.
    """
    person_id = document.get("id")
    if not isinstance(person_id, str) or not _PERSON_ID.fullmatch(person_id):
        raise UsageError(f"person id {person_id!r} is not 1 to 64 letters, digits, '.', '_' or '-'")
    where = f"person {person_id!r}"
    _only(document, where, _PERSON_FIELDS)
    valid_from, valid_to = (_seconds(document, where, name) for name in ("valid_from", "valid_to"))
    if valid_from is not None and valid_to is not None and valid_from >= valid_to:
        raise UsageError(f"{where}: valid_from is not before valid_to")
    plates, cards = _texts(document, where, "plates"), _texts(document, where, "cards")
    if not plates_are_checked:
        try:
            plates = tuple(dict.fromkeys(plate_text(text) for text in plates))
            cards = tuple(dict.fromkeys(card_text(text) for text in cards))
        except UsageError as error:
            raise UsageError(f"{where}: {error}") from None
    return Person(
        id=person_id,
        name=_text(document, where, "name", default=""),
        room=_text(document, where, "room", default=""),
        valid_from_utc_s=valid_from,
        valid_to_utc_s=valid_to,
        lanes=_names(document, where, "lanes"),
        zones=_names(document, where, "zones"),
        plates=plates,
        group=_text(document, where, "group", default="resident"),
        cards=cards,
    )


def person_to_json(person: Person) -> dict[str, Any]:
    """The inverse of ``person_from_json``; what is at its default is left out."""
    document: dict[str, Any] = {
        "id": person.id,
        "name": person.name,
        "room": person.room,
        "valid_from": person.valid_from_utc_s,
        "valid_to": person.valid_to_utc_s,
        "lanes": list(person.lanes),
        "zones": list(person.zones),
        "plates": list(person.plates),
        "group": person.group,
        "cards": list(person.cards),
    }
    # A limit of 0 s is a limit; only what is absent or empty may be left out.
    return {name: value for name, value in document.items() if value not in (None, "", []) or name == "group"}


def deny_from_json(document: JsonObject) -> DenyEntry:
    """A deny entry; a plate may be typed in any form.

    Raises:
        UsageError: One line that says what is wrong.
    """
    _only(document, "deny entry", ("kind", "value", "reason"))
    try:
        kind = DenyKind(_text(document, "deny entry", "kind"))
    except ValueError:
        raise UsageError(f"deny entry: kind {document.get('kind')!r} is not person, plate or qr") from None
    value = _text(document, "deny entry", "value")
    if kind is DenyKind.PLATE:
        value = plate_text(value)
    elif not _PERSON_ID.fullmatch(value):
        raise UsageError(f"deny entry: {value!r} is no id of a {kind.value}")
    return DenyEntry(kind, value, _text(document, "deny entry", "reason", default=""))


def deny_to_json(entry: DenyEntry) -> dict[str, Any]:
    """The inverse of ``deny_from_json``."""
    return {"kind": entry.kind.value, "value": entry.value, "reason": entry.reason}


def roster_from_json(text: str | bytes | JsonObject) -> Roster:
    """A whole roster: ``{"rev": 7, "persons": [...], "deny": [...]}``.

    Raises:
        UsageError: One line that says what is wrong; nothing is taken over in part.
    """
    document = _parsed(text)
    _only(document, "roster", ("rev", "persons", "deny"))
    rev = document.get("rev", 0)
    if not isinstance(rev, int) or isinstance(rev, bool) or rev < 0:
        raise UsageError(f"roster: rev {rev!r} is not a whole number from 0")
    persons = [person_from_json(item) for item in _objects(document, "persons")]
    return Roster.of(rev, persons, [deny_from_json(item) for item in _objects(document, "deny")])


def roster_to_json(roster: Roster) -> dict[str, Any]:
    """The inverse of ``roster_from_json``."""
    return {
        "rev": roster.rev,
        "persons": [person_to_json(person) for person in roster.persons.values()],
        "deny": [deny_to_json(entry) for entry in roster.deny],
    }


_PERSON_FIELDS = (
    "id",
    "name",
    "room",
    "valid_from",
    "valid_to",
    "lanes",
    "zones",
    "plates",
    "group",
    "cards",
)


def _parsed(text: str | bytes | JsonObject) -> JsonObject:
    if isinstance(text, Mapping):
        return text
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"roster: not JSON: {error}") from error
    if not isinstance(document, dict):
        raise UsageError("roster: not a JSON object")
    return document


def _only(document: JsonObject, where: str, known: tuple[str, ...]) -> None:
    for name in document:
        if name not in known:
            raise UsageError(f"{where}: unknown field {name!r}; known are {', '.join(known)}")


def _text(document: JsonObject, where: str, name: str, default: str | None = None) -> str:
    value = document.get(name, default)
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT or not value.isprintable():
        raise UsageError(f"{where}: {name} {value!r} is not a text of at most {_LONGEST_TEXT} characters")
    return value


def _seconds(document: JsonObject, where: str, name: str) -> int | None:
    value = document.get(name)
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 40):
        return value
    raise UsageError(f"{where}: {name} {value!r} is not seconds since 1970")


def _texts(document: JsonObject, where: str, name: str) -> tuple[str, ...]:
    value = document.get(name, ())
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise UsageError(f"{where}: {name} is not a list")
    for item in value:
        if not isinstance(item, str):
            raise UsageError(f"{where}: {name} holds {item!r}, which is not a text")
    return tuple(value)


def _names(document: JsonObject, where: str, name: str) -> tuple[str, ...]:
    values = _texts(document, where, name)
    for value in values:
        if not _NAME.fullmatch(value):
            raise UsageError(f"{where}: {name} holds {value!r}; names are a-z, 0-9 and '-'")
    return tuple(dict.fromkeys(values))


def _objects(document: JsonObject, name: str) -> list[JsonObject]:
    value = document.get(name, ())
    if not isinstance(value, Sequence) or not all(isinstance(item, Mapping) for item in value):
        raise UsageError(f"roster: {name} is not a list of objects")
    return list(value)
