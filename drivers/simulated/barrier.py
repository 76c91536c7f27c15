"""A barrier with physics: contacts in, a boom that takes its time, limits out, and a record of what it did.

Pure: every method is given the time, nothing runs by itself. ``SimulatedSite`` gives it a thread. Contacts
have the priority of real controllers: STOP beats all, OPEN beats CLOSE, an OPEN that is held keeps the boom
up, and any OPEN while closing raises it at once (GB/T 24973-2010).
"""

from collections import deque
from dataclasses import dataclass

UP_DEG = 90.0
CLEAR_DEG = 60.0  # below this the boom is in a car's way
_LIMIT_PLAY_DEG = 2.0  # a limit switch closes a little before the end
_RECORD_LENGTH = 50_000
_ROUNDING_DEG = 1e-6
CONTACTS = ("open", "close", "stop")


@dataclass(frozen=True, slots=True)
class BarrierTraits:
    """How this barrier is built and set.

    Attributes:
        travel_up_s, travel_down_s: Time from one end to the other.
        protects_itself: Its own hard-wired beam reverses a closing boom.
        auto_close_s: It closes by itself so long after a car has left its loop; None = never.
    """

    travel_up_s: float = 1.6
    travel_down_s: float = 2.0
    protects_itself: bool = False
    auto_close_s: float | None = None


class SimulatedBarrier:
    """One boom. Not thread-safe: its owner calls it from one thread or under its own lock.

    Attributes:
        angle_deg: 0 = down, 90 = up.
        motion: 1 rising, -1 falling, 0 still.
        jammed: The motor runs and nothing moves (for ``open_failed`` and ``close_failed``).
        angles: (CLOCK_BOOTTIME ns, degrees) at every start, end and step of a movement.
        hits: CLOCK_BOOTTIME ns at which the boom was in the way of a car below it, once per car.
        closes_on_presence_ns: When CLOSE was commanded although the loop or the beam was occupied.
    """

    def __init__(self, now_ns: int, traits: BarrierTraits | None = None) -> None:
        self._traits = traits or BarrierTraits()
        self._now_ns = now_ns
        self._contacts = dict.fromkeys(CONTACTS, False)
        self._auto_close_ns: int | None = None
        self._hit_counted = False
        self.angle_deg = 0.0
        self.motion = 0
        self.jammed = False
        self.loop = False
        self.beam = False
        self.angles: deque[tuple[int, float]] = deque([(now_ns, 0.0)], maxlen=_RECORD_LENGTH)
        self.hits: list[int] = []
        self.closes_on_presence_ns: list[int] = []

    @property
    def open_limit(self) -> bool:
        """The boom is up."""
        return self.angle_deg >= UP_DEG - _LIMIT_PLAY_DEG

    @property
    def closed_limit(self) -> bool:
        """The boom is down."""
        return self.angle_deg <= _LIMIT_PLAY_DEG

    def step(self, now_ns: int) -> None:
        """Let time pass up to ``now_ns``; an earlier time changes nothing."""
        while self._auto_close_ns is not None and self._auto_close_ns <= now_ns:
            due_ns, self._auto_close_ns = self._auto_close_ns, None
            self._move_until(due_ns)
            self._start_closing()
        self._move_until(now_ns)

    def set_contact(self, contact: str, closed: bool, now_ns: int) -> None:
        """A command contact of the controller closes or opens; commands act on the closing edge.

        Args:
            contact: ``open``, ``close`` or ``stop``.
            closed: Level of the contact.
            now_ns: CLOCK_BOOTTIME.
        """
        self.step(now_ns)
        was_closed, self._contacts[contact] = self._contacts[contact], closed
        if was_closed or not closed:
            return
        if contact == "stop":
            self._set_motion(0)
        elif contact == "open":
            self._start_opening()
        else:
            if self.loop or self.beam:
                self.closes_on_presence_ns.append(self._now_ns)
            self._start_closing()

    def set_presence(self, now_ns: int, *, loop: bool, beam: bool) -> None:
        """A car stands on the loop, or below the boom in the beam, or not."""
        self.step(now_ns)
        left_loop = self.loop and not loop
        self.loop, self.beam = loop, beam
        if not beam:
            self._hit_counted = False
        if beam and self.motion < 0 and self._traits.protects_itself:
            self._start_opening()
        if loop:
            self._auto_close_ns = None
        elif left_loop and self._traits.auto_close_s is not None:
            self._auto_close_ns = self._now_ns + round(self._traits.auto_close_s * 1e9)
        self._count_hit()

    def lift_by_hand(self, now_ns: int) -> None:
        """Somebody opens with the handset: the boom rises with no contact of ours."""
        self.step(now_ns)
        self._start_opening()

    def _start_opening(self) -> None:
        self._auto_close_ns = None
        if not self._contacts["stop"] and self.angle_deg < UP_DEG:
            self._set_motion(1)

    def _start_closing(self) -> None:
        held = self._contacts["stop"] or self._contacts["open"]
        protected = self._traits.protects_itself and self.beam
        if not held and not protected and self.angle_deg > 0.0:
            self._set_motion(-1)

    def _set_motion(self, motion: int) -> None:
        self.motion = motion
        self.angles.append((self._now_ns, self.angle_deg))

    def _move_until(self, now_ns: int) -> None:
        passed_s = (now_ns - self._now_ns) / 1e9
        if passed_s <= 0:
            return
        self._now_ns = now_ns
        if self.motion and not self.jammed:
            travel_s = self._traits.travel_up_s if self.motion > 0 else self._traits.travel_down_s
            moved_deg = UP_DEG * passed_s / travel_s * self.motion
            self.angle_deg = min(UP_DEG, max(0.0, self.angle_deg + moved_deg))
            end_deg = UP_DEG if self.motion > 0 else 0.0
            if abs(end_deg - self.angle_deg) < _ROUNDING_DEG:
                self.angle_deg, self.motion = end_deg, 0
            self.angles.append((now_ns, self.angle_deg))
        self._count_hit()

    def _count_hit(self) -> None:
        if self.beam and self.angle_deg < CLEAR_DEG and not self._hit_counted:
            self._hit_counted = True
            self.hits.append(self._now_ns)
