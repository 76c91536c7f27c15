"""The sections ``boards`` and ``lanes``: what hangs on which wire, and what it means."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,40}$")]
Credential = Literal["plate", "face"]
OtherWay = Literal["staff", "exit_button"]


class Section(BaseModel):
    """Base of every section: frozen, and nothing unknown is accepted."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class LcusBoard(Section):
    """LCUS-1/2/4/8 USB relay board (CH340, A0 frames)."""

    type: Literal["lcus"] = "lcus"
    port: str = Field(description="By preference /dev/serial/by-path/...; the CH340 has no serial number.")
    baud: int = Field(default=9600, ge=1200, le=921_600, description="9600 on nearly all boards.")
    channels: int = Field(default=4, ge=1, le=8, description="Relays on the board.")
    pacing_ms: int = Field(default=60, ge=50, le=500, description="Pause between two frames.")


class ModbusBoard(Section):
    """Modbus RTU relay and input boards."""

    type: Literal["modbus"] = "modbus"
    profile: Literal["waveshare", "lc", "quirk0100", "r421a08"] = Field(description="Family of the board.")
    port: str = Field(description="Serial port of the RS-485 line.")
    baud: int = Field(default=9600, ge=1200, le=921_600, description="Of the line.")
    address: int = Field(default=1, ge=1, le=255, description="Of the board on its line.")
    outputs: int = Field(default=8, ge=0, le=32, description="Relays on the board.")
    inputs: int = Field(default=8, ge=0, le=32, description="Inputs on the board.")
    reply_timeout_ms: int = Field(
        default=300, ge=50, le=2000, description="No answer for this long: unknown."
    )
    gap_ms: int = Field(default=20, ge=4, le=500, description="Pause between two frames on the line.")
    local_echo: bool | None = Field(
        default=None, description="The adapter returns what was sent; not given: found out at start."
    )


class SimulatedBoard(Section):
    """One of the two boards of a simulated site: an LCUS-4, or an RS-485 input board; for trying things out.

    Relays 1 to 4 are open, close and stop of a simulated barrier and the lock of a simulated door; inputs 1
    to 8 are its open limit, closed limit, loop, beam, fire, hold key, door contact and exit button.
    """

    type: Literal["simulated"] = "simulated"
    part: Literal["relays", "inputs"] = Field(
        description="The board with the relays, or the one with the inputs."
    )
    dialect: Literal["text", "binary", "none"] = Field(
        default="text", description="How the simulated LCUS board answers a status query."
    )
    script: Path | None = Field(
        default=None, description="JSON: cars, persons and faults by time (see drivers.simulated.script)."
    )

    @property
    def port(self) -> str:
        """For people; the pseudo-terminal is made when the daemon starts (``edge.simulation``)."""
        return f"simulated {self.part}"

    @property
    def baud(self) -> int:
        """Of the simulated lines."""
        return 9600

    @property
    def outputs(self) -> int:
        """Relays on the board."""
        return 4 if self.part == "relays" else 0

    @property
    def inputs(self) -> int:
        """Inputs on the board."""
        return 8 if self.part == "inputs" else 0


BoardSettings = Annotated[LcusBoard | ModbusBoard | SimulatedBoard, Field(discriminator="type")]


def outputs_of(board: LcusBoard | ModbusBoard | SimulatedBoard) -> int:
    """Number of relays."""
    return board.channels if isinstance(board, LcusBoard) else board.outputs


def inputs_of(board: LcusBoard | ModbusBoard | SimulatedBoard) -> int:
    """Number of inputs; an LCUS board has none."""
    return 0 if isinstance(board, LcusBoard) else board.inputs


class Output(Section):
    """One relay with a meaning."""

    board: Name = Field(description="Which board.")
    channel: int = Field(ge=1, le=32, description="As printed on the board.")
    pulse_ms: int = Field(
        default=500,
        ge=0,
        le=10_000,
        description="Length of a pulse; 0 holds the level for as long as it is meant.",
    )
    safe_energised: bool = Field(default=False, description="True: the relay is energised in the safe state.")
    max_on_ms: int = Field(
        default=12_000,
        ge=100,
        le=120_000,
        description="Guard: a pulse output is never away from safe for longer.",
    )

    @model_validator(mode="after")
    def _guard_outlasts_the_pulse(self) -> "Output":
        if self.pulse_ms > self.max_on_ms:
            raise ValueError(f"pulse_ms {self.pulse_ms} is longer than max_on_ms {self.max_on_ms}, its guard")
        return self


