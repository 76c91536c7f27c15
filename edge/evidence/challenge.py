"""Turn your head: a challenge whose answer a flat picture cannot give. A pure state machine.

What is looked at is where the nose stands between the eyes and the mouth, written in the oblique axes that
eyes and mouth span (``nose_place``). A picture on paper or glass keeps that place however it is tilted: a
plane seen from elsewhere is an affine map of itself, as far as a face is small beside its distance. The nose
of a head stands before that plane and wanders to the side it turns to. So the number that says "has turned"
is the same that says "is not flat".

The order of the turns is drawn for each challenge, and between two turns the head comes back, so a film of an
earlier answer fits one time in 2 ** turns. Each turn must be seen on its way, not only at its end: a jump, as
from one picture to another, ends the try. At the end the face must be read once more, straight, as the same
person's.

Thread: the worker that decides only.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from edge.clock import NS_PER_MS, NS_PER_S

TURNED = 0.2
"""Shift of the nose, in eye distances, that counts as turned: a head shows it from about 25 degrees on."""
STRAIGHT = 0.09
"""Nearer than this to where it was in the beginning, the head is straight again. YuNet's points tremble by
0.03 to 0.06 from frame to frame on moving faces."""
MOST_STEP = 0.19
"""Less than ``TURNED``, so that every turn is seen at least once on its way."""
LONGEST_GAP_NS = 1500 * NS_PER_MS
"""Without a read for longer, anybody may have taken the place of the face."""
_FLAT_ENOUGH = 0.1
"""Eyes and mouth of one face stay a plane: this share of the eye distance they may miss it by."""

FivePoints = NDArray[np.float64]
"""(5, 2) pixels: right eye, left eye, nose tip, right and left corner of the mouth."""


class Turn(StrEnum):
    """A direction as the person has it, not as the picture shows it."""

    LEFT = "left"
    RIGHT = "right"


class Phase(StrEnum):
    """How far a challenge is."""

    TURN = "turn"
    RETURN = "return"
    CONFIRM = "confirm"
    PASSED = "passed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Challenge:
    """One challenge of one track.

    Attributes:
        turns: What was asked, in order. at: Which of them is due.
        phase: See ``Phase``. why: Why it failed.
        until_ns: CLOCK_BOOTTIME; later it has failed.
        home: Place of the nose when it began. points: Of the straight face then.
        last: Place of the nose in the last read. last_ns: Its time.
        widest: Largest shift seen to each side so far: left, right.
    """

    person: str
    turns: tuple[Turn, ...]
    until_ns: int
    home: float
    points: tuple[float, ...]
    last: float
    last_ns: int
    at: int = 0
    phase: Phase = Phase.TURN
    why: str = ""
    widest: tuple[float, float] = (0.0, 0.0)

    @property
    def is_over(self) -> bool:
        """Whether there is nothing more to wait for."""
        return self.phase in (Phase.PASSED, Phase.FAILED)

    def numbers(self) -> dict[str, object]:
        """For the journal."""
        return {
            "turns": [turn.value for turn in self.turns],
            "turned": self.at,
            "phase": self.phase.value,
            "why": self.why,
            "widest_left": round(self.widest[0], 3),
            "widest_right": round(self.widest[1], 3),
            "needed": TURNED,
        }


def begin(
    person: str, turns: Sequence[Turn], points: Sequence[float], now_ns: int, for_s: float
) -> Challenge | None:
    """Start from a straight face; None when these points are not one.

    Args:
        person: Who was recognised.
        turns: Drawn by the caller from a source that nobody can foresee.
        points: Of the sighting that named the person, ten numbers.
        now_ns: Time of that sighting.
        for_s: Time to answer in.
    """
    place = nose_place(points)
    if place is None or abs(place) > TURNED:
        return None
    return Challenge(
        person=person,
        turns=tuple(turns),
        until_ns=now_ns + round(for_s * NS_PER_S),
        home=place,
        points=tuple(points),
        last=place,
        last_ns=now_ns,
    )


def observe(
    state: Challenge, points: Sequence[float], taken_ns: int, subject: str | None = None
) -> Challenge:
    """Take the next read of the track.

    Args:
        state: Before it.
        points: Ten numbers; none: the face was read without them, which says nothing.
        taken_ns: When the frame arrived.
        subject: Whom this very read names, if it can.
    """
    if state.is_over:
        return state
    if taken_ns > state.until_ns:
        return replace(state, phase=Phase.FAILED, why="not in time")
    place = nose_place(points)
    if place is None or taken_ns <= state.last_ns:
        return state
    if not is_same_plane(state.points, points):
        return _failed(state, "eyes and mouth are no longer those of the same face")
    gap_ns = taken_ns - state.last_ns
    if abs(place - state.last) > MOST_STEP or gap_ns > LONGEST_GAP_NS:
        return _failed(state, "the face jumped from one place to another")
    shift = place - state.home
    widest = (max(state.widest[0], shift), max(state.widest[1], -shift))
    state = replace(state, last=place, last_ns=taken_ns, widest=widest)
    if state.phase is Phase.TURN:
        wanted, other = (shift, -shift) if state.turns[state.at] is Turn.LEFT else (-shift, shift)
        if other >= TURNED:
            return _failed(state, "turned the other way")
        return replace(state, at=state.at + 1, phase=Phase.RETURN) if wanted >= TURNED else state
    if abs(shift) > STRAIGHT:
        return state
    if state.at < len(state.turns):
        return replace(state, phase=Phase.TURN)
    if subject is None:
        return replace(state, phase=Phase.CONFIRM)
    if subject != state.person:
        return _failed(state, "the face that turned is another person's")
    return replace(state, phase=Phase.PASSED)


def expire(state: Challenge, now_ns: int) -> Challenge:
    """The state when nothing was seen until now."""
    if state.is_over or now_ns <= state.until_ns:
        return state
    return replace(state, phase=Phase.FAILED, why="not in time")


def nose_place(points: Sequence[float]) -> float | None:
    """How far the nose stands to the person's left, in eye distances; None for points that are no face."""
    place = nose_at(points)
    return None if place is None else place[0]


