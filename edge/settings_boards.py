"""The section ``boards``: every family of relay and input boards with its options.

A board hangs on a port: a path (``/dev/serial/by-path/...``), a USB adapter by what it says of itself
(``usb:serial=AB0123``, see ``drivers.ports``), or a host on the network (``tcp://192.0.2.20:502``).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from drivers.errors import DriverError
from drivers.ports import check_port
from drivers.relay.catalog import USUAL_CHANNELS

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,40}$")]
SHARED_GAP_MS = 20


class Section(BaseModel):
    """Base of every section: frozen, and nothing unknown is accepted."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


def _is_port(port: str) -> str:
    try:
        check_port(port)
    except DriverError as error:
        raise ValueError(str(error)) from error
    return port


Port = Annotated[str, AfterValidator(_is_port)]
_ReplyTimeout = Annotated[int, Field(ge=50, le=2000, description="No answer for this long: unknown.")]


class _RelaysOnly(Section):
    """A board that has nothing but relays."""

    channels: int

    @property
    def outputs(self) -> int:
        """Relays on the board."""
        return self.channels

    @property
    def inputs(self) -> int:
        """None of these has any."""
        return 0


class LcusBoard(_RelaysOnly):
    """LCUS-1/2/4/8 USB relay board (CH340, A0 frames)."""

    type: Literal["lcus"] = "lcus"
    port: Port = Field(description="By preference /dev/serial/by-path/...; the CH340 has no serial number.")
    baud: int = Field(default=9600, ge=1200, le=921_600, description="9600 on nearly all boards.")
    channels: int = Field(default=4, ge=1, le=8, description="Relays on the board.")
    dialect: Literal["probe", "text", "binary", "none"] = Field(
        default="probe", description="How the board answers a status query; probe finds out at start."
    )
    pacing_ms: int = Field(default=60, ge=50, le=500, description="Pause between two frames.")
    reply_timeout_ms: _ReplyTimeout = 300


class KmtronicBoard(_RelaysOnly):
    """KMTronic USB relay board."""

    type: Literal["kmtronic"] = "kmtronic"
    port: Port = Field(description="Of the board; its FTDI chip has a serial number: usb:serial=...")
    baud: int = Field(default=9600, ge=1200, le=921_600, description="9600 on the USB boards.")
    channels: Literal[1, 2, 4, 8] = Field(default=8, description="Relays on the board.")
    pacing_ms: int = Field(default=20, ge=0, le=500, description="Pause between two frames.")
    reply_timeout_ms: _ReplyTimeout = 300


class DevantechBoard(_RelaysOnly):
    """Devantech USB-RLY08 and USB-RLY02."""

    type: Literal["devantech"] = "devantech"
    port: Port = Field(description="Of the board (CDC, /dev/ttyACM*); usb:serial=... finds it anywhere.")
    channels: Literal[2, 8] = Field(default=8, description="Relays on the board.")
    pacing_ms: int = Field(default=5, ge=0, le=500, description="Pause between two commands.")
    reply_timeout_ms: _ReplyTimeout = 300

    @property
    def baud(self) -> int:
        """Means nothing to a CDC board."""
        return 9600


class NumatoBoard(_RelaysOnly):
    """Numato USB relay module."""

    type: Literal["numato"] = "numato"
    port: Port = Field(description="Of the module (CDC, /dev/ttyACM*); usb:serial=... finds it anywhere.")
    channels: int = Field(default=8, ge=1, le=32, description="Relays on the module.")
    pacing_ms: int = Field(default=10, ge=0, le=500, description="Pause between two lines.")
    reply_timeout_ms: _ReplyTimeout = 300

    @property
    def baud(self) -> int:
        """Means nothing to a CDC board."""
        return 115_200


class ModbusBoard(Section):
    """Modbus relay and input boards: RTU on RS-485, TCP, or RTU through a serial server."""

    type: Literal["modbus"] = "modbus"
    profile: Literal["waveshare", "lc", "quirk0100", "r421a08"] = Field(description="Family of the board.")
    port: Port = Field(description="Serial port of the RS-485 line, or tcp://host:502.")
    framing: Literal["auto", "rtu", "tcp"] = Field(
        default="auto",
        description="auto: rtu on a serial port, tcp behind tcp://; rtu behind tcp:// is a serial server.",
    )
    baud: int = Field(default=9600, ge=1200, le=921_600, description="Of the line.")
    parity: Literal["N", "E", "O"] = Field(default="N", description="Of the line.")
    stop_bits: Literal[1, 2] = Field(default=1, description="Of the line.")
    address: int = Field(default=1, ge=1, le=255, description="Of the board on its line.")
    outputs: int = Field(
        default=8, ge=0, le=32, description="Relays on the board; left out: usual in its family."
    )
    inputs: int = Field(
        default=8, ge=0, le=32, description="Inputs on the board; left out: usual in its family."
    )
    reply_timeout_ms: _ReplyTimeout = 300
    gap_ms: int | None = Field(
        default=None,
        ge=2,
        le=500,
        description="Pause between two frames; left out: 3.5 characters, or 20 ms where boards share a line.",
    )
    local_echo: bool | None = Field(
        default=None, description="The adapter returns what was sent; not given: found out at start."
    )

    @model_validator(mode="before")
    @classmethod
    def _usual_channels(cls, given: Any) -> Any:
        """What is left out is what boards of this family usually have."""
        if not isinstance(given, dict) or given.get("profile") not in USUAL_CHANNELS:
            return given
        outputs, inputs = USUAL_CHANNELS[given["profile"]]
        return {"outputs": outputs, "inputs": inputs, **given}

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.inputs and self.profile in ("quirk0100", "r421a08"):
            raise ValueError(f"inputs = {self.inputs}: boards of family {self.profile} have none")
        if not self.outputs and not self.inputs:
            raise ValueError("outputs and inputs are both 0: what is the board for?")
        if self.framing == "tcp" and not self.is_on_network:
            raise ValueError('framing = "tcp" needs a port tcp://host:502')
        return self

    @property
    def line(self) -> tuple[object, ...]:
        """What boards on one line must have in common."""
        return self.port, self.speaks_tcp, self.baud, self.parity, self.stop_bits

    @property
    def is_on_network(self) -> bool:
        """True behind ``tcp://``."""
        return self.port.startswith("tcp://")

    @property
    def speaks_tcp(self) -> bool:
        """True when requests carry the Modbus TCP header instead of a CRC."""
        return self.framing == "tcp" or (self.framing == "auto" and self.is_on_network)


