"""What may be shown of an address, and what it names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.camera import open_camera, shown
from drivers.camera.address import why_unreachable
from drivers.camera.opencv import is_live
from drivers.errors import DriverUnavailable, LinkLost


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("rtsp://admin:geheim@10.0.0.7:554/1", "rtsp://***@10.0.0.7:554/1"),
        ("rtsp://admin:ge@hei/m@10.0.0.7/1", "rtsp://***@10.0.0.7/1"),
        ("http://10.0.0.7/v?user=a&password=geheim&x=1", "http://10.0.0.7/v?user=a&password=***&x=1"),
        ("rtsp://10.0.0.7/user=admin_password=geheim", "rtsp://10.0.0.7/user=admin_password=***"),
        ("rtsp://10.0.0.7/1", "rtsp://10.0.0.7/1"),
        ("/dev/video0", "/dev/video0"),
    ],
)
def test_an_address_is_shown_without_its_secrets(source: str, expected: str) -> None:
    assert shown(source) == expected


@given(st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1).map(lambda text: f"Q{text}Q"))
def test_no_password_is_ever_shown(password: str) -> None:
    assert password not in shown(f"rtsp://user:{password}@camera/1")


@pytest.mark.parametrize("source", ["0", "7", "/dev/video0", "rtsp://a/1", "http://a/1"])
def test_devices_and_streams_are_live(source: str) -> None:
    assert is_live(source)


@pytest.mark.parametrize("source", ["film.mp4", "/srv/film.mp4", "0.mp4"])
def test_files_are_films(source: str) -> None:
    assert not is_live(source)


@pytest.mark.parametrize(
    ("source", "clause"),
    [
        ("http://127.0.0.1:99999/", "no valid address"),
        ("rtsp://:8554/x", "names no host"),
        ("rtsp://[::1/x", "no valid address"),
        ("http://camera.invalid/", "host name camera.invalid is not known"),
        ("http://127.0.0.1:1/", "refuses port 1"),
    ],
)
def test_why_nobody_can_be_reached_is_said(source: str, clause: str) -> None:
    assert clause in why_unreachable(source)


def test_a_transport_without_connections_is_not_knocked_at() -> None:
    assert why_unreachable("udp://239.0.0.1:5000") == ""


def test_an_unknown_type_names_those_there_are() -> None:
    there_are = r'no camera of type "gopro"; there are: opencv, picamera, replay'
    with pytest.raises(DriverUnavailable, match=there_are):
        open_camera("gate", type="gopro", source="x")


def test_a_device_that_is_not_there_is_named() -> None:
    with pytest.raises(LinkLost, match=r"there is no /dev/video99: is the camera plugged in"):
        open_camera("gate", source="99")
