"""A car crosses the camera's line: from the film through the real vision process to what is journaled."""

import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.clock import SystemClock
from edge.records import Sighting
from edge.settings import ModelSettings, ReplayCamera
from edge.vision import VisionProcess
from edge.vision.facts import event_of
from edge.vision.messages import Passed, Stats
from models.plate.reader import open_reader, own_weights_present
from models.training.car import build_car, put_car
from models.training.plates import draw_plate, look_of
from models.training.scenery import draw_lane, gate_eye

pytestmark = pytest.mark.skipif(not own_weights_present(), reason="no weights of our own nets ship")
SIZE_PX = (960, 540)
FAR_M, NEAR_M, FRAMES = 8.0, 3.8, 30


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """A car that rolls up and stands, and how far down the picture its plate is in the middle of its way."""
    rng = np.random.default_rng(5)
    eye = gate_eye(SIZE_PX)
    car = build_car(
        draw_plate("皖A8K216", "blue", px_per_mm=0.8), look_of("blue").layout.size_mm, (44, 42, 40), rng
    )
    lane = draw_lane(eye, rng)
    path = tmp_path_factory.mktemp("film") / "lane.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, SIZE_PX)
    heights = []
    for number in range(FRAMES + 20):
        picture = lane.copy()
        z_m = FAR_M + (NEAR_M - FAR_M) * min(1.0, number / FRAMES)
        put_car(picture, car, eye, z_m, 0.0)
        if number in (0, FRAMES):
            _, top, _, bottom = open_reader("own").read(picture)[0].box
            heights.append((top + bottom) / 2 / SIZE_PX[1])
        writer.write(picture)
    writer.release()
    return path, sum(heights) / 2


def test_a_crossing_comes_out_of_the_real_process_and_is_a_fact(film: tuple[Path, float]) -> None:
    path, middle = film
    settings = ReplayCamera(
        source=str(path), looks_for=("plate",), repeat=True, line=((0.0, middle), (1.0, middle)), loiter_s=0.5
    )
    passed: dict[str, Passed] = {}
    crossed: list[Sighting] = []
    counts: dict[str, float] = {}
    with VisionProcess(
        "lane", settings, ModelSettings(plate_reader="own"), SystemClock(), session="s1", log_level="error"
    ) as process:
        deadline = time.monotonic() + 120
        while not ({"in", "loiters"} <= passed.keys() and crossed and counts.get("in")):
            assert time.monotonic() < deadline, (passed, counts)
            message = process.poll(0.25)
            if isinstance(message, Passed):
                passed.setdefault(message.what, message)
            elif isinstance(message, Sighting) and message.crossed == "in":
                crossed.append(message)
            elif isinstance(message, Stats):
                counts = dict(message.counts)
    assert passed["loiters"].in_view_ms >= 500
    assert crossed[0].in_view_ms > 0
    draft = event_of("lane", "s1", passed["in"])
    assert draft.data["direction"] == "in"
    assert str(draft.data["track"]).startswith("s1-")
