"""The section ``[pictures]``: whether pictures of passages are kept, how long, and whether they are sent.

Only in the file: no document of the platform can have more kept, or sent, than whoever runs the site allows.
"""

import ipaddress
from collections.abc import Collection, Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field

from edge.settings_boards import Name, Section
from edge.settings_sync import SyncSettings


class PictureSettings(Section):
    """Pictures of passages: off unless asked for."""

    plates: Literal["never", "refused", "always"] = Field(
        default="never", description="Of which cars a picture of the plate is kept; refused: not let in."
    )
    faces: Literal["never", "consented"] = Field(
        default="never",
        description="consented: of persons whose consent allows pictures of passages. Of strangers, never.",
    )
    lanes: tuple[Name, ...] = Field(default=(), description="Only of these lanes; not given: of all.")
    quota_mb: int = Field(
        default=200, ge=1, le=100_000, description="All of them together; the oldest make room."
    )
    keep_days: float = Field(default=7.0, gt=0, le=365, description="Then they are deleted.")
    upload: bool = Field(
        default=False,
        description="Send them to the platform after their event; faces only if the consent says so.",
    )

    @property
    def kinds(self) -> tuple[str, ...]:
        """What is kept pictures of at all: "plate", "face"."""
        kept = (("plate", self.plates), ("face", self.faces))
        return tuple(kind for kind, word in kept if word != "never")

    def kinds_at(self, lane: str) -> tuple[str, ...]:
        """The same at one lane."""
        return self.kinds if not self.lanes or lane in self.lanes else ()


def wanted_crops(
    pictures: PictureSettings, lanes: Mapping[str, Any], names: Collection[str]
) -> tuple[str, ...]:
    """Of which kinds a camera's process is to send a small picture with each read.

    Args:
        pictures: The section.
        lanes: All lanes.
        names: Those of the camera.
    """
    wanted = {kind for name in names for kind in pictures.kinds_at(name) if kind in lanes[name].accepts}
    return tuple(sorted(wanted))


def picture_faults(pictures: PictureSettings, lanes: Mapping[str, Any], sync: SyncSettings) -> list[str]:
    """One line per fault."""
    known = ", ".join(lanes) or "none"
    problems = [
        f"pictures.lanes: no lane {name!r} (there are: {known})"
        for name in pictures.lanes
        if name not in lanes
    ]
    if not pictures.upload:
        return problems
    if not pictures.kinds:
        problems.append("pictures.upload: nothing is kept to be sent; set pictures.plates or pictures.faces")
    if not sync.enabled:
        problems.append("pictures.upload: needs the link to the platform (sync.enabled)")
    problems += [
        f"pictures.upload: pictures go over TLS only, and {url} is not mqtts://"
        for url in sync.brokers
        if sync.enabled and not _is_private(url)
    ]
    return problems


def _is_private(url: str) -> bool:
    """Whether nobody between us and the broker can read: TLS, or a broker on this machine."""
    parts = urlsplit(url)
    if parts.scheme == "mqtts" or parts.hostname == "localhost":
        return True
    try:
        return ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False