class Input(Section):
    """One contact with a meaning."""

    board: Name = Field(description="Which board.")
    channel: int = Field(ge=1, le=32, description="As printed on the board.")
    inverted: bool = Field(default=False, description="True: an open contact means active.")
    debounce_ms: int = Field(default=0, ge=0, le=1000, description="Must stand this long to count.")


class _LaneBase(Section):
    cameras: tuple[Name, ...] = Field(default=(), description="Cameras that decide for this lane.")
    accepts: tuple[Credential, ...] = Field(default=("plate", "face"), description="Credentials taken here.")
    other_ways: tuple[OtherWay, ...] = Field(
        default=("staff",),
        description="How people pass here without their face (a face is never the only way).",
    )
    direction: Literal["in", "out", "both"] = Field(default="in", description="For the record.")
    zones: tuple[Name, ...] = Field(
        default=(), description="Zones this lane leads to; permits may name them."
    )
    poll_ms: int = Field(default=30, ge=10, le=500, description="Pace of inputs and of the state machine.")
    dry_run: bool = Field(default=False, description="Decide and record, but switch nothing.")


class BarrierTimes(Section):
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
    fire_reset_s: float = Field(default=5.0, ge=5, le=600, description="After the fire input is gone.")
    dead_time_ms: int = Field(default=250, ge=200, le=5000, description="Between an OPEN and a CLOSE relay.")


class BarrierLane(_LaneBase):
    """A parking lane with a boom."""

    type: Literal["barrier"] = "barrier"
    open: Output = Field(description="Relay on the barrier's OPEN contact.")
    close: Output | None = Field(
        default=None, description="Relay on CLOSE; absent: the barrier closes itself."
    )
    stop: Output | None = Field(default=None, description="Relay on STOP.")
    open_limit: Input | None = Field(default=None, description="Boom is up.")
    closed_limit: Input | None = Field(default=None, description="Boom is down.")
    presence: Input | None = Field(default=None, description="Loop under the boom.")
    beam: Input | None = Field(default=None, description="Safety light beam, active when cut.")
    fire: Input | None = Field(default=None, description="Fire alarm: opens and holds open.")
    hold_key: Input | None = Field(default=None, description="Local key: holds open.")
    times: BarrierTimes = Field(default=BarrierTimes(), description="Times of this barrier.")

    @model_validator(mode="after")
    def _closing_needs_eyes(self) -> "BarrierLane":
        if self.close is not None and self.presence is None:
            raise ValueError(
                "close is wired but presence is not: we never lower a boom onto what we cannot see"
            )
        return self


class DoorTimes(Section):
    """Times of a door lane, seconds."""

    unlock_s: float = Field(default=4.0, ge=1, le=60, description="Unlocked for this long.")
    held_s: float = Field(default=30.0, ge=5, le=3600, description="Open for this long: held-open alarm.")
    exit_mask_s: float = Field(
        default=2.0, ge=0.5, le=30, description="After the exit button no forced alarm."
    )
    fire_reset_s: float = Field(default=5.0, ge=5, le=600, description="After the fire input is gone.")


class DoorLane(_LaneBase):
    """A pedestrian door."""

    type: Literal["door"] = "door"
    lock: Output = Field(
        description="Relay of the lock; its safe state is locked or unlocked as you wire it."
    )
    contact: Input | None = Field(default=None, description="Active while the leaf is open.")
    exit_button: Input | None = Field(default=None, description="Request to exit.")
    fire: Input | None = Field(default=None, description="Fire alarm: unlocks and holds.")
    hold_key: Input | None = Field(default=None, description="Local key: holds unlocked.")
    times: DoorTimes = Field(default=DoorTimes(), description="Times of this door.")


LaneSettings = Annotated[BarrierLane | DoorLane, Field(discriminator="type")]


def boards_of(lane: BarrierLane | DoorLane) -> set[str]:
    """Names of the boards that a lane's wires hang on."""
    wires = (getattr(lane, option) for option in type(lane).model_fields)
    return {wire.board for wire in wires if isinstance(wire, Output | Input)}
