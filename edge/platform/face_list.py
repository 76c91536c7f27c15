"""A list of faces to be published, as an operator writes it; and the faces that a set has already.

    {"faces": [{"person": "wang-li", "pictures": ["wang-li/1.jpg", "wang-li/2.jpg"],
                "consent": {"who": "王丽", "when": 1795000000, "text_version": "v3", "channel": "app",
                            "under_14": false}}]}

Paths are seen from the folder in which the list lies. The consent is that of the command ``enrol``.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edge.access import Consent, consent_from_json
from edge.errors import ConsentMissing, Unavailable, UsageError, VaultError
from edge.platform.set_table import SetTable
from edge.store.faces import Template
from edge.store.items import members_of
from edge.store.scope_layer import read_face
from edge.store.sealing import ContentKey

MOST_PICTURES = 10
_MEMBERS = frozenset(("person", "pictures", "consent"))


@dataclass(frozen=True, slots=True)
class FaceEntry:
    """One person of a list."""

    person: str
    consent: Consent
    pictures: tuple[Path, ...]


def read_face_list(path: Path, now_utc_s: int) -> tuple[FaceEntry, ...]:
    """Read a list; nothing of it is taken when anything is wrong, for a missing consent is no small thing.

    Args:
        path: The file.
        now_utc_s: Now; a consent cannot come from the future.

    Raises:
        Unavailable: It cannot be read.
        ConsentMissing: A consent is missing or incomplete.
        UsageError: One line that says what else is wrong.
    """
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise Unavailable(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: not JSON: {error}") from None
    faces = document.get("faces") if isinstance(document, dict) else None
    if not isinstance(faces, list) or set(document) != {"faces"}:
        raise UsageError(f'{path}: write {{"faces": [{{"person": ..., "consent": ..., "pictures": [...]}}]}}')
    entries = tuple(_entry(path, number, face, now_utc_s) for number, face in enumerate(faces, start=1))
    counts = Counter(entry.person for entry in entries)
    twice = sorted(person for person, count in counts.items() if count > 1)
    if twice:
        raise UsageError(f"{path}: {', '.join(twice[:5])}: twice in the list")
    return entries


def _entry(path: Path, number: int, face: object, now_utc_s: int) -> FaceEntry:
    where = f"{path}: face {number}"
    if not isinstance(face, dict) or not set(face) <= _MEMBERS:
        raise UsageError(f"{where}: members are {', '.join(sorted(_MEMBERS))}")
    person, pictures, consent = face.get("person"), face.get("pictures"), face.get("consent")
    if not isinstance(person, str) or not person:
        raise UsageError(f"{where}: person is missing")
    if not isinstance(pictures, list) or not all(isinstance(name, str) and name for name in pictures):
        raise UsageError(f"{where}: pictures is not a list of paths")
    if not 1 <= len(pictures) <= MOST_PICTURES:
        raise UsageError(f"{where}: {len(pictures)} pictures; 1 to {MOST_PICTURES} are wanted")
    if not isinstance(consent, dict):
        raise ConsentMissing(f"{where}: no consent of {person!r}; no face is published without one")
    try:
        agreed = consent_from_json(consent, person, now_utc_s)
    except ConsentMissing as error:
        raise ConsentMissing(f"{where}: {error}") from None
    return FaceEntry(person, agreed, tuple(path.parent / name for name in pictures))


def standing_faces(table: SetTable, scope: str, name: str) -> Mapping[str, bytes]:
    """Content of every face that a set has, by person; what does not open is left out, to be put anew."""
    key = ContentKey(*table.content_key(scope, name))
    contents: dict[str, bytes] = {}
    for item in table.items(scope, name):
        try:
            contents[item.id] = bytes(key.open(members_of(item.doc)["body"], name, item.id, item.rev))
        except VaultError:
            continue
    return contents


def templates_of(contents: Mapping[str, bytes], now_utc_s: int) -> list[tuple[str, Template]]:
    """(person, template) pairs of faces that a set has."""
    pairs: list[tuple[str, Template]] = []
    for person, plain in contents.items():
        try:
            pairs += [(person, template) for template in read_face(bytearray(plain), person, now_utc_s)]
        except (VaultError, ConsentMissing):
            continue
    return pairs
