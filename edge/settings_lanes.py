"""The section ``lanes``: what hangs on which wire of which board, and what it means."""

from typing import Literal, Self

from pydantic import Field, model_validator

from edge.settings_boards import Name, Section
from edge.settings_wires import AlarmOutput, Input, LightOutput, LockOutput, Output, StopOutput

Credential = Literal["plate", "face", "card", "qr"]
SecondFactor = Literal["qr", "pin", "card"]
OtherWay = Literal["staff", "exit_button"]


class HoldWindow(Section):
    """A time of the week, local time; an end before the start is on the next day."""

    days: tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...] = Field(
        default=("mon", "tue", "wed", "thu", "fri", "sat", "sun"), description="Days on which it begins."
    )
    start: str = Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$", description="HH:MM.")
    end: str = Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$", description="HH:MM.")


class LaneTimes(Section):
    """Times that every kind of lane has, seconds unless they say otherwise."""

    fire_reset_s: float = Field(default=5.0, ge=5, le=600, description="After the fire input is gone.")
    siren_s: float = Field(default=30.0, ge=1, le=600, description="The alarm output sounds so long at most.")
    stuck_h: float = Field(
        default=4.0, ge=0.01, le=72, description="A sensor active for so many hours is taken for stuck."
    )


class LaneBase(Section):
    """What every kind of lane has."""

    cameras: tuple[Name, ...] = Field(default=(), description="Cameras that decide for this lane.")
    accepts: tuple[Credential, ...] = Field(default=("plate", "face"), description="Credentials taken here.")
    other_ways: tuple[OtherWay, ...] = Field(
        default=("staff",),
        description="How people pass here without their face (a face is never the only way).",
    )
    direction: Literal["in", "out", "both"] = Field(
        default="in", description="Which way it leads; both: one way at a time (see cameras_out)."
    )
    zones: tuple[Name, ...] = Field(
        default=(), description="Zones this lane leads to; permits may name them."
    )
    face_false_accepts: float | None = Field(
        default=None,
        ge=0.00001,
        le=0.05,
        description="Instead of decision.face_false_accepts, for this lane.",
    )
    poll_ms: int = Field(default=30, ge=10, le=500, description="Pace of inputs and of the state machine.")
    dry_run: bool = Field(default=False, description="Decide and record, but switch nothing.")
    cameras_out: tuple[Name, ...] = Field(
        default=(), description="Two-way lanes: those of its cameras that see who leaves."
    )
    fire: Input | None = Field(default=None, description="Fire alarm: opens and holds open.")
    hold_key: Input | None = Field(default=None, description="Local key: holds open.")
    tamper: Input | None = Field(default=None, description="Cabinet or cover opened: alarm.")
    light_red: LightOutput | None = Field(default=None, description="Red lamp: wait.")
    light_green: LightOutput | None = Field(default=None, description="Green lamp: go.")
    alarm: AlarmOutput | None = Field(default=None, description="Siren, or a guard's panel.")
    when_stale: Literal["keep", "only_staff", "nobody"] = Field(
        default="keep",
        description="The platform's set is too old (sets.stale_after_h): who is still recognised here.",
    )
    liveness: Literal["none", "passive", "challenge", "model"] = Field(
        default="none", description="What must speak for a living face before it opens by itself."
    )
    liveness_score: float = Field(
        default=0.5, ge=0.1, le=0.95, description="Least passive score, 0 to 1, that counts as living."
    )
    model_score: float = Field(
        default=0.8, ge=0.5, le=0.999, description="Least score of the classifier that counts as living."
    )
    challenge_s: float = Field(
        default=8.0, ge=3, le=60, description="Time for turning the head as it is told."
    )
    second_factors: tuple[SecondFactor, ...] = Field(
        default=("qr", "pin", "card"), description="What opens together with a face below that level."
    )
    second_factor_s: float = Field(
        default=20.0, ge=5, le=120, description="Time between the face and the second factor."
    )

    @property
    def hears_of(self) -> frozenset[str]:
        """Kinds that can matter to this lane: credentials, and second factors where they are asked for."""
        asked = self.second_factors if self.liveness != "none" and "face" in self.accepts else ()
        return frozenset((*self.accepts, *asked))

    @model_validator(mode="after")
    def _ways_are_named(self) -> Self:
        if strange := sorted(set(self.cameras_out) - set(self.cameras)):
            raise ValueError(f"cameras_out: {', '.join(strange)} is not among the lane's cameras")
        if self.cameras_out and self.direction != "both":
            raise ValueError('cameras_out is for two-way lanes: set direction = "both"')
        return self


