"""The main job on real pictures: the whole daemon, serial lines, a broker, an independent reader."""

import json
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from whole_box import LOCK, OPEN, WholeBox, until

pytestmark = [pytest.mark.shared_data, pytest.mark.mosquitto, pytest.mark.slow]

DOOR = {
    "type": "door",
    "cameras": ["hall"],
    "accepts": ["face"],
    "lock": {"board": "relay", "channel": LOCK, "pulse_ms": 0},
    "contact": {"board": "io", "channel": 7},
}


def film_box(folder: Path, film: Path) -> WholeBox:
    camera = {
        "type": "replay",
        "source": str(film),
        "looks_for": ["face"],
        "min_face_px": 60,
        "max_fps": 15.0,
    }
    decision = {"visit_gap_s": 30.0}
    return WholeBox(folder, cameras={"hall": camera}, lanes={"door": DOOR}, decision=decision)


def test_one_of_two_known_persons_is_let_in_once_and_nobody_else(tmp_path: Path, shared_data: Path) -> None:
    clip = shared_data / "faces" / "clip"
    with film_box(tmp_path, clip / "short_hamilton_clip.mp4") as box:
        assert box.command("roster", "add", "miranda", "--name", "Lin-Manuel Miranda").returncode == 0
        enrolled = box.command(
            "enroll", "miranda", str(clip / "lin-manuel-miranda.png"), "--consent", "test-1"
        )
        assert enrolled.returncode == 0, enrolled.stderr + enrolled.stdout
        box.start()
        until(lambda: box.pulses(LOCK), 40, "the lock's relay moves")
        time.sleep(12)  # the rest of the film, in which he stays in the picture
        box.wait_delivered()
        grants = [event for event in box.heard() if event["verdict"] == "grant"]
        assert [(g["subject"], g["kind"], g["reason"]) for g in grants] == [("miranda", "face", "permit")]
        assert box.pulses(LOCK) == 1
        visits = [event["visit"] for event in box.heard()]
        assert len(visits) == len(set(visits)), "one access event per visit"
        assert box.stop() == 0
        assert box.edges(LOCK)[-1] is False


def test_the_other_known_person_and_strangers_move_no_relay(tmp_path: Path, shared_data: Path) -> None:
    clip = shared_data / "faces" / "clip"
    with film_box(tmp_path, clip / "short_hamilton_clip.mp4") as box:
        assert box.command("roster", "add", "obama").returncode == 0
        portrait = shared_data / "faces" / "portraits" / "obama.jpg"
        enrolled = box.command("enroll", "obama", str(portrait), "--consent", "test-1")
        assert enrolled.returncode == 0, enrolled.stderr + enrolled.stdout
        box.start()
        denied = until(
            lambda: [e for e in box.heard() if e["verdict"] == "deny"], 40, "a stranger is refused"
        )
        time.sleep(8)
        assert denied[0]["reason"] == "unknown_face"
        assert {event["verdict"] for event in box.heard()} == {"deny"}
        visits = [event["visit"] for event in box.heard()]
        assert len(visits) == len(set(visits)), "one access event per visit"
        assert box.pulses(LOCK) == 0
        assert box.stop() == 0


def scene_film(folder: Path, picture: Path) -> Path:
    """A film in which a real photograph of a car comes into view, stays, and goes (with sensor noise)."""
    image = cv2.imdecode(np.fromfile(picture, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    scale = 720 / image.shape[0]
    image = cv2.resize(image, (round(image.shape[1] * scale / 2) * 2, 720))
    path = folder / "scene.avi"
    size = (image.shape[1], image.shape[0])
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"MJPG"), 5.0, size)
    rng = np.random.default_rng(1)
    empty = np.full_like(image, 90)
    for index in range(75):
        frame = image if 25 <= index < 65 else empty
        noise = rng.integers(-3, 4, (*frame.shape[:2], 1), dtype=np.int16)
        writer.write(np.clip(frame.astype(np.int16) + noise, 0, 255).astype(np.uint8))
    writer.release()
    return path


def plate_box(folder: Path, film: Path) -> WholeBox:
    camera = {"type": "replay", "source": str(film), "looks_for": ["plate"], "max_fps": 5.0}
    return WholeBox(folder, cameras={"lane": camera}, decision={"visit_gap_s": 30.0})


def scene(shared_data: Path, file: str) -> tuple[Path, str]:
    labels: list[dict[str, Any]] = json.loads(
        (shared_data / "plates" / "scenes" / "labels.json").read_text("utf-8")
    )
    (plate,) = [entry["plate"] for entry in labels if entry["file"] == file]
    return shared_data / "plates" / "scenes" / file, str(plate)


def test_the_plate_of_a_real_car_opens_the_boom_and_stands_in_the_event(
    tmp_path: Path, shared_data: Path
) -> None:
    picture, plate = scene(shared_data, "scene_000.jpg")
    with plate_box(tmp_path, scene_film(tmp_path, picture)) as box:
        assert box.command("roster", "add", "owner", "--plate", plate).returncode == 0
        box.start()
        until(lambda: box.site.barrier.angle_deg > 80, 40, "the boom is up")
        time.sleep(2)
        box.wait_delivered()
        (event,) = box.heard()
        assert (event["verdict"], event["reason"], event["credential"], event["subject"]) == (
            "grant", "permit", plate, "owner",
        )  # fmt: skip
        assert box.pulses(OPEN) == 1
        assert box.stop() == 0


def test_a_real_car_that_is_not_on_the_roster_moves_no_relay(tmp_path: Path, shared_data: Path) -> None:
    picture, plate = scene(shared_data, "scene_000.jpg")
    with plate_box(tmp_path, scene_film(tmp_path, picture)) as box:
        assert box.command("roster", "add", "owner", "--plate", "粤B12345").returncode == 0
        box.start()
        until(box.heard, 40, "the car is refused")
        time.sleep(3)
        (event,) = box.heard()
        assert (event["verdict"], event["reason"], event["credential"]) == ("deny", "unknown_plate", plate)
        assert [box.pulses(channel) for channel in (1, 2, 3, 4)] == [0, 0, 0, 0]
        assert box.stop() == 0
