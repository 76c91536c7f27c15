"""What one wire of a lane means: relays by what they do, contacts by what they say.

A relay has a coil and two contacts: *no* closes when the coil is energised, *nc* opens. What current through
the wire does depends on the device: a strike is unlocked by it (fail-secure), a magnet is locked by it
(fail-safe); ``energise_to`` says which. From these two and ``safe`` follows ``safe_energised``, the level of
the coil in the safe state, which is what board owners write at start, exit and fault.
"""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from edge.settings_boards import Name, Section

Contact = Literal["no", "nc"]


class Output(Section):
    """One relay with a meaning. Acting means: away from how it rests."""

    board: Name = Field(description="Which board.")
    channel: int = Field(ge=1, le=32, description="As printed on the board.")
    pulse_ms: int = Field(
        default=500,
        ge=0,
        le=10_000,
        description="Length of a pulse; 0 holds the level for as long as it is meant.",
    )
    contact: Contact = Field(
        default="no", description="Contact of the relay that is wired: no closes when energised, nc opens."
    )
    safe_energised: bool = Field(
        default=False,
        description="Follows from contact, energise_to and safe; or, given alone, says the same.",
    )
    max_on_ms: int = Field(
        default=12_000,
        ge=100,
        le=120_000,
        description="Guard: a pulse output is never away from safe for longer.",
    )

    _SHORT_FORM: ClassVar[tuple[str, str]] = ("contact", "nc")

    @property
    def acts_energised(self) -> bool:
        """Level of the coil at which the output does what its name says."""
        return self._current_acts is (self.contact == "no")

    @property
    def rests_acting(self) -> bool:
        """True when the safe state is the acting one: a lock that is safe unlocked."""
        return False

    @property
    def _current_acts(self) -> bool:
        """True when current through the wire does it, False when the loss of current does."""
        return True

    @model_validator(mode="after")
    def _coil_follows_the_wire(self) -> Self:
        """Set ``safe_energised``, or take it as the short form of the wiring."""
        told = self.model_fields_set & {"contact", "energise_to", "safe"}
        short = "safe_energised" in self.model_fields_set and not told
        if short and self.safe_energised is not self._safe_level():
            object.__setattr__(self, *self._SHORT_FORM)
        level = self._safe_level()
        if "safe_energised" in self.model_fields_set and self.safe_energised is not level:
            raise ValueError(
                f"safe_energised = {str(not level).lower()} contradicts contact, energise_to and safe: from"
                f" them follows {str(level).lower()}; leave it out"
            )
        object.__setattr__(self, "safe_energised", level)
        return self

    def _safe_level(self) -> bool:
        return self.acts_energised is self.rests_acting

    @model_validator(mode="after")
    def _guard_outlasts_the_pulse(self) -> Self:
        if self.pulse_ms > self.max_on_ms:
            raise ValueError(f"pulse_ms {self.pulse_ms} is longer than max_on_ms {self.max_on_ms}, its guard")
        if self.rests_acting and self.pulse_ms:
            raise ValueError("an output whose safe state is the acting one is a level: set pulse_ms = 0")
        return self


class StopOutput(Output):
    """STOP of a barrier. Many controllers want it closed while all is well: energise_to = "run"."""

    energise_to: Literal["stop", "run"] = Field(
        default="stop", description="What current on the STOP input does: stop (NO input) or run (NC input)."
    )

    @property
    def _current_acts(self) -> bool:
        return self.energise_to == "stop"


class LockOutput(Output):
    """A lock. Strikes (fail-secure) are energised to unlock, magnets (fail-safe) to lock."""

    energise_to: Literal["unlock", "lock"] = Field(
        default="unlock", description="What current does: unlock (strike) or lock (magnet)."
    )
    safe: Literal["locked", "unlocked"] = Field(
        default="locked", description="At start, exit and fault of the daemon; unlocked on escape routes."
    )

    _SHORT_FORM: ClassVar[tuple[str, str]] = ("energise_to", "lock")

    @property
    def rests_acting(self) -> bool:
        """True for a lock that is safe unlocked."""
        return self.safe == "unlocked"

    @property
    def _current_acts(self) -> bool:
        return self.energise_to == "unlock"


class ReleaseOutput(Output):
    """Free passage of a turnstile: drops the arm, or frees its rotation, for as long as it acts."""

    pulse_ms: Literal[0] = Field(default=0, description="A level: free for as long as it is meant.")
    energise_to: Literal["release", "hold"] = Field(
        default="release", description="What current does: release the arm, or hold it (drops without power)."
    )
    safe: Literal["held", "released"] = Field(
        default="held", description="At start, exit and fault of the daemon; released on escape routes."
    )

    @property
    def rests_acting(self) -> bool:
        """True for an arm that is safe released."""
        return self.safe == "released"

    @property
    def _current_acts(self) -> bool:
        return self.energise_to == "release"


class LightOutput(Output):
    """A lamp: lit for as long as it is meant."""

    pulse_ms: Literal[0] = Field(default=0, description="A level: lit for as long as it is meant.")


class AlarmOutput(Output):
    """A siren, or a message to a guard's panel."""

    pulse_ms: int = Field(default=0, ge=0, le=10_000, description="0: a level; else a pulse as it begins.")
    energise_to: Literal["alarm", "quiet"] = Field(
        default="alarm", description="What current does: alarm, or keep quiet (sounds when the wire is cut)."
    )

    @property
    def _current_acts(self) -> bool:
        return self.energise_to == "alarm"


class Input(Section):
    """One contact with a meaning, on a relay board, an input board or GPIO."""

    board: Name = Field(description="Which board.")
    channel: int = Field(ge=1, le=32, description="As printed on the board.")
    inverted: bool = Field(default=False, description="True: an open contact means active.")
    debounce_ms: int = Field(default=0, ge=0, le=1000, description="Must stand this long to count.")
