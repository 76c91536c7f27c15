"""Which way somebody went: two sensors in a row, read in order.

A is the near one, B the far one in driving (or walking) direction. Whoever covers A first and leaves by B
went forward; B first and out by A, backward; in and out by the same side, back again. Pure; used by the
barrier (two loops) and the turnstile (two zone sensors).
"""

from dataclasses import dataclass, replace
from enum import StrEnum


class Course(StrEnum):
    """What has been found out."""

    FORWARD = "forward"
    BACKWARD = "backward"
    UNSURE = "unsure"  # through, but both ends came and went together
    BACK_TO_A = "back_to_a"
    BACK_TO_B = "back_to_b"
    FOLLOWED = "followed"  # the side one comes by is covered again while the other end still is


@dataclass(frozen=True, slots=True)
class Crossing:
    """One crossing under way; ``first`` empty: nobody there.

    Attributes:
        first: ``a``, ``b``, or ``ab`` for both in the same look.
        counted: It has been reported as through.
        met: The far end was covered since the entry was (again).
        left_ns: Since when neither is covered, while it may still appear at the far end.
        a, b: Last known words.
    """

    first: str = ""
    counted: bool = False
    met: bool = False
    left_ns: int | None = None
    a: bool = False
    b: bool = False


NOBODY = Crossing()


def follow(
    was: Crossing, a: bool | None, b: bool | None, now_ns: int, gap_ns: int
) -> tuple[Crossing, tuple[Course, ...]]:
    """Take one look at both sensors.

    Args:
        was: As the look before left it.
        a: The near sensor: covered, free, or None for no news.
        b: The far one.
        now_ns: CLOCK_BOOTTIME.
        gap_ns: A motorcycle may be on neither sensor for this long between them.

    Returns:
        The crossing as it is now, and what has been found out, in order.
    """
    a, b = was.a if a is None else a, was.b if b is None else b
    now = replace(was, a=a, b=b)
    if not was.first:
        first = ("a" if a else "") + ("b" if b else "")
        return replace(now, first=first, met=first == "ab"), ()
    if was.first == "ab":
        return _both_at_once(now)
    forwards = was.first == "a"
    entry, far = (a, b) if forwards else (b, a)
    entry_was, far_was = (was.a, was.b) if forwards else (was.b, was.a)
    courses: list[Course] = []
    if far and not far_was:
        now = replace(now, met=True)
    if entry and far_was and not far:
        now = replace(now, met=False)
    if entry and not entry_was and was.counted:
        if far:
            courses.append(Course.FOLLOWED)
        now = replace(now, counted=False, met=False)
    if far and not entry and not now.counted:
        courses.append(Course.FORWARD if forwards else Course.BACKWARD)
        now = replace(now, counted=True)
    if entry or far:
        return replace(now, left_ns=None), tuple(courses)
    return _left(now, forwards, now_ns, gap_ns, courses)


def _both_at_once(now: Crossing) -> tuple[Crossing, tuple[Course, ...]]:
    """Both were covered in the first look: the one that is left first tells."""
    if now.a and now.b:
        return now, ()
    if now.b:
        return replace(now, first="a", counted=True), (Course.FORWARD,)
    if now.a:
        return replace(now, first="b", counted=True), (Course.BACKWARD,)
    return Crossing(), (Course.UNSURE,)


def _left(
    now: Crossing, forwards: bool, now_ns: int, gap_ns: int, courses: list[Course]
) -> tuple[Crossing, tuple[Course, ...]]:
    """Neither is covered: through, or back, or a short one between the two."""
    if now.counted:
        return Crossing(), tuple(courses)
    if now.met:
        return Crossing(), (*courses, Course.FORWARD if forwards else Course.BACKWARD)
    left_ns = now_ns if now.left_ns is None else now.left_ns
    if now_ns - left_ns >= gap_ns:
        return Crossing(), (*courses, Course.BACK_TO_A if forwards else Course.BACK_TO_B)
    return replace(now, left_ns=left_ns), tuple(courses)
