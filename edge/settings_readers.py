"""The section ``readers``: card readers and keypads, and the lane at which each stands."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from edge.settings_boards import Name, Port, Section

MOST_OSDP_ON_A_LINE = 8


class _ReaderBase(Section):
    port: Port = Field(description="Serial port; several readers of one type may share it.")
    lane: Name = Field(description="Lane whose door or barrier is asked for here.")
    card_format: Literal["auto", "w26", "w34", "raw"] = Field(
        default="auto",
        description="auto: 26 and 34 bits as Wiegand, other lengths whole; raw: every bit counts.",
    )
    byte_order: Literal["big", "little"] = Field(
        default="big", description="little for readers that send the last byte of the number first."
    )
    pin_timeout_s: float = Field(
        default=10.0, ge=2, le=60, description="Longest pause between two keys of a PIN."
    )


class OsdpReaderSettings(_ReaderBase):
    """A reader on RS-485 with OSDP and its secure channel; needs the extra ``osdp``."""

    type: Literal["osdp"] = "osdp"
    baud: Literal[9600, 19200, 38400, 57600, 115200, 230400] = Field(
        default=9600, description="Of the line; the reader must be set to the same."
    )
    address: int = Field(default=0, ge=0, le=126, description="Of the reader on its line.")
    key_file: Path | None = Field(
        default=None,
        description="Its key, 32 hexadecimal digits; not given: readers/NAME.key in the state folder,"
        " written by gatehouse reader install.",
    )


class BridgeReaderSettings(_ReaderBase):
    """A Wiegand reader behind a bridge (``drivers.reader.bridge``)."""

    type: Literal["bridge"] = "bridge"
    baud: int = Field(default=115_200, ge=1200, le=921_600, description="Of the bridge.")
    index: int = Field(default=1, ge=1, le=8, description="Port of the bridge that the reader hangs on.")


ReaderSettings = Annotated[OsdpReaderSettings | BridgeReaderSettings, Field(discriminator="type")]
AnyReader = OsdpReaderSettings | BridgeReaderSettings


def reader_faults(readers: Mapping[str, AnyReader]) -> list[str]:
    """One line per fault between readers that share a line."""
    problems = []
    first: dict[str, str] = {}
    places: dict[tuple[str, int], str] = {}
    for name, reader in readers.items():
        path = f"readers.{name}"
        other_name = first.setdefault(reader.port, name)
        other = readers[other_name]
        if (other.type, other.baud) != (reader.type, reader.baud):
            problems.append(f"{path}.port: {other_name!r} has it with another type or baud")
        option = "address" if isinstance(reader, OsdpReaderSettings) else "index"
        place = reader.address if isinstance(reader, OsdpReaderSettings) else reader.index
        taken = places.setdefault((reader.port, place), name)
        if taken != name:
            problems.append(f"{path}.{option}: {place} is taken by {taken!r} on the same line")
    for line, name in first.items():
        count = sum(r.port == line and isinstance(r, OsdpReaderSettings) for r in readers.values())
        if count > MOST_OSDP_ON_A_LINE:
            problems.append(f"readers.{name}.port: {count} OSDP readers; {MOST_OSDP_ON_A_LINE} share a line")
    return problems


def lines_of(readers: Mapping[str, AnyReader]) -> dict[str, tuple[str, ...]]:
    """Names of the readers by the port that they share."""
    lines: dict[str, tuple[str, ...]] = {}
    for name, reader in readers.items():
        lines[reader.port] = (*lines.get(reader.port, ()), name)
    return lines
