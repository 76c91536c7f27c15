"""Who is known, as of one moment, and the rule by which a face speaks for one of them."""

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.access import Roster
from edge.access.pins import PinDigest
from edge.evidence.faces import FIXED_RULE
from edge.records import JsonObject
from edge.settings import DecisionSettings, LaneSettings
from models.face import Asked, FaceRule, Gallery, Measure, ask
from models.face.distances import EXACT, PairDistances


@dataclass(frozen=True, slots=True)
class Known:
    """Who may pass, as of one moment: swapped as a whole."""

    roster: Roster
    gallery: Gallery
    rule: FaceRule = FIXED_RULE
    pins: Mapping[str, PinDigest] = field(default_factory=dict)
    lane_rules: Mapping[str, FaceRule] = field(default_factory=dict)

    def rule_at(self, lane: str) -> FaceRule:
        """The rule of a lane: made for those it may admit, where these are not everybody."""
        return self.lane_rules.get(lane, self.rule)

    def expected(self) -> JsonObject:
        """What to expect of face recognition with this gallery, for people and for the platform."""
        return {
            "persons": len(self.gallery.names),
            "templates": self.gallery.size,
            "everywhere": _expected(self.rule),
            "lanes": {lane: _expected(rule) for lane, rule in self.lane_rules.items()},
        }


def _expected(rule: FaceRule) -> JsonObject:
    """The numbers of a rule; the sentence only where it follows from a gallery."""
    numbers: dict[str, Any] = {
        "persons": rule.persons,
        "measure": rule.measure.value,
        "limit": round(rule.threshold, 4),
        "margin": rule.margin,
    }
    if math.isfinite(rule.recall):
        english, chinese = rule.sentence()
        numbers |= {
            "rate": rule.rate,
            "single_pictures": round(rule.recall, 3),
            "visits": round(rule.visit_recall, 3),
            "sentence": english,
            "sentence_zh": chinese,
        }
    return numbers


def face_rule(gallery: Gallery, decision: DecisionSettings, pairs: PairDistances = EXACT) -> FaceRule:
    """When a visit's reads speak for a resident: calibrated on the gallery, or fixed by the configuration.

    Args:
        gallery: Everybody's templates.
        decision: What is wanted.
        pairs: What is known of distances between templates of the configured embedder.
    """
    return FaceRules(pairs).rule_for(gallery, decision)


class FaceRules:
    """Makes the rules for a gallery. The gallery is asked once only: asking a large one takes seconds.

    Thread: one at a time.
    """

    def __init__(self, pairs: PairDistances = EXACT) -> None:
        self._pairs = pairs
        self._asked: Asked | None = None
        self._made: dict[tuple[float, float, frozenset[str] | None], FaceRule] = {}

    def rule_for(
        self,
        gallery: Gallery,
        decision: DecisionSettings,
        rate: float | None = None,
        among: frozenset[str] | None = None,
    ) -> FaceRule:
        """See ``face_rule``.

        Args:
            gallery: Everybody's templates.
            decision: What is wanted.
            rate: Strangers accepted for each attempt, instead of the decision's.
            among: Whom a lane may admit; everybody when None.
        """
        if decision.face_distance is not None:
            return FaceRule(Measure.DISTANCE, decision.face_distance, decision.face_margin)
        asked = self.asked(gallery)
        wanted = (rate or decision.face_false_accepts, decision.face_margin, among)
        if wanted not in self._made:
            self._made[wanted] = asked.rule(*wanted, of_visits=True)
        return self._made[wanted]

    def asked(self, gallery: Gallery) -> Asked:
        """What the gallery says to strangers."""
        if self._asked is None or self._asked.gallery is not gallery:
            self._asked, self._made = ask(gallery, self._pairs), {}
        return self._asked

    def lane_rules(
        self, gallery: Gallery, roster: Roster, decision: DecisionSettings, lanes: Mapping[str, LaneSettings]
    ) -> dict[str, FaceRule]:
        """Rules of the lanes that need one of their own: for their rate, or for the few they admit."""
        rules = {}
        for name, lane in lanes.items():
            if "face" not in lane.accepts or decision.face_distance is not None:
                continue
            admitted = frozenset(
                person
                for person in gallery.names
                if person in roster.persons and roster.persons[person].is_for(name, lane.zones)
            )
            among = admitted if len(admitted) < len(gallery.names) else None
            if among is not None or lane.face_false_accepts is not None:
                rules[name] = self.rule_for(gallery, decision, lane.face_false_accepts, among)
        return rules


def templates_mark(pairs: Iterable[tuple[str, NDArray[np.float32]]]) -> bytes:
    """Changes whenever a template of anybody does."""
    mark = hashlib.sha256()
    for person, template in pairs:
        mark.update(person.encode() + b"\0" + template.tobytes())
    return mark.digest()
