"""What is asked of a USB camera: format, size, rate, exposure, buffers. V4L2's numbers, through OpenCV."""

from dataclasses import dataclass
from typing import Protocol

import cv2

FOURCC = {"mjpg": "MJPG", "yuyv": "YUYV"}
# V4L2_CID_EXPOSURE_AUTO, as UVC cameras have it: 1 is manual, 3 "aperture priority": automatic time.
_MANUAL, _AUTOMATIC = 1, 3
_EXPOSURE_UNIT_US = 100  # V4L2_CID_EXPOSURE_ABSOLUTE


class Askable(Protocol):
    """A ``cv2.VideoCapture``, as far as it is asked here."""

    def set(self, property_id: int, value: float, /) -> bool:
        """Ask; False when it says no."""
        ...

    def get(self, property_id: int, /) -> float:
        """What it does."""
        ...


@dataclass(frozen=True, slots=True)
class DeviceWishes:
    """What a device shall do; None: as it likes.

    Attributes:
        format: ``mjpg``, ``yuyv`` or ``auto``. Uncompressed pictures of 1280 x 720 pass a USB 2 cable only
            ten times a second, so packed ones are the rule.
        exposure_us: Fixed exposure time; None: automatic.
        buffers: Pictures the driver may hold back. With more than one a slow reader is handed old ones.
    """

    width_px: int | None = None
    height_px: int | None = None
    fps: float | None = None
    format: str = "mjpg"
    exposure_us: int | None = None
    buffers: int = 1


NO_WISHES = DeviceWishes()


def properties(wishes: DeviceWishes) -> list[tuple[int, float]]:
    """OpenCV's properties in the order in which a driver must hear them.

    Why: the format decides which sizes there are, and the size which rates.
    """
    wanted: list[tuple[int, float]] = []
    if wishes.format in FOURCC:
        wanted.append((cv2.CAP_PROP_FOURCC, float(cv2.VideoWriter.fourcc(*FOURCC[wishes.format]))))
    if wishes.width_px:
        wanted.append((cv2.CAP_PROP_FRAME_WIDTH, wishes.width_px))
    if wishes.height_px:
        wanted.append((cv2.CAP_PROP_FRAME_HEIGHT, wishes.height_px))
    if wishes.fps:
        wanted.append((cv2.CAP_PROP_FPS, wishes.fps))
    wanted.append((cv2.CAP_PROP_BUFFERSIZE, wishes.buffers))
    if wishes.exposure_us is None:
        # Said as well: a camera remembers a fixed time that somebody gave it before.
        return [*wanted, (cv2.CAP_PROP_AUTO_EXPOSURE, _AUTOMATIC)]
    units = max(1, round(wishes.exposure_us / _EXPOSURE_UNIT_US))
    return [*wanted, (cv2.CAP_PROP_AUTO_EXPOSURE, _MANUAL), (cv2.CAP_PROP_EXPOSURE, units)]


def ask(capture: Askable, wishes: DeviceWishes) -> None:
    """Ask for everything; a camera that cannot do something keeps to what it can."""
    for property_id, value in properties(wishes):
        capture.set(property_id, value)


def refusals(capture: Askable, wishes: DeviceWishes) -> list[str]:
    """What was asked for and is not so, one short line each."""
    found = []
    if wishes.format in FOURCC:
        code = int(capture.get(cv2.CAP_PROP_FOURCC)) & 0xFFFFFFFF
        has = code.to_bytes(4, "little").decode("latin-1")
        if has != FOURCC[wishes.format]:
            found.append(f"format {has.strip(chr(0)) or 'unknown'} instead of {FOURCC[wishes.format]}")
    for words, property_id, wish in (
        ("px wide", cv2.CAP_PROP_FRAME_WIDTH, wishes.width_px),
        ("px high", cv2.CAP_PROP_FRAME_HEIGHT, wishes.height_px),
        ("frames/s", cv2.CAP_PROP_FPS, wishes.fps),
    ):
        if wish and abs((is_now := capture.get(property_id)) - wish) > 0.05 * wish:
            found.append(f"{is_now:g} {words} instead of {wish:g}")
    if wishes.exposure_us is not None and capture.get(cv2.CAP_PROP_AUTO_EXPOSURE) != _MANUAL:
        found.append("automatic exposure instead of a fixed one")
    return found
