"""When are two enrolled persons one, or so much alike that somebody should be told? Pure.

It is asked of the site's own gallery, as the gate's rule is, because people of one community are more alike
than those of a public set. But the gate's own rule will not do: where twins are enrolled it has become so
strict that it tells them apart, and would call no third entry of theirs by its name. So the limit is read
where a few look-alikes do not count, at 10 of 100 strangers, and continued to the wanted rate by the known
slope of the tail: a tenth of the strangers for each so much nearer (``PairDistances.per_decade``).
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from edge.enrolment.verdicts import Finding
from edge.settings import DecisionSettings
from models.face import Asked, FaceMatch, Measure

_FIXED_BEYOND = 0.05
_WARNED = 10.0
"""So many times the strangers who would be let in are worth a warning."""
_FEW, _MANY = 8, 100  # persons; see models.face.judgement, which measures otherwise below and above
_COUNTED = 0.1


@dataclass(frozen=True, slots=True)
class LikenessRule:
    """Limits of what a match says.

    Attributes:
        measure: Which number of the match is compared.
        duplicate: Up to this it is the same person.
        near: Up to this it is somebody who looks much alike.
        distance: Up to this distance it is the same person whatever the measure says: who has an enrolled
            twin has a near neighbourhood, and a score that makes little of it.
    """

    measure: Measure
    duplicate: float
    near: float
    distance: float = -math.inf

    def finding(self, match: FaceMatch) -> Finding | None:
        """``DUPLICATE``, ``LOOK_ALIKE``, or None: nobody worth a word.

        The margin to the next person is left out of account: of twins who are both enrolled a gate lets
        neither in, but a third picture of them is one of them all the same.
        """
        value = match.score if self.measure is Measure.SCORE else match.distance
        if match.subject is None:
            return None
        if value <= self.duplicate or match.distance <= self.distance:
            return Finding.DUPLICATE
        return Finding.LOOK_ALIKE if value <= self.near else None


def likeness_rule(asked: Asked, decision: DecisionSettings) -> LikenessRule:
    """Make the limits for a gallery that was asked."""
    if decision.face_distance is not None:
        return LikenessRule(Measure.DISTANCE, decision.face_distance, decision.face_distance + _FIXED_BEYOND)
    rate, persons = decision.face_false_accepts, len(asked.gallery.names)
    if persons < _MANY:
        # A gallery of a few may be nothing but twins: then only what is known of people in general counts.
        nobody = replace(asked, matches=(), templates=np.zeros(0, np.intp), mean_distance=math.nan)
        few = asked if persons >= _FEW else nobody
        strict, loose = few.rule(rate), few.rule(min(_WARNED * rate, 0.5))
        return LikenessRule(strict.measure, strict.threshold, loose.threshold)
    counted = asked.rule(_COUNTED)
    distance = float(np.quantile([match.distance for match in asked.matches], _COUNTED))
    level = float(np.median([match.level for match in asked.matches]))

    def below(wanted: float) -> float:
        """How much nearer strangers of this rate come than those of the counted one."""
        return asked.pairs.per_decade * math.log10(_COUNTED / wanted)

    warned = min(_WARNED * rate, _COUNTED)
    return LikenessRule(
        counted.measure,
        counted.threshold - below(rate) / level,
        counted.threshold - below(warned) / level,
        distance - below(rate),
    )
