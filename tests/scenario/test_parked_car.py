"""A drawn car parks in view, read by our own nets: after the decision they are asked in the round only."""

import numpy as np
import pytest

from drivers.camera import Frame
from edge.clock import NS_PER_S
from edge.records import Sighting
from edge.settings import ReplayCamera
from edge.vision.loop import ROUND_S, Lookout
from edge.vision.senses import PlateSense
from models.plate.reader import open_reader, own_weights_present
from models.results import PlateReading
from models.training.car import build_car, put_car
from models.training.plates import draw_plate, look_of
from models.training.scenery import draw_lane, gate_eye

pytestmark = pytest.mark.skipif(not own_weights_present(), reason="no weights of our own nets ship")
SIZE_PX = (1280, 720)
FPS = 15
PLATE = "皖A8K216"
PARKED_S = 120


class CountingReader:
    """Our own reader, and how often it was asked for how much of a picture."""

    name = "own"

    def __init__(self) -> None:
        self.own = open_reader("own")
        self.shares: list[float] = []
        self.smallest_px = 16
        self.grain_px: float = self.own.grain_px  # type: ignore[attr-defined]

    def read(self, image: np.ndarray) -> list[PlateReading]:
        self.shares.append(1.0)
        return self.own.read(image)

    def read_part(self, image: np.ndarray, part: tuple[int, int, int, int]) -> list[PlateReading]:
        left, top, right, bottom = part
        self.shares.append((right - left) * (bottom - top) / (image.shape[0] * image.shape[1]))
        return self.own.read_part(image, part)  # type: ignore[attr-defined]


class Yard:
    """A lane with a car in it, and the noise of a sensor."""

    def __init__(self) -> None:
        rng = np.random.default_rng(5)
        self.eye = gate_eye(SIZE_PX)
        self.ground = draw_lane(self.eye, rng)
        self.car = build_car(
            draw_plate(PLATE, "blue", px_per_mm=0.8), look_of("blue").layout.size_mm, (206, 208, 208), rng
        )
        self.noise = [rng.integers(-4, 5, (*SIZE_PX[::-1], 3), np.int16) for _ in range(3)]
        self.reader = CountingReader()
        self.said: list[Sighting] = []
        self.now_ns, self.seq = 1000 * NS_PER_S, 0
        settings = ReplayCamera(source="x", looks_for=("plate",))
        sense = PlateSense(self.reader, settings.min_plate_px)
        self.lookout = Lookout("lane", "s", settings, [sense], self.said.append, lambda: self.now_ns)

    def with_car(self, z_m: float) -> list[np.ndarray]:
        picture = self.ground.copy()
        put_car(picture, self.car, self.eye, z_m, 0.0)
        return [np.clip(picture + noise, 0, 255).astype(np.uint8) for noise in self.noise]

    def show(self, pictures: list[np.ndarray], frames: int) -> None:
        for number in range(frames):
            self.seq += 1
            self.now_ns += NS_PER_S // FPS
            self.lookout.step(Frame("lane", self.seq, self.now_ns, pictures[number % len(pictures)]))


def test_a_parked_car_is_read_no_more_and_searched_only_in_the_round() -> None:
    yard = Yard()
    yard.show([np.clip(yard.ground + noise, 0, 255).astype(np.uint8) for noise in yard.noise], 3)
    for z_m in (6.0, 5.4, 4.9, 4.5, 4.2, 4.0, 3.9, 3.8):
        yard.show(yard.with_car(z_m)[:1], 1)
    parked = yard.with_car(3.8)
    yard.show(parked, 8)
    reads = [s for s in yard.said if s.lattice]
    assert "".join(position[0][0] for position in reads[-1].lattice) == PLATE
    (track,) = {sighting.track_id for sighting in reads}
    yard.lookout.settle(track)
    yard.show(parked, 10 * FPS)  # until the gate knows the car
    yard.said.clear()
    yard.reader.shares.clear()
    counted = yard.lookout.reads

    yard.show(parked, PARKED_S * FPS)

    assert yard.lookout.reads == counted, "0 further reads"
    assert yard.said == []
    assert len(yard.reader.shares) <= PARKED_S / ROUND_S + 1, "the networks see the round only"
    assert yard.lookout.tracks == 1


def test_somebody_who_walks_beside_a_parked_car_does_not_have_its_plate_looked_at_again() -> None:
    yard = Yard()
    parked = yard.with_car(3.8)
    yard.show(parked, 10)
    yard.lookout.settle(yard.said[-1].track_id)
    yard.show(parked, 10 * FPS)
    yard.said.clear()
    yard.reader.shares.clear()
    for number in range(30):
        picture = parked[number % 3].copy()
        picture[20:140, 30 + 3 * number : 70 + 3 * number] = 60  # in the upper left corner
        yard.show([picture], 1)
    assert yard.lookout.tracks == 1
    assert [sighting for sighting in yard.said if sighting.ended] == []
    shares = sorted(yard.reader.shares)
    assert shares[len(shares) // 2] < 0.35, "half of the looks are at a third of the picture or less"