def nose_at(points: Sequence[float]) -> tuple[float, float] | None:
    """Where the nose stands between eyes and mouth; None for points that are no face.

    Solves nose = middle of the eyes + a (left eye - right eye) + b (middle of the mouth - middle of the eyes)
    for a and b. On a straight, even face a is 0; both are the same in every affine picture of one picture.
    """
    if len(points) != 10:
        return None
    right, left, nose, mouth_right, mouth_left = np.asarray(points, np.float64).reshape(5, 2)
    eyes, mouth = (right + left) / 2, (mouth_right + mouth_left) / 2
    axes = np.column_stack([left - right, mouth - eyes])
    area = float(np.linalg.det(axes))
    # A face is about as high as wide here; nearly parallel axes are points gone wild.
    if abs(area) < 0.15 * float(np.linalg.norm(axes[:, 0]) * np.linalg.norm(axes[:, 1])) or not area:
        return None
    across, down = np.linalg.solve(axes, nose - eyes)
    return float(across), float(down)


def is_same_plane(before: Sequence[float], now: Sequence[float]) -> bool:
    """Whether eyes and mouth are an affine picture of what they were: one face, seen from elsewhere."""
    if len(before) != 10 or len(now) != 10:
        return False
    corners = [0, 1, 3, 4]
    old = np.asarray(before, np.float64).reshape(5, 2)[corners]
    new = np.asarray(now, np.float64).reshape(5, 2)[corners]
    design = np.column_stack([old, np.ones(4)])
    fitted = design @ np.linalg.lstsq(design, new, rcond=None)[0]
    eye_distance = float(np.linalg.norm(new[0] - new[1])) or 1e-9
    return float(np.linalg.norm(fitted - new, axis=1).max()) <= _FLAT_ENOUGH * eye_distance


def _failed(state: Challenge, why: str) -> Challenge:
    return replace(state, phase=Phase.FAILED, why=why)
