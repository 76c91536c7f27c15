"""Which face networks look is said by the whole daemon: once in its log, and retained on the broker."""

import json
import subprocess
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from whole_box import AUDIENCE, LOCK, WholeBox, until

pytestmark = [pytest.mark.mosquitto, pytest.mark.slow]


def retained_state(port: int) -> dict[str, Any]:
    """What a client that has just come is told of the box."""
    words = ["mosquitto_sub", "-h", "127.0.0.1", "-p", str(port), "-t", f"gh/1/{AUDIENCE}/state"]
    said = subprocess.run([*words, "-C", "1", "-W", "3"], capture_output=True, text=True, check=False).stdout
    return dict(json.loads(said)) if said.strip() else {}


def test_hog_in_the_place_of_a_missing_yunet_is_said_once_and_stands_in_the_state(tmp_path: Path) -> None:
    film = tmp_path / "film"
    film.mkdir()
    rng = np.random.default_rng(2)
    for number in range(3):
        assert cv2.imwrite(str(film / f"{number}.png"), rng.integers(0, 9, (240, 320, 3), dtype=np.uint8))
    camera = {"type": "replay", "source": str(film), "looks_for": ["face"], "fps": 4.0, "repeat": True}
    lock = {"board": "relay", "channel": LOCK, "pulse_ms": 0}
    door = {"type": "door", "cameras": ["hall", "yard"], "accepts": ["face"], "lock": lock}
    with WholeBox(tmp_path, cameras={"hall": camera, "yard": camera}, lanes={"door": door}) as box:
        box.start()
        wanted = {name: {"face": "hog dlib-resnet"} for name in ("hall", "yard")}
        until(lambda: retained_state(box.broker.port).get("sees") == wanted, 90, "the state says who looks")
        lines = [line for line in box.log().splitlines() if "face detector" in line]
        assert len(lines) == 1, lines
        assert "hog (there is no " in lines[0]
        assert "gatehouse models fetch yunet" in lines[0]
        assert "faces-dlib-resnet" in lines[0]
        assert box.stop() == 0
