"""Cameras in the configuration: what each source may be asked, and what is said when it may not."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from edge.errors import SettingsError
from edge.settings import Settings
from edge.settings_cameras import CameraSettings, OpenCvCamera, PiCamera, ReplayCamera
from edge.settings_file import parse_settings

ANY: TypeAdapter[CameraSettings] = TypeAdapter(CameraSettings)
STREAM = {"type": "opencv", "source": "rtsp://192.0.2.10/1", "looks_for": ["plate"]}
DEVICE = {"type": "opencv", "source": "/dev/video0", "looks_for": ["plate"]}


def parsed(camera: dict[str, Any]) -> Settings:
    return parse_settings({"device": {"id": "box"}, "cameras": {"lane": camera}})


@pytest.mark.parametrize(
    "camera",
    [
        DEVICE | {"format": "yuyv", "width_px": 1280, "height_px": 720, "fps": 15, "exposure_us": 5000},
        DEVICE | {"buffers": 2, "format": "auto"},
        STREAM | {"decoder": "h264_v4l2m2m"},
        {"type": "picamera", "looks_for": ["face"], "upside_down": True},
        {"type": "replay", "source": "film.avi", "looks_for": ["plate"], "condition_alarms": ["black"]},
    ],
)
def test_what_a_vision_process_is_given_is_what_was_configured(camera: dict[str, Any]) -> None:
    settings = parsed(camera).cameras["lane"]
    assert ANY.validate_python(settings.model_dump(mode="json")) == settings


@pytest.mark.parametrize(
    ("camera", "said"),
    [
        (STREAM | {"exposure_us": 5000}, "format and exposure_us are for USB cameras"),
        (STREAM | {"format": "yuyv"}, "format and exposure_us are for USB cameras"),
        (DEVICE | {"decoder": "h264_rkmpp"}, "is for network streams; leave it out"),
        (STREAM | {"decoder": "rkmpp"}, "h264_rkmpp"),
        (DEVICE | {"exposure_ms": 5}, "did you mean 'exposure_us'?"),
        (STREAM | {"condition_alarm": []}, "did you mean 'condition_alarms'?"),
        (STREAM | {"condition_alarms": ["blurred"]}, "defocused"),
        ({"type": "picamera", "looks_for": ["face"], "source": "0"}, "cameras.lane.source: unknown option"),
    ],
)
def test_what_a_source_cannot_be_asked_is_an_error_with_a_hint(camera: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parsed(camera)
    assert said in "\n".join(caught.value.problems)


def test_a_film_raises_no_alarm_about_its_pictures_and_cameras_raise_all() -> None:
    film = ReplayCamera(source="film.avi", looks_for=("plate",))
    assert film.condition_alarms == ()
    for camera in (OpenCvCamera(source="0", looks_for=("plate",)), PiCamera(looks_for=("plate",))):
        assert len(camera.condition_alarms) == 7
        assert camera.stall_s < 1.5, "a camera that says nothing is named within two seconds"


def test_a_number_that_no_camera_has_is_refused() -> None:
    with pytest.raises(ValidationError):
        PiCamera(looks_for=("face",), number=9)
