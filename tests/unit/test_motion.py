"""The motion gate on drawn pictures with the noise of a sensor."""

import tracemalloc

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.records import Box
from edge.vision.areas import Zones
from edge.vision.motion import MotionGate

RATE_NS = 66_666_667
Image = NDArray[np.uint8]


class Scene:
    """A yard with sensor noise, at 15 frames/s."""

    def __init__(self, height: int = 720, width: int = 1280, noise: int = 6) -> None:
        self.random = np.random.default_rng(3)
        self.noise = [self.random.integers(-noise, noise + 1, (height, width, 3), np.int16) for _ in range(8)]
        self.number = 0
        self.ground = np.clip(
            90 + 30 * np.sin(np.arange(width) / 40)[None, :, None] + np.zeros((height, width, 3)), 0, 255
        )
        self.now_ns = 0
        self.gate = MotionGate()

    def look(self, *boxes: tuple[int, int, int, int], light: float = 1.0, level: int = 200) -> object:
        picture = (self.ground * light).astype(np.int16)
        for left, top, right, bottom in boxes:
            picture[top:bottom, left:right] = round(level * light)
        picture += self.noise[self.number % len(self.noise)]
        self.number += 1
        self.now_ns += RATE_NS
        return self.gate.look(np.clip(picture, 0, 255).astype(np.uint8), self.now_ns)


@pytest.fixture
def scene() -> Scene:
    scene = Scene()
    for _ in range(3):
        scene.look()
    return scene


def test_the_first_picture_counts_as_moved_because_nobody_knows_what_it_holds() -> None:
    motion = Scene().look()
    assert motion.moved
    assert motion.relit


def test_noise_is_no_motion(scene: Scene) -> None:
    assert not any(scene.look().moved for _ in range(15))


def test_a_person_far_away_is_motion_and_its_place_is_known(scene: Scene) -> None:
    motion = scene.look((600, 300, 660, 460))
    assert motion.moved
    area = motion.area
    assert area.left == pytest.approx(600, abs=25)
    assert area.bottom == pytest.approx(460, abs=25)
    assert area.iou(type(area)(600, 300, 660, 460)) > 0.4


def test_a_speck_is_no_motion(scene: Scene) -> None:
    assert not scene.look((600, 300, 615, 310)).moved


def test_a_dark_coat_on_a_grey_yard_is_motion(scene: Scene) -> None:
    assert scene.look((600, 300, 680, 480), level=45).moved


def test_a_cloud_is_no_motion(scene: Scene) -> None:
    lights = np.linspace(1.0, 0.75, 12)
    assert not any(scene.look(light=float(light)).moved for light in lights)


def test_somebody_who_comes_while_a_cloud_passes_is_motion(scene: Scene) -> None:
    assert scene.look((600, 300, 700, 520), light=0.8).moved


def test_a_lamp_makes_the_background_new(scene: Scene) -> None:
    lit = scene.look(light=2.4)
    assert lit.relit
    assert lit.share > 0.7
    assert not scene.look(light=2.4).moved
    assert scene.look((600, 300, 660, 460), light=2.4, level=20).moved


def test_a_parked_car_becomes_background(scene: Scene) -> None:
    car = (300, 200, 900, 600)
    first = scene.look(car)
    assert first.moved
    assert not first.relit  # although it is white and fills a quarter of the picture
    moved = [scene.look(car).moved for _ in range(200)]
    assert all(moved[:15])
    assert not any(moved[-15:])
    assert scene.look().moved  # and its departure is seen


def test_another_size_of_picture_starts_anew(scene: Scene) -> None:
    other = Scene(360, 640)
    other.gate = scene.gate
    assert other.look().relit
    assert not other.look().moved


@pytest.mark.parametrize("size", [(1, 1), (50, 80), (99, 3), (101, 1920), (2160, 3840)])
def test_any_size_of_picture_is_taken(size: tuple[int, int]) -> None:
    gate = MotionGate()
    picture = np.zeros((*size, 3), np.uint8)
    assert gate.look(picture, 0).relit
    assert not gate.look(picture, RATE_NS).moved


def test_a_cut_to_another_scene_is_a_jump_and_somebody_walking_by_is_none() -> None:
    gate = MotionGate()
    rng = np.random.default_rng(4)
    scenes = [
        np.repeat(np.repeat(rng.integers(0, 255, (9, 16, 3), np.uint8), 40, 0), 40, 1) for _ in range(2)
    ]
    now_ns = 0
    jumped = []
    for number, scene in enumerate([*[scenes[0]] * 10, *[scenes[1]] * 10]):
        image = scene.copy()
        image[100:300, 20 * number : 20 * number + 90] = 200  # somebody
        now_ns += 66_000_000
        jumped.append(gate.look(image, now_ns).jumped)
    assert jumped == [False] * 10 + [True] + [False] * 9


