"""Settings of cameras that give pictures: where these come from, and what is looked for in them."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from drivers.camera.address import is_url
from edge.settings_looking import LookingSettings

ConditionAlarm = Literal["black", "dark", "bright", "defocused", "dirty", "moved", "covered"]
ALL_CONDITIONS: tuple[ConditionAlarm, ...] = (
    "black", "dark", "bright", "defocused", "dirty", "moved", "covered",
)  # fmt: skip


class _CameraBase(LookingSettings):
    looks_for: tuple[Literal["plate", "face", "qr"], ...] = Field(
        min_length=1, description="What is looked for in this camera."
    )
    min_face_px: int = Field(default=60, ge=30, le=600, description="Smallest face, pixels high.")
    min_plate_px: int = Field(default=16, ge=12, le=200, description="Smallest plate, pixels high.")
    liveness_cues: bool | None = Field(
        default=None,
        description="Measure signs of a screen or paper; not given: where a lane of this camera asks for it.",
    )
    crops: tuple[Literal["plate", "face"], ...] | None = Field(
        default=None,
        description="Of what the vision process gives a small picture with each read; not given: of what"
        " [pictures] keeps at a lane of this camera.",
    )
    max_fps: float = Field(default=15.0, gt=0, le=60, description="Frames per second to look at, at most.")
    stall_s: float = Field(default=3.0, ge=0.5, le=60, description="No frame for this long: camera.lost.")
    freeze_s: float | None = Field(
        default=None,
        ge=1.0,
        le=600,
        description="The very same frame for this long: camera.frozen. Not given: 1.5 s where each picture is"
        " coded by itself (USB, MJPEG: a real sensor's noise differs from frame to frame), 8 s where an"
        " encoder may repeat its last picture (H.264, H.265, films).",
    )
    reference_s: float = Field(
        default=120.0,
        ge=0,
        le=3600,
        description="Over this time the reference picture is learnt, when there is none; 0: never.",
    )
    condition_alarms: tuple[ConditionAlarm, ...] = Field(
        default=ALL_CONDITIONS, description="Which conditions of the picture raise an alarm."
    )


class OpenCvCamera(_CameraBase):
    """A USB camera, a network stream, or anything else OpenCV opens."""

    type: Literal["opencv"] = "opencv"
    source: str = Field(description='"0" or "/dev/video0", "rtsp://...", "http://...", or a file.')
    width_px: int | None = Field(default=None, ge=160, le=7680, description="Asked of a USB camera.")
    height_px: int | None = Field(default=None, ge=120, le=4320, description="Asked of a USB camera.")
    fps: float | None = Field(default=None, gt=0, le=240, description="Asked of a USB camera.")
    format: Literal["mjpg", "yuyv", "auto"] = Field(
        default="mjpg",
        description="Of a USB camera's pictures. mjpg: packed, many a second; yuyv: plain, few; auto.",
    )
    exposure_us: int | None = Field(
        default=None, ge=100, le=1_000_000, description="Of a USB camera, fixed. Not given: its automatic."
    )
    buffers: int = Field(
        default=1,
        ge=1,
        le=8,
        description="Pictures a USB camera's driver may hold back; 1: always the newest.",
    )
    open_timeout_s: float = Field(default=5.0, ge=0.5, le=60, description="For network streams.")
    reduce: Literal[1, 2, 4, 8] = Field(
        default=1,
        description="Decode an MJPEG stream (http://) at a half, a quarter or an eighth: far quicker where"
        " faces and plates are large. Sizes in pixels, as min_face_px, count in the smaller picture.",
    )
    decoder: Literal["software", "h264_v4l2m2m", "hevc_v4l2m2m", "h264_rkmpp", "hevc_rkmpp"] = Field(
        default="software",
        description="Of a network stream: the board's own where OpenCV's FFmpeg has it, else software.",
    )
    stall_s: float = Field(default=1.0, ge=0.5, le=60, description="No frame for this long: camera.lost.")

    @model_validator(mode="after")
    def _options_suit_the_source(self) -> "OpenCvCamera":
        if is_url(self.source) and (self.format != "mjpg" or self.exposure_us is not None):
            raise ValueError(
                "format and exposure_us are for USB cameras; set them in the pages of a network camera"
            )
        if self.reduce > 1 and not self.source.startswith(("http://", "https://")):
            raise ValueError("reduce is for MJPEG streams over http:// or https://; leave it out")
        if not is_url(self.source) and self.decoder != "software":
            raise ValueError(f'decoder = "{self.decoder}" is for network streams; leave it out')
        return self


class PiCamera(_CameraBase):
    """A camera on a Raspberry Pi's own connector, through libcamera (Debian's python3-picamera2)."""

    type: Literal["picamera"] = "picamera"
    number: int = Field(default=0, ge=0, le=7, description="Which one, as rpicam-hello --list-cameras says.")
    width_px: int = Field(default=1280, ge=160, le=4608, description="Of its pictures.")
    height_px: int = Field(default=720, ge=120, le=3496, description="Of its pictures.")
    fps: float = Field(default=15.0, gt=0, le=120, description="Pictures a second.")
    exposure_us: int | None = Field(
        default=None, ge=20, le=1_000_000, description="Fixed exposure. Not given: automatic."
    )
    upside_down: bool = Field(
        default=False, description="It hangs head down: turn the picture by 180 degrees."
    )
    stall_s: float = Field(default=1.0, ge=0.5, le=60, description="No frame for this long: camera.lost.")


class ReplayCamera(_CameraBase):
    """A film, played by its own clock: for demonstrations, tests and training of staff."""

    type: Literal["replay"] = "replay"
    source: str = Field(description="A film, or a folder of pictures.")
    repeat: bool = Field(default=False, description="Begin again at the end.")
    fps: float | None = Field(
        default=None, gt=0, le=120, description="For a folder, or to override a film's."
    )
    epoch_ns: int = Field(
        default=0, ge=0, description="CLOCK_BOOTTIME at which the film began; 0: when it is opened."
    )
    condition_alarms: tuple[ConditionAlarm, ...] = Field(
        default=(),
        description="Which conditions of the picture raise an alarm; a film raises none by itself.",
    )


CameraSettings = Annotated[OpenCvCamera | PiCamera | ReplayCamera, Field(discriminator="type")]
"""Cameras that give pictures: each has a vision process."""
