"""What to tell the person before the camera, and which of their pictures to take. Pure; time is an argument.

Wanted are a picture from the front and one from slightly left and right: several differing views make the
later match surer than one. For each, a face must be alone, near, well lit, sharp and turned the right way for
a second; of the pictures of that second the best is taken. A side view that does not succeed is given up
after a while, the view from the front never.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from edge.clock import NS_PER_S

HOLD_S = 1.0
PATIENCE_S = 15.0
PRAISE_S = 0.8
# A nose leaves the middle between the eyes by this share of their distance: 0.07 is about what a person who
# looks straight ahead deviates by, 0.09 to 0.3 a head turned by about 10 to 35 degrees.
STRAIGHT = 0.07
LEAST_TURN, MOST_TURN = 0.09, 0.3
NEAR_EYES_PX = 40.0
MOST_FACE_HEIGHT = 0.75
MIDDLE = 0.3
DARK, BRIGHT = 60.0, 205.0
MOST_SIDE_LIGHT = 0.35
LEAST_SHARPNESS = 110.0  # a little more than the examiner wants, which has the last word
MOST_MOVING = 0.6
_GLITCH_S = 0.35
_GOOD_SHARPNESS, _GOOD_EYES_PX = 300.0, 60.0


class View(StrEnum):
    """Which picture is wanted; sides are the person's own."""

    FRONT = "front"
    LEFT = "left"
    RIGHT = "right"


class Hint(StrEnum):
    """What the person is told now."""

    NOBODY = "nobody"
    ALONE = "alone"
    CLOSER = "closer"
    BACK = "back"
    CENTRE = "centre"
    LIGHT = "light"
    LESS_LIGHT = "less_light"
    SIDE_LIGHT = "side_light"
    STRAIGHT = "straight"
    TURN_LEFT = "turn_left"
    TURN_RIGHT = "turn_right"
    TURN_LESS = "turn_less"
    STILL = "still"
    HOLD = "hold"
    TAKEN = "taken"
    DONE = "done"
    OVER = "over"


HINT_TEXT: Mapping[Hint, tuple[str, str]] = {
    Hint.NOBODY: ("Step before the camera, close to it", "请站到镜头前,靠近一些"),
    Hint.ALONE: ("One person only, please", "请只留一个人在画面中"),
    Hint.CLOSER: ("Come a little closer", "请离近一点"),
    Hint.BACK: ("Step back a little", "请离远一点"),
    Hint.CENTRE: ("Move to the middle", "请站到画面中间"),
    Hint.LIGHT: ("Too dark: light from the front, please", "太暗:光线应从正面来"),
    Hint.LESS_LIGHT: ("Too bright: out of the direct light", "太亮:请避开直射光"),
    Hint.SIDE_LIGHT: ("Light comes from the side: face the light", "侧光太强:请让光线从正面来"),
    Hint.STRAIGHT: ("Look straight into the camera", "请正视镜头"),
    Hint.TURN_LEFT: ("Turn your head a little to your left", "请把头稍微向左转"),
    Hint.TURN_RIGHT: ("Turn your head a little to your right", "请把头稍微向右转"),
    Hint.TURN_LESS: ("Not so far: turn back a little", "转得太多,请回正一点"),
    Hint.STILL: ("Hold still", "请保持不动"),
    Hint.HOLD: ("Good, hold still ...", "很好,请保持不动……"),
    Hint.TAKEN: ("Taken", "已拍摄"),
    Hint.DONE: ("Done, thank you", "采集完成,谢谢"),
    Hint.OVER: ("Time is up", "时间到"),
}
VIEW_TEXT: Mapping[View, tuple[str, str]] = {
    View.FRONT: ("front", "正面"),
    View.LEFT: ("a little left", "稍向左"),
    View.RIGHT: ("a little right", "稍向右"),
}


@dataclass(frozen=True, slots=True)
class Look:
    """What one frame shows.

    Attributes:
        at_ns: When it was taken.
        persons: Faces that are no background; the other fields are about the only one.
        centre_x, centre_y: Of the face, as parts of the picture, 0 to 1.
        height: Of the face, as a part of the picture's.
        eye_distance_px, sharpness, brightness, sideways: As ``models.face.FaceQuality``.
        side_light: How much brighter one half of the face is, 0 to 1.
        is_cut: Whether it reaches over the edge.
    """

    at_ns: int
    persons: int
    centre_x: float = 0.5
    centre_y: float = 0.5
    height: float = 0.0
    eye_distance_px: float = 0.0
    sharpness: float = 0.0
    brightness: float = 128.0
    sideways: float = 0.0
    side_light: float = 0.0
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class Advice:
    """What to show, and what to do with the frame that was just seen.

    Attributes:
        hint: The one thing to say.
        view: Wanted now; None when there is nothing more to take.
        held: How far the second of holding still is, 0 to 1.
        is_best: This frame is the best of this view so far: keep it.
        take: The view is complete: the frame kept last is its picture.
        taken, given_up: Views that are done with.
        left_s: Until time is up.
    """

    hint: Hint
    view: View | None
    held: float
    is_best: bool
    take: View | None
    taken: tuple[View, ...]
    given_up: tuple[View, ...]
    left_s: float

    @property
    def is_over(self) -> bool:
        """Nothing more will be taken."""
        return self.hint in (Hint.DONE, Hint.OVER)


