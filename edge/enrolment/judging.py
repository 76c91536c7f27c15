"""Several examined pictures of one person -> a verdict on each, and whether anything is stored. Pure.

The rule of partial acceptance: pictures with a flaw are left out and the others are stored, as long as one is
good; a picture of somebody who is enrolled under another id refuses the whole enrolment. If the pictures show
several persons, it is the one whom more than half of them show.

Who is a duplicate, and who only looks much alike, is a matter of this very gallery: see ``likeness``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge.enrolment.likeness import LikenessRule
from edge.enrolment.verdicts import THUMB_PX, Examination, Finding, PictureVerdict
from models.face import Gallery

# Correlation of the two upright faces: the same picture saved again, cropped or resized has 0.92 and more,
# the most alike of 443 pairs of different pictures of one person has 0.87 (lfw-dev).
_SAME_PICTURE = 0.9
# Two pictures of one person, dlib-resnet: mean 0.414, spread 0.073 (models.face.judgement); 1 in 100 pairs of
# different persons is nearer than 0.61.
_SAME_PERSON_DISTANCE = 0.62

Named = tuple[str, Examination]


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """What is to be done with some pictures of one person.

    Attributes:
        verdicts: One for each picture, in their order.
        templates: Of the pictures that are accepted, (dimensions,) float32 each.
        accepted: Their places among the verdicts.
        refusal: Empty, or why nothing is stored: one line for a person.
        others: Ids of enrolled persons whom the pictures resemble.
    """

    verdicts: tuple[PictureVerdict, ...]
    templates: tuple[NDArray[np.float32], ...]
    accepted: tuple[int, ...]
    refusal: str
    others: tuple[str, ...]


def judge(
    person_id: str,
    pictures: Sequence[Named],
    gallery: Gallery,
    rule: LikenessRule,
    *,
    despite_likeness: bool = False,
) -> Judgement:
    """Judge the pictures of one person against each other and against everybody else.

    Args:
        person_id: Whom they should show; their own earlier templates do not count.
        pictures: (name, examination), in the order in which they were given.
        gallery: Everybody's templates of the same set.
        rule: Who is the same person, and who looks much alike, in this gallery.
        despite_likeness: Enrol although this is, or resembles, somebody enrolled: twins.
    """
    rest = gallery.without_person(person_id)
    verdicts = [_own_verdict(name, examination) for name, examination in pictures]
    _mark_repeated(verdicts, pictures)
    good = [place for place, verdict in enumerate(verdicts) if verdict.is_accepted]
    strangers = _strangers([_template(pictures[place]) for place in good])
    for place, is_stranger in zip(good, strangers, strict=True):
        verdict = _against_others(verdicts[place], _template(pictures[place]), rest, rule)
        if verdict.finding is Finding.DUPLICATE and despite_likeness:
            verdict = replace(verdict, finding=Finding.LOOK_ALIKE)
        elif is_stranger and verdict.finding is not Finding.DUPLICATE:
            verdict = replace(verdict, finding=Finding.OTHER_PERSON, other="", distance=None)
        verdicts[place] = verdict
    accepted = tuple(place for place, verdict in enumerate(verdicts) if verdict.is_accepted)
    return Judgement(
        tuple(verdicts),
        tuple(_template(pictures[place]) for place in accepted),
        accepted,
        _refusal(person_id, verdicts),
        tuple(dict.fromkeys(verdict.other for verdict in verdicts if verdict.other)),
    )


def _template(picture: Named) -> NDArray[np.float32]:
    template = picture[1].template
    if template is None:
        raise ValueError(f"{picture[0]} has no template")
    return template


def _own_verdict(name: str, examination: Examination) -> PictureVerdict:
    return PictureVerdict(name, examination.finding, detail=examination.detail, numbers=examination.numbers)


def _mark_repeated(verdicts: list[PictureVerdict], pictures: Sequence[Named]) -> None:
    """Leave out pictures that repeat an earlier one."""
    seen: list[tuple[str, bytes, NDArray[np.float32]]] = []
    for place, (name, examination) in enumerate(pictures):
        if not verdicts[place].is_accepted:
            continue
        thumb = _standardised(examination.thumb)
        for earlier, digest, other in seen:
            same_file = bool(digest) and digest == examination.digest
            if same_file or float(thumb @ other) >= _SAME_PICTURE:
                verdicts[place] = replace(verdicts[place], finding=Finding.SAME_PICTURE, detail=earlier)
                break
        else:
            seen.append((name, examination.digest, thumb))


def _standardised(thumb: bytes) -> NDArray[np.float32]:
    values = np.frombuffer(thumb, np.uint8).astype(np.float32)
    if len(values) != THUMB_PX**2:
        return np.zeros(THUMB_PX**2, np.float32)
    values -= values.mean()
    return values / (float(np.linalg.norm(values)) or 1.0)


def _strangers(templates: Sequence[NDArray[np.float32]]) -> list[bool]:
    """For each whether it shows somebody else than more than half of them do."""
    if len(templates) < 2:
        return [False] * len(templates)
    stacked = np.stack(templates)
    distances = np.linalg.norm(stacked[:, None] - stacked[None], axis=2)
    alike = distances <= _SAME_PERSON_DISTANCE
    middle = int(alike.sum(axis=1).argmax())
    if alike[middle].sum() * 2 <= len(templates):
        return [True] * len(templates)
    return [not together for together in alike[middle]]


def _against_others(
    verdict: PictureVerdict, template: NDArray[np.float32], rest: Gallery, rule: LikenessRule
) -> PictureVerdict:
    match = rest.match(template)
    finding = rule.finding(match)
    if finding is None or match.subject is None:
        return verdict
    return replace(verdict, finding=finding, other=match.subject, distance=match.distance)


def _refusal(person_id: str, verdicts: Sequence[PictureVerdict]) -> str:
    for verdict in verdicts:
        if verdict.finding is Finding.DUPLICATE:
            return (
                f"{person_id!r} is refused: {verdict.name} shows {verdict.other!r}, who is enrolled"
                f" already (distance {verdict.distance or 0:.2f}); twins: --despite-likeness"
            )
    if not any(verdict.is_accepted for verdict in verdicts):
        return f"nothing was stored for {person_id!r}: no picture can be used"
    return ""