class BarrierTimes(LaneTimes):
    """Times of a barrier lane, seconds."""

    open_timeout_s: float = Field(default=8.0, ge=1, le=60, description="No open limit by then: open_failed.")
    close_timeout_s: float = Field(
        default=10.0, ge=1, le=60, description="No closed limit by then: close_failed."
    )
    pass_timeout_s: float = Field(
        default=25.0, ge=3, le=600, description="Open and nobody comes: close again."
    )
    clear_s: float = Field(
        default=1.0, ge=0.5, le=10, description="Loop and beam clear this long before closing."
    )
    linger_s: float = Field(default=60.0, ge=5, le=3600, description="A car stands on the loop: lingering.")
    large_s: float = Field(default=12.0, ge=2, le=600, description="On the loop this long: a large vehicle.")
    turn_s: float = Field(
        default=2.0, ge=0.5, le=60, description="Two-way lane clear this long before the other way may go."
    )
    fleet_gap_s: float = Field(
        default=20.0, ge=3, le=600, description="Fleet mode ends when no permitted car came for this long."
    )
    power_return_s: float = Field(
        default=30.0, ge=5, le=600, description="power_return = close: seen clear for this long before."
    )
    dead_time_ms: int = Field(default=250, ge=200, le=5000, description="Between an OPEN and a CLOSE relay.")


class BarrierLane(LaneBase):
    """A parking lane with a boom."""

    type: Literal["barrier"] = "barrier"
    open: Output = Field(description="Relay on the barrier's OPEN contact.")
    close: Output | None = Field(
        default=None, description="Relay on CLOSE; absent: the barrier closes itself."
    )
    stop: StopOutput | None = Field(default=None, description="Relay on STOP.")
    open_limit: Input | None = Field(default=None, description="Boom is up.")
    closed_limit: Input | None = Field(default=None, description="Boom is down.")
    presence: Input | None = Field(default=None, description="Loop under the boom.")
    beam: Input | None = Field(default=None, description="Safety light beam, active when cut.")
    edge: Input | None = Field(default=None, description="Safety edge on the boom, active when pressed.")
    second_loop: Input | None = Field(
        default=None,
        description="Loop behind the boom in driving direction; on two-way lanes the one on the inner side.",
    )
    power_return: Literal["stay", "close"] = Field(
        default="stay",
        description="A boom found open at start: leave it, or close it once the lane is proven clear.",
    )
    hold_open: tuple[HoldWindow, ...] = Field(default=(), description="Held open at these times.")
    times: BarrierTimes = Field(default=BarrierTimes(), description="Times of this barrier.")

    @property
    def openers(self) -> tuple[Output, ...]:
        """The outputs that let somebody through."""
        return (self.open,)

    @model_validator(mode="after")
    def _closing_needs_eyes(self) -> "BarrierLane":
        if self.close is not None and self.presence is None:
            raise ValueError(
                "close is wired but presence is not: we never lower a boom onto what we cannot see"
            )
        if self.power_return == "close" and (self.close is None or self.open_limit is None):
            raise ValueError('power_return = "close" needs close, presence and open_limit')
        if self.second_loop is not None and self.presence is None:
            raise ValueError("second_loop is wired but presence is not: a direction takes two loops")
        return self


class DoorTimes(LaneTimes):
    """Times of a door lane, seconds."""

    unlock_s: float = Field(default=4.0, ge=1, le=60, description="Unlocked for this long.")
    held_s: float = Field(default=30.0, ge=5, le=3600, description="Open for this long: held-open alarm.")
    exit_mask_s: float = Field(
        default=2.0, ge=0.5, le=30, description="After the exit button no forced alarm."
    )


class DoorLane(LaneBase):
    """A pedestrian door."""

    type: Literal["door"] = "door"
    lock: LockOutput = Field(description="Relay of the lock: strike or magnet, safe locked or unlocked.")
    contact: Input | None = Field(default=None, description="Active while the leaf is open.")
    exit_button: Input | None = Field(default=None, description="Request to exit.")
    hold_open: tuple[HoldWindow, ...] = Field(default=(), description="Held unlocked at these times.")
    times: DoorTimes = Field(default=DoorTimes(), description="Times of this door.")

    @property
    def openers(self) -> tuple[Output, ...]:
        """The outputs that let somebody through."""
        return (self.lock,)