# Masks, the infra-red filter, where it moved, and what it costs in memory


def test_what_moves_where_nothing_counts_is_no_motion() -> None:
    zones = Zones(ignore=(((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)),))
    scene = Scene()
    scene.gate = MotionGate(mask_of=lambda columns, rows: zones.mask(columns, rows, (0.0, 0.0, 1.0, 1.0)))
    for _ in range(3):
        scene.look()
    assert not scene.look((200, 300, 300, 520)).moved
    motion = scene.look((200, 300, 300, 520), (900, 300, 1000, 520))
    assert motion.moved
    assert motion.area.left == pytest.approx(900, abs=25)
    assert all(box.left >= 640 for box in scene.gate.moved_since(scene.now_ns))


def test_a_lamp_over_the_part_that_counts_is_no_motion_there() -> None:
    zones = Zones(watch=(((0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0)),))
    scene = Scene()
    scene.gate = MotionGate(mask_of=lambda columns, rows: zones.mask(columns, rows, (0.0, 0.0, 1.0, 1.0)))
    for _ in range(3):
        scene.look()
    lit = scene.look((640, 0, 1280, 720), level=220)
    assert lit.relit
    assert lit.share > 0.9


def test_the_gate_remembers_where_it_moved_and_when() -> None:
    scene = Scene()
    for _ in range(3):
        scene.look()
    began_ns = scene.now_ns + 1
    scene.look((100, 300, 200, 500))
    between_ns = scene.now_ns + 1
    scene.look()
    scene.look((900, 100, 1000, 300))
    both = sorted(scene.gate.moved_since(began_ns), key=lambda box: box.left)
    assert len(both) == 2
    assert both[0].iou(Box(100, 300, 200, 500)) > 0.5
    assert both[1].iou(Box(900, 100, 1000, 300)) > 0.5
    assert [box.left > 500 for box in scene.gate.moved_since(between_ns)] == [True]
    assert scene.gate.moved_since(scene.now_ns + 1) == ()


def street(level: int = 100, shift: int = 0) -> Image:
    """A coloured street, one half brighter than the other."""
    image = np.zeros((360, 640, 3), np.uint8)
    image[:] = (level + 30, level, level - 30)
    image[:, 320:] += np.uint8(40)
    image[200:] += np.uint8(shift)
    return image


def test_the_infra_red_filter_makes_the_background_new_although_half_the_picture_stays_as_bright() -> None:
    gate = MotionGate()
    for number in range(5):
        gate.look(street(), number * RATE_NS)
    night = np.repeat(street(shift=50)[:, :, 1:2], 3, axis=2)  # no colour, and the road shines
    flipped = gate.look(night, 5 * RATE_NS)
    assert 0.15 < flipped.share < 0.7
    assert flipped.relit
    assert not gate.look(night, 6 * RATE_NS).moved
    back = gate.look(street(), 7 * RATE_NS)
    assert back.relit
    assert not gate.look(street(), 8 * RATE_NS).moved


def test_the_same_change_in_colour_is_somebody_and_not_the_filter() -> None:
    gate = MotionGate()
    for number in range(5):
        gate.look(street(), number * RATE_NS)
    motion = gate.look(street(shift=50), 5 * RATE_NS)
    assert motion.moved
    assert not motion.relit


def test_looking_takes_no_memory_that_grows_with_the_picture() -> None:
    scene = Scene()
    pictures = [np.clip(scene.ground + noise, 0, 255).astype(np.uint8) for noise in scene.noise]
    gate = MotionGate()
    for number in range(5):
        gate.look(pictures[number], number * RATE_NS)
    tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        for number in range(5, 25):
            gate.look(pictures[number % 8], number * RATE_NS)
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert peak < 32_768, "less than two of the gate's own small pictures, let alone a frame of 2.7 MB"


def test_how_much_of_a_place_differs_from_the_frame_before(scene: Scene) -> None:
    place = Box(600, 300, 700, 460)
    assert scene.gate.replaced(place) < 0.1
    scene.look((600, 300, 700, 460))
    assert scene.gate.replaced(place) > 0.9
    assert scene.gate.replaced(Box(550, 300, 650, 460)) == pytest.approx(0.5, abs=0.15)
    scene.look((600, 300, 700, 460))
    assert scene.gate.replaced(place) < 0.1
    assert scene.gate.replaced(Box(2000, 300, 2100, 460)) == 0.0
    assert MotionGate().replaced(place) == 0.0
