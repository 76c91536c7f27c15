"""The one place that opens a ``cv2.VideoCapture``: silent, and with FFmpeg's options set.

OpenCV and FFmpeg write their complaints to the process's standard error, past every logger. They are
silenced here; what matters becomes one line in an exception.
"""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

# Read by OpenCV when it first touches FFmpeg or V4L2, so they must stand before that; an installer who wants
# to see the chatter sets them himself. -8 is FFmpeg's AV_LOG_QUIET; the other is in seconds (default 10).
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "3")

import cv2

cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

_FFMPEG_OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
# TCP: a lost UDP packet tears the picture. No buffering, and no frame-parallel decoding, which holds back one
# frame per thread: the newest frame is the only one that counts.
# What is read to find out about the stream is old by the time we see it, and its rate, for which FFmpeg would
# watch twenty frames, is nothing we ask for.
_LOW_DELAY = "rtsp_transport;tcp|fflags;nobuffer|flags;low_delay|fpsprobesize;0"


def boot_ns() -> int:
    """CLOCK_BOOTTIME in nanoseconds, the time base of every frame."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def open_stream(
    url: str, open_timeout_s: float, read_timeout_s: float, decoder: str = ""
) -> cv2.VideoCapture | None:
    """Open a network stream; None when it does not open within the time-out.

    Args:
        url: Its address.
        open_timeout_s: How long it may take to begin.
        read_timeout_s: How long the next frame may take.
        decoder: FFmpeg's name of one, as ``h264_v4l2m2m``; empty: the usual for what is sent.
    """
    times = [
        cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
        round(open_timeout_s * 1000),
        cv2.CAP_PROP_READ_TIMEOUT_MSEC,
        round(read_timeout_s * 1000),
    ]
    options = f"{_LOW_DELAY}|video_codec;{decoder}" if decoder else _LOW_DELAY
    with _environment(_FFMPEG_OPTIONS, options):
        return _opened(url, cv2.CAP_FFMPEG, times)


def codec_of(capture: cv2.VideoCapture) -> str:
    """Four small letters that name how the pictures are coded; empty when nobody says."""
    code = int(capture.get(cv2.CAP_PROP_FOURCC))
    return code.to_bytes(4, "little", signed=code < 0).decode("latin-1").strip("\0 ").lower()


def open_device(path: str) -> cv2.VideoCapture | None:
    """Open a V4L2 device; None when it cannot be opened."""
    return _opened(path, cv2.CAP_V4L2, [])


def open_film(path: str) -> cv2.VideoCapture | None:
    """Open a film file; None when it is none, or damaged."""
    return _opened(path, cv2.CAP_FFMPEG, [])


def _opened(target: str, backend: int, parameters: Sequence[int]) -> cv2.VideoCapture | None:
    try:
        capture = cv2.VideoCapture(target, backend, list(parameters))
    except cv2.error:
        return None
    if capture.isOpened():
        return capture
    capture.release()
    return None


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    """Set a variable unless it is set; OpenCV takes FFmpeg's options from nowhere else."""
    if name in os.environ:
        yield
        return
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]
