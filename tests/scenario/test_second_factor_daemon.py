"""The whole daemon before a simulated attack: a resident's picture on a phone, then their own pass."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from rephotograph import MEDIA, hand_held, photograph, show
from whole_box import LOCK, WholeBox, until

from edge.cli import main
from edge.demo.portraits import ASTRONAUT, portrait_path
from edge.errors import Unavailable
from edge.vision.codes import CodeReader, draw_code

pytestmark = [pytest.mark.mosquitto, pytest.mark.slow]

SIZE = (480, 360)
FPS = 6.0


def picture_of_eileen() -> np.ndarray:
    try:
        path = portrait_path(ASTRONAUT)
    except Unavailable as error:
        pytest.skip(str(error))
    return cv2.imread(str(path))


class Film:
    """Frames of a hall, one scene after the other."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._rng = np.random.default_rng(4)
        coarse = self._rng.integers(50, 150, (6, 8, 3)).astype(np.uint8)
        self._hall = cv2.resize(coarse, SIZE, interpolation=cv2.INTER_CUBIC)
        self._writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), FPS, SIZE)
        assert self._writer.isOpened()

    def empty(self, seconds: float) -> None:
        for _ in range(round(seconds * FPS)):
            self._write(photograph(self._hall, self._rng))

    def phone(self, picture: np.ndarray, seconds: float) -> None:
        """A telephone with a picture on it, held by a hand."""
        frames = round(seconds * FPS)
        for corners in hand_held((240, 180), (270, 270), frames, self._rng, tilt_degrees=6, travel=0.1):
            self._write(show(picture, self._hall, corners, MEDIA[0], self._rng))

    def paper(self, code: np.ndarray, seconds: float) -> None:
        """A sheet with a QR code, held by a hand."""
        sheet = np.pad(np.where(code, 0, 255).astype(np.uint8), 4, constant_values=255)
        sheet = cv2.cvtColor(np.kron(sheet, np.ones((6, 6), np.uint8)), cv2.COLOR_GRAY2BGR)
        size = len(sheet)
        ends = np.array([[0, 0], [size, 0], [size, size], [0, size]], np.float32)
        frames = round(seconds * FPS)
        for corners in hand_held((240, 180), (300, 300), frames, self._rng, tilt_degrees=4, travel=0.1):
            matrix = cv2.getPerspectiveTransform(ends, corners.astype(np.float32))
            light = cv2.warpPerspective(sheet, matrix, SIZE, flags=cv2.INTER_AREA)
            mask = cv2.warpPerspective(np.full(sheet.shape[:2], 255, np.uint8), matrix, SIZE)[..., None] > 127
            self._write(photograph(np.where(mask, light, self._hall).astype(np.uint8), self._rng))

    def close(self) -> None:
        self._writer.release()

    def _write(self, frame: np.ndarray) -> None:
        self._writer.write(frame)


def made_pass(folder: Path, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The text of a pass, made with the command as a receptionist would."""
    png = folder / "pass.png"
    key = str(folder / "pass_key.json")
    assert (
        main(["pass", "make", *words, "--key", key, "--png", str(png), "--config", str(folder / "no")]) == 0
    )
    capsys.readouterr()
    code = CodeReader().read(cv2.imread(str(png)))
    assert code is not None
    return code.text


def test_ACC_1_a_telephone_with_a_residents_picture_opens_nothing_until_the_residents_pass_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    eileen = picture_of_eileen()
    assert main(["pass", "keys", str(tmp_path)]) == 0
    text = made_pass(tmp_path, capsys, "eileen", "--lane", "door")
    film = Film(tmp_path / "film.avi")
    film.empty(1)
    film.phone(cv2.resize(eileen[40:290, 90:340], (270, 270)), 6)
    film.paper(draw_code(text), 6)
    film.empty(1)
    film.close()
    camera = {
        "type": "replay",
        "source": str(film.path),
        "looks_for": ["face", "qr"],
        "min_face_px": 80,
        "stall_s": 30,
    }
    door = {
        "type": "door",
        "cameras": ["hall"],
        "accepts": ["face"],
        "liveness": "passive",
        "second_factors": ["qr"],
        "second_factor_s": 30,
        "lock": {"board": "relay", "channel": LOCK, "pulse_ms": 0},
        "contact": {"board": "io", "channel": 7},
    }
    box = WholeBox(
        tmp_path,
        cameras={"hall": camera},
        lanes={"door": door},
        passes={"keys": str(tmp_path / "pass_keys.json")},
        models={"face_detector": "hog"},
    )
    with box:
        assert box.command("roster", "add", "eileen", "--name", "Eileen").returncode == 0
        enrolled = box.command("enroll", "eileen", str(portrait_path(ASTRONAUT)), "--consent", "test-1")
        assert enrolled.returncode == 0, enrolled.stderr + enrolled.stdout
        box.start()
        asked = until(lambda: box.journal("access.factor_asked"), 60, "a second factor is asked for")
        assert box.pulses(LOCK) == 0
        status = box.command("lane", "status", "--json")
        prompts: list[dict[str, Any]] = json.loads(status.stdout or "{}").get("prompts", [])
        until(lambda: box.pulses(LOCK), 60, "the lock's relay moves")
        box.wait_delivered()
        granted = [event for event in box.journal("access.decided") if event["verdict"] == "grant"]
        assert [(g["subject"], g["credential"], g["reason"]) for g in granted] == [
            ("eileen", "face+qr", "permit")
        ]
        assert box.pulses(LOCK) == 1
        assert (asked[0]["subject"], asked[0]["wanted"], asked[0]["reached"]) == ("eileen", "passive", "none")
        liveness = granted[0]["evidence"]["explanation"]["liveness"]
        assert (liveness["wanted"], liveness["level"]) == ("passive", "none")
        assert liveness["cues"]["frame"] < 0.5, "it was the rim that gave it away"
        assert "请出示二维码" in box.log()
        assert all(prompt["zh"] == "请出示二维码" for prompt in prompts)
        assert text not in box.log()
        assert box.stop() == 0