class GpioBoard(Section):
    """Relays and contacts on the Raspberry Pi's own pins (needs gpiozero)."""

    type: Literal["gpio"] = "gpio"
    output_pins: tuple[Annotated[int, Field(ge=0, le=27)], ...] = Field(
        default=(), description="BCM numbers of the relays' pins; channel 1 is the first."
    )
    input_pins: tuple[Annotated[int, Field(ge=0, le=27)], ...] = Field(
        default=(), description="BCM numbers of the contacts' pins; channel 1 is the first."
    )
    active_low: bool = Field(
        default=False, description="Relays switch on with a low pin, as on most opto-coupled relay hats."
    )
    pull_up: bool = Field(default=True, description="Contacts lead to ground; a closed contact is active.")

    @model_validator(mode="after")
    def _each_pin_once(self) -> Self:
        pins = (*self.output_pins, *self.input_pins)
        if not pins:
            raise ValueError("output_pins and input_pins are both empty: name the pins")
        if len(set(pins)) < len(pins):
            raise ValueError("a pin is named twice; each can be one relay or one contact")
        return self

    @property
    def port(self) -> str:
        """For people: there is no port."""
        return "gpio"

    @property
    def baud(self) -> int:
        """No line, so no time on it; any number that is fast."""
        return 1_000_000

    @property
    def outputs(self) -> int:
        """Relays on the pins."""
        return len(self.output_pins)

    @property
    def inputs(self) -> int:
        """Contacts on the pins."""
        return len(self.input_pins)


class ReaderBoard(_RelaysOnly):
    """Relays inside an OSDP reader: pulses that the reader itself times.

    They sit on the side of the street: whoever opens the housing has the contact. For turnstiles and inner
    doors; a lock of an outer door belongs on a board inside.
    """

    type: Literal["reader"] = "reader"
    reader: Name = Field(description="Which OSDP reader, as it is called in the section readers.")
    channels: int = Field(default=1, ge=1, le=4, description="Relays in the reader.")

    @property
    def port(self) -> str:
        """For people: the line is the reader's."""
        return f"reader {self.reader}"

    @property
    def baud(self) -> int:
        """The reader's own; what matters here is that an answer takes some time."""
        return 9600


class SimulatedBoard(Section):
    """One of the two boards of a simulated site, relays or inputs: for trying a configuration out.

    Relays 1 to 4 are open, close and stop of a simulated barrier and the lock of a simulated door; inputs 1
    to 8 are its open limit, closed limit, loop, beam, fire, hold key, door contact and exit button. What
    hangs where on a walkway says ``drivers.simulated.walkway``.
    """

    type: Literal["simulated"] = "simulated"
    part: Literal["relays", "inputs"] = Field(
        description="The board with the relays, or the one with the inputs."
    )
    site: Literal["parking", "walkway"] = Field(
        default="parking", description="parking: a barrier and a door; walkway: a turnstile and a mantrap."
    )
    family: Literal[
        "lcus", "kmtronic", "devantech", "numato", "waveshare", "lc", "quirk0100", "r421a08", "modbus-tcp"
    ] = Field(default="lcus", description="Which relay board is simulated; the input board is always lc.")
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
        count = {"parking": 4, "walkway": 8}[self.site]
        return count if self.part == "relays" else 0

    @property
    def inputs(self) -> int:
        """Inputs on the board."""
        count = {"parking": 8, "walkway": 16}[self.site]
        return count if self.part == "inputs" else 0


AnyBoard = (
    LcusBoard
    | KmtronicBoard
    | DevantechBoard
    | NumatoBoard
    | ModbusBoard
    | GpioBoard
    | ReaderBoard
    | SimulatedBoard
)
BoardSettings = Annotated[AnyBoard, Field(discriminator="type")]


def port_faults(boards: Mapping[str, AnyBoard]) -> list[str]:
    """Only Modbus boards share a line, and then they must agree about it; a pin belongs to one board."""
    faults = []
    users: dict[str, str] = {}
    for name, board in boards.items():
        for place in _places_of(board):
            other_name = users.setdefault(place, name)
            if other_name != name and not _may_share(board, boards[other_name]):
                faults.append(
                    f"boards.{name}.port: {place} is taken by {other_name!r}; only Modbus boards with the"
                    " same line options and different addresses share a line"
                )
    return faults


def _places_of(board: AnyBoard) -> list[str]:
    match board:
        case SimulatedBoard():
            return []
        case GpioBoard():
            return [f"GPIO pin {pin}" for pin in (*board.output_pins, *board.input_pins)]
        case _:
            return [board.port]


def _may_share(board: AnyBoard, other: AnyBoard) -> bool:
    if not isinstance(board, ModbusBoard) or not isinstance(other, ModbusBoard):
        return False
    return board.line == other.line and board.address != other.address
