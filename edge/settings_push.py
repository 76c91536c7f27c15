"""Settings of cameras that read plates by themselves and push what they read."""

from ipaddress import ip_address
from typing import Literal

from pydantic import Field, field_validator

from edge.settings_boards import Section


class VzenithCamera(Section):
    """A 臻识-style plate camera that posts its results to this box by HTTP; no pictures are taken from it.

    The post carries no signature: whoever can send from the camera's address can claim a plate. Keep cameras
    on a network of their own.
    """

    type: Literal["vzenith"] = "vzenith"
    looks_for: tuple[Literal["plate"], ...] = Field(
        default=("plate",), min_length=1, max_length=1, description="It reads plates and nothing else."
    )
    senders: tuple[str, ...] = Field(
        min_length=1, description='Addresses of the camera, for example "192.168.1.64".'
    )
    listen: str = Field(
        default="0.0.0.0",  # noqa: S104 - the camera is elsewhere; who may send is named above
        description="Address of this box to listen on.",
    )
    port: int = Field(default=8090, ge=1, le=65535, description="And the port that the camera posts to.")
    path: str = Field(
        default="/plate", pattern=r"^/[!-~]{0,200}$", description="The path that the camera posts to."
    )
    votes: int = Field(
        default=2,
        ge=1,
        le=10,
        description="One result counts as so many reads: the camera has voted already.",
    )
    least_confidence: float = Field(
        default=0.8, ge=0.0, le=1.0, description="A result that the camera is less sure of opens nothing."
    )
    silent_s: float = Field(
        default=90.0, ge=5.0, le=3600, description="No result and no heartbeat for this long: camera.lost."
    )

    @field_validator("senders", "listen")
    @classmethod
    def _are_addresses(cls, value: tuple[str, ...] | str) -> tuple[str, ...] | str:
        for address in (value,) if isinstance(value, str) else value:
            try:
                ip_address(address)
            except ValueError as error:
                raise ValueError(f'"{address}" is no IP address') from error
        return value
