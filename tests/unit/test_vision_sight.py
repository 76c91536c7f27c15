"""Is the picture alive? With a clock that only the test moves."""

import numpy as np
import pytest

from drivers.camera import Frame
from edge.vision.messages import Health
from edge.vision.sight import ENDED, FROZEN, LOST, Sight

S = 1_000_000_000


class Watcher:
    """A sight, what it said, and a camera that shows what the test wants."""

    def __init__(self) -> None:
        self.said: list[Health] = []
        self.sight = Sight(self.said.append, stall_s=3.0, freeze_s=8.0, now_ns=100 * S)
        self.random = np.random.default_rng(1)
        self.still = self.picture()

    def picture(self) -> np.ndarray:
        return self.random.integers(0, 255, (120, 160, 3), dtype=np.uint8)

    def show(self, at_s: float, image: np.ndarray | None = None) -> None:
        picture = self.picture() if image is None else image
        self.sight.on_frame(Frame("gate", 1, round(at_s * S), picture))

    def edges(self) -> list[tuple[str, bool]]:
        return [(health.name, health.standing) for health in self.said]


@pytest.fixture
def watcher() -> Watcher:
    return Watcher()


def test_the_first_frames_clear_what_an_earlier_process_has_left(watcher: Watcher) -> None:
    watcher.show(100.1)
    watcher.show(100.2)
    assert watcher.edges() == [(LOST, False), (FROZEN, False)]


def test_a_camera_that_never_delivers_is_lost_after_the_stall_time(watcher: Watcher) -> None:
    watcher.sight.check(102 * S)
    assert watcher.said == []
    watcher.sight.check(round(103.1 * S))
    watcher.sight.check(104 * S)
    assert watcher.said == [Health(LOST, True, "no frame for 3 s")]
    assert watcher.sight.is_lost


def test_a_failure_is_told_at_once_with_its_reason_and_only_once(watcher: Watcher) -> None:
    watcher.show(100.1)
    watcher.sight.on_loss("cable out", round(100.2 * S))
    watcher.sight.on_loss("still out", round(101.2 * S))
    assert watcher.said[-1] == Health(LOST, True, "cable out")
    assert watcher.edges().count((LOST, True)) == 1


def test_a_frame_after_a_loss_clears_it_but_one_from_before_does_not(watcher: Watcher) -> None:
    watcher.sight.on_loss("cable out", round(100.2 * S))
    watcher.show(100.15)
    assert watcher.sight.is_lost
    watcher.show(101.0)
    assert not watcher.sight.is_lost


def test_the_same_picture_for_too_long_is_frozen_and_a_new_one_clears_it(watcher: Watcher) -> None:
    for i in range(int(7.9 * 15)):
        watcher.show(100 + i / 15, watcher.still)
    assert (FROZEN, True) not in watcher.edges()
    watcher.show(108.01, watcher.still)
    assert watcher.sight.is_frozen
    assert "8 s" in watcher.said[-1].detail
    watcher.show(108.1, watcher.still)
    watcher.show(108.2)
    assert not watcher.sight.is_frozen
    assert watcher.edges() == [(LOST, False), (FROZEN, True), (FROZEN, False)]


def test_the_noise_of_a_sensor_is_enough_to_be_alive(watcher: Watcher) -> None:
    for i in range(20 * 15):
        noisy = watcher.still.copy()
        noisy[watcher.random.integers(0, 8) * 16, watcher.random.integers(0, 10) * 16, 0] ^= 1
        watcher.show(100 + i / 15, noisy)
    assert not watcher.sight.is_frozen


def test_after_the_end_of_a_film_no_frames_are_missed(watcher: Watcher) -> None:
    watcher.show(100.1)
    watcher.sight.on_end("film.mp4 is over")
    watcher.sight.check(500 * S)
    assert watcher.edges() == [(LOST, False), (ENDED, True)]


def test_another_film_after_the_end_is_seen(watcher: Watcher) -> None:
    watcher.sight.on_end("film.mp4 is over")
    watcher.show(600)
    assert watcher.edges()[-1] == (ENDED, False)


def test_new_limits_are_taken(watcher: Watcher) -> None:
    watcher.sight.configure(stall_s=10.0, freeze_s=1.0)
    watcher.sight.check(105 * S)
    assert watcher.said == []
    watcher.show(105.0, watcher.still)
    watcher.show(106.5, watcher.still)
    assert watcher.sight.is_frozen


@pytest.mark.parametrize("level", [0, 255])
def test_a_picture_that_is_all_black_or_white_is_not_called_frozen(watcher: Watcher, level: int) -> None:
    flat = np.full((120, 160, 3), level, np.uint8)
    for i in range(300):
        watcher.show(100.1 + i / 15, flat)
    assert not watcher.sight.is_frozen
