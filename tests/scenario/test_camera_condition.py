"""The whole daemon with a camera that goes black: alarm, journal, numbers, telemetry, the two commands."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from whole_box import WholeBox, until

from drivers.simulated.cameras import SimulatedCamera
from edge.hatch import request

TOPIC = "gh/1/test/box-1/tm/#"


def street() -> tuple[bytes, ...]:
    """A street of boxes with the noise of a sensor."""
    chance = np.random.default_rng(11)
    scene = np.full((180, 400, 3), 120, np.uint8)
    for _ in range(120):
        x, y = int(chance.integers(0, 390)), int(chance.integers(0, 175))
        colour = tuple(int(c) for c in chance.integers(30, 220, 3))
        cv2.rectangle(
            scene, (x, y), (x + int(chance.integers(4, 30)), y + int(chance.integers(4, 30))), colour, -1
        )
    view = scene[:, 40:360].astype(np.int16)
    noisy = [np.clip(view + chance.integers(-3, 4, view.shape), 0, 255).astype(np.uint8) for _ in range(5)]
    return tuple(cv2.imencode(".jpg", image)[1].tobytes() for image in noisy)


def night() -> tuple[bytes, ...]:
    chance = np.random.default_rng(12)
    images = [chance.integers(0, 3, (180, 320, 3), dtype=np.uint8) for _ in range(5)]
    return tuple(cv2.imencode(".jpg", image)[1].tobytes() for image in images)


@pytest.fixture
def camera() -> Iterator[SimulatedCamera]:
    with SimulatedCamera(street(), fps=8) as simulated:
        yield simulated


def state(box: WholeBox) -> dict[str, Any]:
    """What the daemon says of itself."""
    return request(box.settings.device.state_dir, {"do": "status"}) or {}


def alarms(box: WholeBox) -> set[str]:
    return {alarm["name"] for alarm in state(box)["alarms"]}


def picture(box: WholeBox) -> dict[str, float]:
    (lane,) = state(box)["cameras"]
    return lane["picture"]


def test_a_camera_that_goes_black_is_named_measured_and_learns_anew_when_told(
    tmp_path: Path, camera: SimulatedCamera
) -> None:
    # A machine that is busy with other tests may not decode for seconds.
    section = {
        "type": "opencv",
        "source": camera.url,
        "looks_for": ["plate"],
        "reference_s": 2,
        "stall_s": 30,
    }
    with WholeBox(tmp_path, cameras={"lane": section}) as box:
        text = box.config.read_text(encoding="utf-8")
        box.config.write_text(text.replace("sync = { ", "sync = { telemetry_s = 1.0, "))
        box.start()
        until(lambda: picture(box).get("brightness", 0) > 60, 60, "the picture is measured")
        told = subprocess.Popen(
            ["mosquitto_sub", "-h", "127.0.0.1", "-p", str(box.broker.port), "-t", TOPIC, "-v", "-C", "6"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            camera.pictures = night()
            until(lambda: "camera.black" in alarms(box), 60, "the black picture is named")
            camera.pictures = street()
            until(lambda: "camera.black" not in alarms(box), 60, "the alarm ends")
            until(lambda: "likeness" in picture(box), 60, "what it usually shows is learnt")
            shown = box.command("camera", "status")
            assert shown.returncode == 0, shown.stderr
            assert "sees" in shown.stdout
            assert "320x180" in shown.stdout
            assert "came into view" in shown.stdout
            assert box.command("camera", "relearn", "lane").returncode == 0
            until(lambda: "learnt" in picture(box), 60, "it learns anew")
            assert box.command("camera", "relearn", "nothing").returncode == 64
            said, _ = told.communicate(timeout=60)
        finally:
            told.kill()
            told.wait()
            if told.stdout is not None:
                told.stdout.close()
        edges = [event["type"] for event in box.journal() if event.get("name") == "camera.black"]
        assert edges == ["alarm.raised", "alarm.cleared"]
        assert [event["subject"] for event in box.journal("camera.relearned")] == ["lane"]
    numbers = dict(line.split(" ", 1) for line in said.splitlines())
    assert {topic.rpartition("/")[2] for topic in numbers} == {"cameras", "lanes", "link"}
    (lane,) = json.loads(numbers["gh/1/test/box-1/tm/cameras"])["cameras"]
    assert lane["name"] == "lane"
    assert "picture" in lane
    assert set(lane["counts"]) == {"tracks", "read", "in", "out"}
    assert json.loads(numbers["gh/1/test/box-1/tm/lanes"])["read_rate"] == {}
