"""A new network needs new templates: from the pictures that were kept, or from the person once more.

Templates of different networks are different sets and are never compared. The old set stays, so that one can
go back by changing the configuration, until ``gatehouse roster re-embed --drop-old`` deletes it.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from edge.enrolment.verdicts import Examination
from edge.errors import ConsentMissing, VaultError
from edge.store import SetStore

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Backlog:
    """Who has templates, but none of the set that is used now.

    Attributes:
        with_pictures: Ids of those who can be described again from kept pictures.
        without: Ids of those who must enrol again.
    """

    with_pictures: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.with_pictures or self.without)


def backlog(sets: SetStore, set_name: str) -> Backlog:
    """Look for persons whose templates are all of other sets."""
    missing = [person for person, counts in sorted(sets.face_counts().items()) if set_name not in counts]
    kept = [bool(sets.pictures_of(person)) for person in missing]
    return Backlog(
        tuple(person for person, has in zip(missing, kept, strict=True) if has),
        tuple(person for person, has in zip(missing, kept, strict=True) if not has),
    )


def reembed(sets: SetStore, person_id: str, set_name: str, examine: Callable[[bytes], Examination]) -> int:
    """Describe a person again from their kept pictures; returns how many templates that gave.

    None can be used any more, or the consent was taken back meanwhile: 0, and the person must enrol again.
    """
    templates = []
    for picture_id in sets.pictures_of(person_id):
        try:
            content = sets.picture(picture_id, person_id)
        except VaultError as error:
            log.error("a picture of %s is left out: %s", person_id, error)
            continue
        found = examine(content)
        if found.template is not None:
            templates.append(found.template)
    if not templates:
        return 0
    try:
        sets.put_templates(person_id, set_name, templates)
    except ConsentMissing:
        return 0
    finally:
        for template in templates:
            template.fill(0)
    return len(templates)
