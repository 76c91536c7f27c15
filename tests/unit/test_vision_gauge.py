"""Real pictures of streets, spoilt for real: what the numbers say of each, and what becomes of them."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from drivers.camera import Frame
from edge.settings import OpenCvCamera
from edge.vision.condition import RULES, Condition
from edge.vision.gauge import Gauge, Reference
from edge.vision.messages import Compare, Learnt
from edge.vision.watch import PictureWatch

S = 1_000_000_000
WIDTH, HEIGHT = 640, 360
Image = np.ndarray
CHANCE = np.random.default_rng(3)
NOISE = np.round(CHANCE.normal(0, 3, (HEIGHT + 80, WIDTH, 3))).astype(np.int16)


def noisy(image: Image) -> Image:
    """With the noise of a sensor."""
    sheet = NOISE[int(CHANCE.integers(0, 40)) :]
    return cv2.add(image, sheet[: image.shape[0], : image.shape[1]], dtype=cv2.CV_8U)


def view(scene: Image, right_px: float = 0, down_px: float = 0, degrees: float = 0) -> Image:
    """What a camera sees of a scene; moved and turned."""
    height, width = scene.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    matrix[:, 2] -= (width / 2 - WIDTH / 2 + right_px, height / 2 - HEIGHT / 2 + down_px)
    return cv2.warpAffine(scene, matrix, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT)


def drawn() -> Image:
    """A street of rectangles and letters, larger than the view."""
    chance = np.random.default_rng(5)
    scene = np.full((440, 760, 3), 120, np.uint8)
    for _ in range(160):
        x, y = int(chance.integers(0, 740)), int(chance.integers(0, 430))
        colour = tuple(int(c) for c in chance.integers(30, 220, 3))
        cv2.rectangle(
            scene, (x, y), (x + int(chance.integers(6, 60)), y + int(chance.integers(6, 60))), colour, -1
        )
    for _ in range(40):
        x, y = int(chance.integers(0, 700)), int(chance.integers(10, 430))
        cv2.putText(scene, "GATE 7", (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (240, 240, 240), 1)
    return scene


def smeared(image: Image) -> Image:
    """Three spots of dirt on the glass: out of focus, and the scene shines through a little."""
    spots = np.zeros(image.shape[:2], np.float32)
    for x, y in ((200, 120), (400, 220), (300, 290)):
        cv2.circle(spots, (x, y), 50, 1.0, -1)
    spots = cv2.GaussianBlur(spots, (0, 0), 10)[..., None] * 0.75
    film = cv2.GaussianBlur(image, (0, 0), 12).astype(np.float32) * 0.8 + 20
    return np.clip(image * (1 - spots) + film * spots, 0, 255).astype(np.uint8)


def with_lorry(image: Image) -> Image:
    """Something large with edges of its own before a third of the scene."""
    other = image.copy()
    cv2.rectangle(other, (400, 40), (639, 330), (200, 190, 180), -1)
    for y in range(60, 320, 24):
        cv2.line(other, (400, y), (639, y), (60, 60, 160), 2)
    return other


SPOILT: dict[str, tuple[Callable[[Image], Image], str]] = {
    "as it was": (view, ""),
    "brighter": (lambda s: np.clip(view(s) * 1.2 + 8.0, 0, 255).astype(np.uint8), ""),
    "dimmer": (lambda s: (view(s) * 0.75).astype(np.uint8), ""),
    "trembling": (lambda s: view(s, 3, 2), ""),
    "without colour": (
        lambda s: cv2.cvtColor(cv2.cvtColor(view(s), cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR),
        "",
    ),
    "a lorry": (lambda s: with_lorry(view(s)), ""),
    "moved": (lambda s: view(s, 45, 10), "camera.moved"),
    "tilted": (lambda s: view(s, degrees=4), "camera.moved"),
    "tilted far": (lambda s: view(s, degrees=-10), "camera.moved"),
    "blurred": (lambda s: cv2.GaussianBlur(view(s), (0, 0), 3), "camera.defocused"),
    "dirty": (lambda s: smeared(view(s)), "camera.dirty"),
    "black": (lambda s: np.zeros_like(view(s)), "camera.black"),
    "very dark": (lambda s: (view(s) * 0.15).astype(np.uint8), "camera.dark"),
    "burnt out": (lambda s: np.clip(view(s) * 1.5 + 140.0, 0, 255).astype(np.uint8), "camera.bright"),
    "covered": (lambda s: np.rot90(view(s), 2).copy(), "camera.covered"),
}


def learnt(gauge: Gauge, scene: Image) -> Reference:
    for _ in range(gauge.samples):
        gauge.look(noisy(view(scene)))
    assert gauge.reference is not None
    return gauge.reference


@pytest.fixture(scope="module")
def street() -> Image:
    return drawn()


@pytest.mark.parametrize("name", SPOILT)
def test_a_spoilt_picture_raises_its_own_alarm_and_no_other(name: str, street: Image) -> None:
    spoil, expected = SPOILT[name]
    gauge = Gauge(5)
    learnt(gauge, street)
    spoilt = spoil(street)
    condition, raised = Condition(RULES), set()
    numbers: dict[str, float] = {}
    for step in range(400):
        if step < 3:
            numbers = gauge.glance(noisy(spoilt)) | gauge.look(noisy(spoilt))
        raised |= {edge.name for edge in condition.judge(numbers, step * S)}
    assert raised == ({expected} if expected else set()), numbers


@pytest.mark.parametrize(("right_px", "down_px"), [(20, 0), (0, -16), (-90, 12)])
def test_a_move_is_measured_in_parts_of_the_width(street: Image, right_px: int, down_px: int) -> None:
    gauge = Gauge(5)
    learnt(gauge, street)
    numbers = gauge.look(noisy(view(street, right_px, down_px)))
    assert numbers["shift"] == pytest.approx(np.hypot(right_px, down_px) / WIDTH, abs=0.006)


@pytest.mark.parametrize("degrees", [-6, -2.5, 2.5, 9])
def test_a_turn_is_measured_in_degrees(street: Image, degrees: float) -> None:
    gauge = Gauge(5)
    learnt(gauge, street)
    assert gauge.look(noisy(view(street, degrees=degrees)))["turn"] == pytest.approx(abs(degrees), abs=1.5)


def test_whoever_walks_through_is_not_in_the_reference(street: Image) -> None:
    gauge = Gauge(9)
    for step in range(9):
        frame = view(street)
        cv2.rectangle(frame, (step * 70, 80), (step * 70 + 60, 340), (20, 20, 20), -1)
        gauge.look(noisy(frame))
    with_them = gauge.reference
    assert with_them is not None
    without = learnt(Gauge(9), street)
    assert np.abs(with_them.picture.astype(int) - without.picture).max() < 12


def test_a_camera_that_is_being_turned_teaches_nothing(street: Image) -> None:
    gauge = Gauge(6)
    for step in range(6):
        gauge.look(noisy(np.roll(view(street), step * 100, axis=1)[:, :: (-1) ** step].copy()))
    assert gauge.reference is None


def test_another_size_of_picture_and_a_dark_one_are_not_compared(street: Image) -> None:
    gauge = Gauge(5)
    learnt(gauge, street)
    square = cv2.resize(view(street), (400, 400))
    assert "likeness" not in gauge.look(square)
    dark = gauge.look((view(street) * 0.2).astype(np.uint8))
    assert not {"focus_share", "dirt"} & set(dark)


def test_real_streets_are_found_again_and_told_from_each_other(shared_data: Path) -> None:
    files = sorted((shared_data / "plates" / "scenes").glob("*.jpg"))[4:100:16]
    scenes = []
    for file in files:
        image = cv2.imread(str(file))
        size = max(760 / image.shape[1], 440 / image.shape[0])
        scenes.append(cv2.resize(image, None, fx=size, fy=size, interpolation=cv2.INTER_AREA))
    assert len(scenes) >= 5
    for number, scene in enumerate(scenes):
        gauge = Gauge(5)
        reference = learnt(gauge, scene)
        numbers = {}
        for name, picture in {
            "same": view(scene),
            "moved": view(scene, 40, 0),
            "blurred": cv2.GaussianBlur(view(scene), (0, 0), 3),
            "other": view(scenes[number - 1]),
        }.items():
            gauge.compare_with(reference)
            numbers[name] = gauge.look(noisy(picture))
        assert numbers["same"]["shift"] < 0.005
        assert numbers["moved"]["shift"] == pytest.approx(40 / WIDTH, abs=0.01)
        assert numbers["blurred"]["focus_share"] < 0.5 < numbers["same"]["focus_share"]
        assert "shift" not in numbers["other"]


# When it is measured


class Watched:
    def __init__(self, **options: float) -> None:
        self.settings = OpenCvCamera(source="0", looks_for=("plate",), **options)
        self.learnt: list[Learnt] = []
        self.watch = PictureWatch(self.settings, self.learnt.append)
        self.now_ns = 100 * S

    def show(self, scene: Image, seconds: float) -> dict[str, float]:
        for _ in range(round(seconds * 2)):
            self.now_ns += S // 2
            self.watch.on_frame(Frame("gate", 1, self.now_ns, noisy(view(scene))))
        return self.watch.numbers(self.now_ns)


def test_a_reference_is_learnt_told_once_and_taken_again_by_the_next_process(street: Image) -> None:
    first = Watched(reference_s=10)
    numbers = first.show(street, 8)
    assert 0 < numbers["learnt"] < 1
    assert first.learnt == []
    first.show(street, 6)
    (told,) = first.learnt
    assert first.show(street, 3)["shift"] < 0.005
    second = Watched(reference_s=10)
    second.watch.compare(Compare(told.picture, told.focus, told.has_colour))
    assert second.show(street, 3)["likeness"] > 0.8
    second.watch.compare(Compare(b""))
    assert "learnt" in second.show(street, 3)
    assert second.learnt == []


def test_a_damaged_reference_is_learnt_anew_and_none_where_none_is_wanted(street: Image) -> None:
    damaged = Watched(reference_s=10)
    damaged.watch.compare(Compare(b"no picture"))
    assert "learnt" in damaged.show(street, 3)
    never = Watched(reference_s=0)
    assert never.show(street, 30)["learnt"] == 0
    assert never.learnt == []


def test_nothing_is_said_of_a_camera_that_shows_nothing(street: Image) -> None:
    watched = Watched()
    assert watched.watch.numbers(watched.now_ns) == {}
    assert watched.show(street, 1)
    assert watched.watch.numbers(watched.now_ns + 2 * S) == {}
