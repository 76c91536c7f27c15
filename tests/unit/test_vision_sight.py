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


class Stream:
    """A camera of 12 pictures a second behind a decoder, told of picture by picture."""

    def __init__(self, least: int, stall_s: float = 1.0) -> None:
        self.said: list[tuple[float, bool]] = []
        self.now_s, self.seq = 100.0, 0
        self.random = np.random.default_rng(2)
        self.sight = Sight(self._hear, stall_s, freeze_s=8.0, now_ns=100 * S, least=least)

    def _hear(self, health: Health) -> None:
        if health.name == LOST:
            self.said.append((self.now_s, health.standing))

    def run(self, for_s: float, fps: float, *, looked_at: int = 1) -> None:
        """Pictures at that rate, of which one in so many is looked at; looked after every 20 ms."""
        began_s, come = self.now_s, 0
        while self.now_s < began_s + for_s - 1e-9:
            self.now_s += 0.02
            if fps and (self.now_s - began_s) * fps >= come + 1:
                come += 1
                self.seq += 1
                if come % looked_at == 0:
                    picture = self.random.integers(0, 255, (64, 64, 3), dtype=np.uint8)
                    self.sight.on_frame(Frame("gate", self.seq, round(self.now_s * S), picture))
            self.sight.check(round(self.now_s * S))


def test_a_few_pictures_that_a_decoder_makes_of_noise_are_no_sign_of_life() -> None:
    stream = Stream(least=3)
    stream.run(5.0, 12.0)
    assert stream.said == [(pytest.approx(100.1, abs=0.05), False)]
    stream.run(3.0, 1.2)  # noise: every tenth packet becomes a picture
    lost_s, standing = stream.said[-1]
    assert standing
    assert lost_s - 105.0 < 1.3
    stream.run(5.0, 1.2)
    assert len(stream.said) == 2, "a picture now and then does not clear it"
    stream.run(1.0, 12.0)
    back_s, standing = stream.said[-1]
    assert not standing
    assert back_s - 113.0 < 0.5


def test_without_that_rule_a_picture_a_second_keeps_a_camera_alive() -> None:
    stream = Stream(least=0)
    stream.run(5.0, 12.0)
    stream.run(10.0, 1.6)
    assert [standing for _, standing in stream.said] == [False]


def test_silence_is_lost_after_the_stall_time_and_a_pause_just_short_of_it_is_none() -> None:
    stream = Stream(least=3)
    stream.run(5.0, 12.0)
    for _ in range(5):
        stream.run(0.7, 0.0)
        stream.run(2.0, 12.0)
    assert [standing for _, standing in stream.said] == [False]
    began_s = stream.now_s
    stream.run(1.5, 0.0)
    assert stream.said[-1] == (pytest.approx(began_s + 1.0, abs=0.12), True)


@pytest.mark.parametrize(("before", "after"), [(25.0, 5.0), (12.0, 6.0), (5.0, 2.0), (60.0, 10.0)])
def test_a_camera_that_takes_longer_exposures_at_night_is_not_lost(before: float, after: float) -> None:
    stream = Stream(least=3)
    stream.run(5.0, before)
    stream.run(20.0, after)
    assert [standing for _, standing in stream.said] == [False]


def test_a_camera_that_is_slow_for_good_is_taken_as_it_is_after_a_while() -> None:
    stream = Stream(least=3)
    stream.run(5.0, 12.0)
    stream.run(20.0, 1.9)
    assert [standing for _, standing in stream.said] == [False, True, False]


def test_pictures_that_nobody_had_time_to_look_at_are_signs_of_life_too() -> None:
    stream = Stream(least=3)
    stream.run(5.0, 12.0, looked_at=4)
    stream.run(10.0, 12.0, looked_at=7)
    assert [standing for _, standing in stream.said] == [False]


@pytest.mark.parametrize("level", [0, 255])
def test_a_picture_that_is_all_black_or_white_is_not_called_frozen(watcher: Watcher, level: int) -> None:
    flat = np.full((120, 160, 3), level, np.uint8)
    for i in range(300):
        watcher.show(100.1 + i / 15, flat)
    assert not watcher.sight.is_frozen
