"""A camera: does it deliver, how fast, how good a picture; one picture kept for people to look at."""

import os
import statistics
from dataclasses import asdict
from pathlib import Path

import cv2

from drivers.camera import EndOfFilm, Frame, shown
from drivers.errors import DriverError
from edge.clock import NS_PER_S, Clock
from edge.doctor.finding import Finding, Grade
from edge.settings import AnyCamera, CameraSettings, PiCamera, VzenithCamera
from edge.vision.capture import open_configured
from edge.vision.picture import SOFT_FOCUS, PictureQuality, measure_picture

LOOK_S = 2.0
MEASURED = 5
DARK, BRIGHT = 30.0, 225.0
BLIND_SHARE = 0.9


def examine_camera(name: str, settings: AnyCamera, clock: Clock, keep_in: Path | None = None) -> Finding:
    """Open a camera for two seconds and measure what it shows. Blocks for as long as its time-outs say.

    Args:
        name: In the configuration.
        settings: Its section.
        clock: For the rate.
        keep_in: Folder for one picture, ``<name>.jpg``; None keeps none.
    """
    part = f"camera {name}"
    if isinstance(settings, VzenithCamera):
        return Finding(part, Grade.UNASKED, "it sends its readings by itself, when a car comes")
    where = part if isinstance(settings, PiCamera) else shown(str(settings.source))
    try:
        frames, took_s = _frames(name, settings, clock)
    except DriverError as error:
        advice = "check cable, power, address and password; a running daemon may hold a USB camera"
        return Finding(part, Grade.BAD, str(error), advice, "请检查线缆、供电、地址和密码")
    if not frames:
        return Finding(part, Grade.BAD, f"{where} delivers no picture", "look at the source", "无画面")
    height, width = frames[-1].image.shape[:2]
    qualities = [measure_picture(frame.image) for frame in frames[-MEASURED:]]
    picture = _middle(qualities)
    rate = (len(frames) - 1) / took_s if took_s > 0 else 0.0
    kept = "" if keep_in is None else _keep(frames[-1], keep_in / f"{name}.jpg")
    figures = {"width_px": width, "height_px": height, "frames_per_s": round(rate, 1), **asdict(picture)}
    words = (
        f"{width} x {height}, {rate:.1f} frames/s, focus {picture.focus:.2f},"
        f" brightness {picture.brightness:.0f}"
    )
    grade, advice, advice_zh = _judge(picture)
    return Finding(part, grade, words + kept, advice, advice_zh, figures)


def _frames(name: str, settings: CameraSettings, clock: Clock) -> tuple[list[Frame], float]:
    camera = open_configured(name, settings, epoch_ns=0)
    frames: list[Frame] = []
    try:
        frames.append(camera.read())
        began_ns = clock.boot_ns()
        while clock.boot_ns() - began_ns < LOOK_S * NS_PER_S:
            frames.append(camera.read())
            del frames[: -MEASURED - 1]
    except EndOfFilm:
        pass
    finally:
        camera.close()
    if len(frames) < 2:
        return frames, 0.0
    return frames, (frames[-1].taken_ns - frames[0].taken_ns) / NS_PER_S


def _middle(qualities: list[PictureQuality]) -> PictureQuality:
    values = [asdict(quality) for quality in qualities]
    return PictureQuality(**{name: statistics.median(v[name] for v in values) for name in values[0]})


def _judge(picture: PictureQuality) -> tuple[Grade, str, str]:
    if picture.dark > BLIND_SHARE or picture.brightness < DARK:
        return Grade.BAD, "too dark to see anything: light, lens cap, exposure", "画面过暗,请检查补光和镜头盖"
    if picture.bright > BLIND_SHARE or picture.brightness > BRIGHT:
        return Grade.BAD, "too bright to see anything: turn it from the light", "画面过曝,请避开强光"
    if picture.focus < SOFT_FOCUS:
        return Grade.DOUBTFUL, "soft: turn the focus ring, clean the glass", "画面模糊,请调焦或清洁镜头"
    return Grade.GOOD, "", ""


def _keep(frame: Frame, path: Path) -> str:
    done, data = cv2.imencode(".jpg", frame.image, [cv2.IMWRITE_JPEG_QUALITY, 85])
    if not done:
        return ""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data.tobytes())
    return f"; picture in {path}"