class Guide:
    """Leads one person through their pictures. One thread."""

    def __init__(
        self,
        now_ns: int,
        *,
        limit_s: float = 60.0,
        views: Sequence[View] = tuple(View),
        hold_s: float = HOLD_S,
    ) -> None:
        """Begin.

        Args:
            now_ns: CLOCK_BOOTTIME.
            limit_s: When everything is given up.
            views: Wanted ones, in order.
            hold_s: How long each is to be held.
        """
        self._until_ns = now_ns + round(limit_s * NS_PER_S)
        self._wanted = list(views)
        self._hold_ns = round(hold_s * NS_PER_S)
        self._taken: list[View] = []
        self._given_up: list[View] = []
        self._since_ns = now_ns  # when this view was asked for, or its person came
        self._held_since_ns: int | None = None
        self._good_ns = 0
        self._praise_until_ns = 0
        self._best = -1.0
        self._last: Look | None = None

    def see(self, look: Look) -> Advice:
        """Take the next frame and say what to do."""
        now_ns = look.at_ns
        if now_ns < self._praise_until_ns:
            self._since_ns = now_ns
            self._last = look
            return self._advice(Hint.TAKEN, now_ns)
        if self._wanted and now_ns >= self._until_ns:
            return self._advice(Hint.OVER, now_ns)
        if not self._wanted:
            return self._advice(Hint.DONE, now_ns)
        hint = self._fault(look)
        self._last = look
        if hint is None:
            return self._hold(look)
        if self._held_since_ns is not None and now_ns - self._good_ns <= _GLITCH_S * NS_PER_S:
            return self._advice(Hint.HOLD, now_ns)
        self._let_go()
        if hint is Hint.NOBODY:
            self._since_ns = now_ns
        elif self._wanted[0] is not View.FRONT and now_ns - self._since_ns > PATIENCE_S * NS_PER_S:
            self._given_up.append(self._wanted.pop(0))
            self._since_ns = now_ns
        return self._advice(hint if self._wanted else Hint.DONE, now_ns)

    def _hold(self, look: Look) -> Advice:
        now_ns = self._good_ns = look.at_ns
        if self._held_since_ns is None:
            self._held_since_ns = now_ns
        score = min(look.sharpness / _GOOD_SHARPNESS, 1.0) * min(look.eye_distance_px / _GOOD_EYES_PX, 1.0)
        is_best = score > self._best
        if is_best:
            self._best = score
        if now_ns - self._held_since_ns < self._hold_ns:
            return self._advice(Hint.HOLD, now_ns, is_best=is_best)
        view = self._wanted.pop(0)
        self._taken.append(view)
        self._let_go()
        self._since_ns = now_ns
        self._praise_until_ns = now_ns + round(PRAISE_S * NS_PER_S)
        return self._advice(Hint.TAKEN, now_ns, is_best=is_best, take=view)

    def _let_go(self) -> None:
        self._held_since_ns, self._best = None, -1.0

    def _fault(self, look: Look) -> Hint | None:
        """The first thing that is in the way; None when this frame may be taken."""
        if look.persons != 1:
            return Hint.NOBODY if look.persons == 0 else Hint.ALONE
        checks = (
            (Hint.BACK, look.height > MOST_FACE_HEIGHT),
            (Hint.CENTRE, look.is_cut or max(abs(look.centre_x - 0.5), abs(look.centre_y - 0.5)) > MIDDLE),
            (Hint.CLOSER, look.eye_distance_px < NEAR_EYES_PX),
            (Hint.LIGHT, look.brightness < DARK),
            (Hint.LESS_LIGHT, look.brightness > BRIGHT),
            (Hint.SIDE_LIGHT, look.side_light > MOST_SIDE_LIGHT),
        )
        for hint, is_so in checks:
            if is_so:
                return hint
        turn = self._turn(look.sideways)
        if turn is not None:
            return turn
        if look.sharpness < LEAST_SHARPNESS or self._is_moving(look):
            return Hint.STILL
        return None

    def _turn(self, sideways: float) -> Hint | None:
        view = self._wanted[0]
        if view is View.FRONT:
            return None if abs(sideways) <= STRAIGHT else Hint.STRAIGHT
        turned, hint = (sideways, Hint.TURN_LEFT) if view is View.LEFT else (-sideways, Hint.TURN_RIGHT)
        if turned < LEAST_TURN:
            return hint
        return Hint.TURN_LESS if turned > MOST_TURN else None

    def _is_moving(self, look: Look) -> bool:
        """Whether the face moves by more than half its height in a second."""
        last = self._last
        if last is None or last.persons != 1 or look.height <= 0 or look.at_ns <= last.at_ns:
            return False
        seconds = (look.at_ns - last.at_ns) / NS_PER_S
        if seconds > 1.0:
            return False
        moved = max(abs(look.centre_x - last.centre_x), abs(look.centre_y - last.centre_y)) / look.height
        return moved / max(seconds, 0.1) > MOST_MOVING

    def _advice(self, hint: Hint, now_ns: int, *, is_best: bool = False, take: View | None = None) -> Advice:
        held = 0.0
        if self._held_since_ns is not None:
            held = min(1.0, (now_ns - self._held_since_ns) / max(1, self._hold_ns))
        return Advice(
            hint=hint,
            view=self._wanted[0] if self._wanted else None,
            held=1.0 if take else held,
            is_best=is_best,
            take=take,
            taken=tuple(self._taken),
            given_up=tuple(self._given_up),
            left_s=max(0.0, (self._until_ns - now_ns) / NS_PER_S),
        )
