"""How much speaks for a living face: the cues of many reads of one track, fused into one level.

Every read brings numbers (``edge.vision.liveness``), each 0 for "as a screen or paper" to 1 for "as a face",
or none where it could not be judged. The median over the reads counts, a cue speaks through several reads or
not at all, and the worst of them is the passive score: a cue is there to object, none of them proves life.
Two cues need the whole track: whether the nose ever left the plane of eyes and mouth (``parallax``), and
whether straight lines around the face travel with it (``frame``). Pure: time comes in with the sightings.

Thread: the worker that decides only.
"""

import math
import statistics
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.evidence.challenge import nose_at
from edge.records import Liveness, Sighting

FEWEST_READS = 3
"""Reads that a cue needs, and the passive level as a whole."""
_KEPT_READS = 64
IMAGE_CUES = ("frame", "texture", "colour", "glare")
MODEL_CUE = "model"
SIDES = ("left", "top", "right", "bottom")


@dataclass(frozen=True, slots=True)
class Findings:
    """What the reads of a track say together.

    Attributes:
        level: The highest level reached.
        score: Passive score 0..1; None: not enough to say.
        numbers: Everything that led here, for the journal.
    """

    level: Liveness
    score: float | None
    numbers: Mapping[str, Any] = field(default_factory=dict)


class LivenessEvidence:
    """The cues of one track so far."""

    def __init__(self) -> None:
        self._cues: dict[str, deque[float]] = {}
        self._places: deque[tuple[float, float]] = deque(maxlen=_KEPT_READS)
        self._shapes: deque[tuple[float, float]] = deque(maxlen=_KEPT_READS)
        self._boxes: deque[tuple[float, float, float, Mapping[str, float]]] = deque(maxlen=_KEPT_READS)
        self._last_seq = -1
        self.reads = 0

    def observe(self, sighting: Sighting) -> None:
        """Take one sighting of the track; a frame counts once, and flawed reads give their points only."""
        if sighting.ended or sighting.seq <= self._last_seq:
            return
        self._last_seq = sighting.seq
        self._take_points(sighting.points)
        if sighting.flaw or not sighting.cues:
            return
        self.reads += 1
        for name, value in sighting.cues.items():
            self._cues.setdefault(name, deque(maxlen=_KEPT_READS)).append(value)
        box = sighting.box
        sides = {side: sighting.cues[f"side_{side}"] for side in SIDES if f"side_{side}" in sighting.cues}
        self._boxes.append(((box.left + box.right) / 2, (box.top + box.bottom) / 2, box.width, sides))

    def findings(self, *, least_score: float, least_model: float, challenge_passed: bool = False) -> Findings:
        """The level by the limits of one lane.

        Args:
            least_score: Passive score that counts as living.
            least_model: Score of the classifier that does.
            challenge_passed: Whether this track has turned as it was told.
        """
        cues = {name: self._median(name) for name in IMAGE_CUES}
        cues["parallax"] = self._parallax()
        cues["frame"] = self._frame(cues["frame"])
        spoken = {name: value for name, value in cues.items() if value is not None}
        # A face so near that nothing around it can be judged has not shown that it is no screen.
        judged = self.reads >= FEWEST_READS and "frame" in spoken and len(spoken) >= 2
        score = min(spoken.values()) if judged else None
        model = self._median(MODEL_CUE)
        level = Liveness.NONE
        if score is not None and score >= least_score:
            level = Liveness.PASSIVE
            if challenge_passed:
                level = Liveness.CHALLENGE
            if model is not None and model >= least_model:
                level = Liveness.MODEL
        numbers: dict[str, Any] = {
            "level": level.value,
            "score": _short(score),
            "needed": least_score,
            "reads": self.reads,
            "cues": {name: _short(value) for name, value in cues.items()},
            "raw": {
                name: _short(statistics.median(values))
                for name, values in sorted(self._cues.items())
                if name.startswith("raw_")
            },
        }
        if MODEL_CUE in self._cues:
            numbers["model"], numbers["model_needed"] = _short(model), least_model
        return Findings(level, score, numbers)

    def _median(self, name: str) -> float | None:
        values = self._cues.get(name, ())
        return statistics.median(values) if len(values) >= FEWEST_READS else None

    def _take_points(self, points: tuple[float, ...]) -> None:
        place = nose_at(points)
        if place is None:
            return
        right, left, _, mouth_right, mouth_left = np.asarray(points, np.float64).reshape(5, 2)
        across, down = left - right, (mouth_right + mouth_left) / 2 - (right + left) / 2
        width = float(np.linalg.norm(across)) or 1e-9
        self._places.append(place)
        self._shapes.append((math.log(max(float(np.linalg.norm(down)) / width, 1e-3)), _cosine(across, down)))

    def _parallax(self) -> float | None:
        """1 when the nose wandered before the face, 0 when the face was tilted much and it did not.

        A face that never turned and was never tilted says nothing, whatever it is; nor does one seen from
        the side, where the detector's points tremble most.
        """
        if len(self._places) < 2 * FEWEST_READS:
            return None
        places, shapes = np.array(self._places), np.array(self._shapes)
        if float(np.median(np.abs(places[:, 0]))) > _FROM_THE_SIDE:
            return None
        wander = max(_spread(places[:, 0]), _spread(places[:, 1]))
        tilt = max(_spread(shapes[:, 0]), _spread(shapes[:, 1]))
        if wander < _WANDERED and tilt < _TILTED:
            return None
        return _ramp(wander, _STILL, _WANDERED)

    def _frame(self, per_read: float | None) -> float | None:
        """Lines that travel with the face are a screen's or a sheet's; lines that stay are the room's.

        Without travel nobody can tell one from the other, and the lines of each read count as they are. They
        are forgiven only when two sides clearly stayed where they were while the face went along them.
        """
        if per_read is None or per_read >= 1.0:
            return per_read
        return 1.0 if sum(self._stays(side) for side in SIDES) >= 2 else per_read

    def _stays(self, side: str) -> bool:
        """Whether the lines on one side stay in the room while the face moves towards or away from them."""
        axis, sign = SIDES.index(side) % 2, 1.0 if side in ("right", "bottom") else -1.0
        seen = [(box[axis], box[2], box[3][side]) for box in self._boxes if side in box[3]]
        if len(seen) < FEWEST_READS:
            return False
        centre, width, away = np.array(seen).T
        usual = float(np.median(width)) or 1.0
        travel = _spread(centre) / usual
        in_room = _spread(centre + sign * away * width) / usual
        return travel >= _TRAVELLED and in_room < _spread(away) / 2


# In eye distances: points of a still picture tremble by about the first, a head that turns passes the second.
_STILL, _WANDERED = 0.06, 0.16
_TILTED = 0.3
_FROM_THE_SIDE = 0.35
_TRAVELLED = 0.4  # face widths


def _spread(values: NDArray[np.float64]) -> float:
    low, high = np.percentile(values, [10, 90])
    return float(high - low)


def _ramp(value: float, low: float, high: float) -> float:
    return min(max((value - low) / (high - low), 0.0), 1.0)


def _cosine(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    return float(one @ other) / (float(np.linalg.norm(one) * np.linalg.norm(other)) or 1e-9)


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
