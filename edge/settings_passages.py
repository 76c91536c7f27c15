"""Lanes that let one person through at a time, turnstile and mantrap; and all kinds of lanes together."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from edge.settings_lanes import BarrierLane, DoorLane, HoldWindow, LaneBase, LaneTimes
from edge.settings_wires import Input, LockOutput, Output, ReleaseOutput


class TurnstileTimes(LaneTimes):
    """Times of a turnstile, seconds."""

    pass_timeout_s: float = Field(
        default=6.0, ge=2, le=60, description="Let in and nobody goes through: cancelled."
    )
    follow_s: float = Field(
        default=2.0, ge=0.5, le=10, description="A second passage within this: tailgating, not forcing."
    )
    clear_s: float = Field(
        default=1.0, ge=0.5, le=10, description="Zone sensors clear this long before the arm is held again."
    )
    dead_time_ms: int = Field(default=250, ge=200, le=5000, description="Between the relays of both ways.")


class TurnstileLane(LaneBase):
    """A turnstile, tripod or speed gate: one relay pulse lets one person through."""

    type: Literal["turnstile"] = "turnstile"
    pass_in: Output | None = Field(default=None, description="Relay that lets one person in.")
    pass_out: Output | None = Field(default=None, description="Relay that lets one person out.")
    release: ReleaseOutput | None = Field(
        default=None, description="Free passage: drops the arm or frees its rotation."
    )
    passage: Input = Field(description="Feedback: one pulse for each person that went through, inwards.")
    passage_out: Input | None = Field(
        default=None, description="The same for the way out; absent: passage is for both ways."
    )
    zone_in: Input | None = Field(default=None, description="Sensor on the outer side of the arm.")
    zone_out: Input | None = Field(default=None, description="Sensor on the inner side of the arm.")
    exit_button: Input | None = Field(default=None, description="Lets one person out.")
    hold_open: tuple[HoldWindow, ...] = Field(default=(), description="Free passage at these times.")
    times: TurnstileTimes = Field(default=TurnstileTimes(), description="Times of this turnstile.")

    @property
    def openers(self) -> tuple[Output, ...]:
        """The outputs that let somebody through."""
        return tuple(output for output in (self.pass_in, self.pass_out) if output is not None)

    @model_validator(mode="after")
    def _wires_fit(self) -> Self:
        if not self.openers:
            raise ValueError("neither pass_in nor pass_out is wired: nobody could ever be let through")
        for way, wire in (("in", self.pass_in), ("out", self.pass_out)):
            if self.direction in (way, "both") and wire is None:
                raise ValueError(f'direction is "{self.direction}" but pass_{way} is not wired')
        if self.release is None and (self.fire or self.hold_key or self.hold_open):
            raise ValueError("fire, hold_key and hold_open need release: nothing else gives free passage")
        if self.exit_button is not None and self.pass_out is None:
            raise ValueError("exit_button is wired but pass_out is not")
        return self


class MantrapTimes(LaneTimes):
    """Times of a mantrap, seconds."""

    unlock_s: float = Field(default=5.0, ge=1, le=60, description="A door is unlocked for this long.")
    settle_s: float = Field(
        default=0.5, ge=0.2, le=10, description="A door counts as locked this long after its lock was told."
    )
    inside_s: float = Field(
        default=20.0, ge=5, le=600, description="Somebody stands between the doors for this long: alarm."
    )
    held_s: float = Field(default=30.0, ge=5, le=3600, description="A door is open for this long: alarm.")


class MantrapLane(LaneBase):
    """Two doors with a space between: one opens only while the other is closed and locked."""

    type: Literal["mantrap"] = "mantrap"
    outer_lock: LockOutput = Field(description="Lock of the outer door; a level (pulse_ms = 0).")
    inner_lock: LockOutput = Field(description="Lock of the inner door; a level (pulse_ms = 0).")
    outer_contact: Input = Field(description="Active while the outer door is open.")
    inner_contact: Input = Field(description="Active while the inner door is open.")
    outer_locked: Input | None = Field(default=None, description="Bolt of the outer door is thrown.")
    inner_locked: Input | None = Field(default=None, description="Bolt of the inner door is thrown.")
    occupied: Input | None = Field(default=None, description="Somebody is between the doors.")
    exit_button: Input | None = Field(default=None, description="Inside: asks to be let out through both.")
    cabin_button: Input | None = Field(
        default=None, description="Between the doors: asks to be let out again, through the door one came by."
    )
    times: MantrapTimes = Field(default=MantrapTimes(), description="Times of this mantrap.")

    @property
    def openers(self) -> tuple[Output, ...]:
        """The outputs that let somebody through."""
        return (self.outer_lock, self.inner_lock)

    @model_validator(mode="after")
    def _locks_are_levels(self) -> Self:
        if self.outer_lock.pulse_ms or self.inner_lock.pulse_ms:
            raise ValueError(
                "the locks of a mantrap are levels (pulse_ms = 0), else nobody knows them locked"
            )
        return self


Lane = BarrierLane | DoorLane | TurnstileLane | MantrapLane
LaneSettings = Annotated[Lane, Field(discriminator="type")]


def boards_of(lane: Lane) -> set[str]:
    """Names of the boards that a lane's wires hang on."""
    wires = (getattr(lane, option) for option in type(lane).model_fields)
    return {wire.board for wire in wires if isinstance(wire, Output | Input)}
