"""The clip's own clock, without waiting: the clock moves when the camera sleeps."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from drivers.camera import EndOfFilm
from drivers.camera.replay import ReplayCamera
from drivers.errors import DriverClosed, LinkLost

NS_PER_S = 1_000_000_000


class FilmClock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now_ns = 500 * NS_PER_S

    def __call__(self) -> int:
        return self.now_ns

    def sleep(self, seconds: float) -> None:
        self.now_ns += round(seconds * NS_PER_S)


@pytest.fixture
def film_clock() -> FilmClock:
    return FilmClock()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten pictures; the grey level of each is ten times its number."""
    for number in range(10):
        cv2.imwrite(str(tmp_path / f"{number:02}.png"), np.full((24, 32, 3), number * 10, np.uint8))
    (tmp_path / "notes.txt").write_text("no picture")
    return tmp_path


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Fifty frames at 25 frames/s; the grey level of each is five times its number."""
    path = tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (64, 48))
    for number in range(50):
        writer.write(np.full((48, 64, 3), number * 5, np.uint8))
    writer.release()
    return path


def open_replay(source: Path, clock: FilmClock, **options: object) -> ReplayCamera:
    return ReplayCamera("gate", str(source), clock=clock, sleep=clock.sleep, **options)  # type: ignore[arg-type]


def number_in(camera: ReplayCamera, step: int) -> int:
    return round(float(camera.read().image.mean()) / step)


def test_a_folder_shows_its_pictures_in_the_order_of_their_names(folder: Path, film_clock: FilmClock) -> None:
    camera = open_replay(folder, film_clock, fps=4)
    assert [number_in(camera, 10) for _ in range(10)] == list(range(10))
    with pytest.raises(EndOfFilm):
        camera.read()
    assert film_clock.now_ns == pytest.approx((500 + 10 / 4) * NS_PER_S, abs=NS_PER_S / 100)


def test_frames_are_due_at_their_time_and_read_only(folder: Path, film_clock: FilmClock) -> None:
    camera = open_replay(folder, film_clock, fps=4)
    frames = [camera.read() for _ in range(3)]
    assert [frame.taken_ns - camera.epoch_ns for frame in frames] == [0, NS_PER_S // 4, NS_PER_S // 2]
    assert [frame.seq for frame in frames] == [1, 2, 3]
    assert not frames[0].image.flags.writeable


def test_a_slow_reader_misses_frames_as_with_a_camera(film: Path, film_clock: FilmClock) -> None:
    camera = open_replay(film, film_clock)
    assert number_in(camera, 5) == 0
    film_clock.sleep(1.0)
    assert number_in(camera, 5) == pytest.approx(25, abs=1)


def test_a_restarted_camera_finds_the_film_where_it_is_by_then(film: Path, film_clock: FilmClock) -> None:
    first = open_replay(film, film_clock)
    first.read()
    first.close()
    film_clock.sleep(1.2)
    second = open_replay(film, film_clock, epoch_ns=first.epoch_ns)
    frame = second.read()
    assert frame.seq == 31
    assert round(float(frame.image.mean()) / 5) == pytest.approx(30, abs=1)


def test_a_repeating_film_begins_again_and_its_numbers_rise_on(film: Path, film_clock: FilmClock) -> None:
    camera = open_replay(film, film_clock, repeat=True)
    film_clock.sleep(1.96)
    frames = [camera.read() for _ in range(3)]
    assert [frame.seq for frame in frames] == [50, 51, 52]
    assert [round(float(frame.image.mean()) / 5) for frame in frames] == pytest.approx([49, 0, 1], abs=1)


def test_another_speed_overrides_the_films_own(film: Path, film_clock: FilmClock) -> None:
    camera = open_replay(film, film_clock, fps=10)
    camera.read()
    assert camera.read().taken_ns - camera.epoch_ns == NS_PER_S // 10


def test_a_film_that_begins_later_is_waited_for(film: Path, film_clock: FilmClock) -> None:
    begins_ns = film_clock.now_ns + 3 * NS_PER_S
    camera = open_replay(film, film_clock, epoch_ns=begins_ns)
    assert camera.read().taken_ns == begins_ns
    assert film_clock.now_ns >= begins_ns


def test_a_damaged_picture_is_named_and_the_next_one_is_shown(folder: Path, film_clock: FilmClock) -> None:
    (folder / "01.png").write_bytes(b"no picture at all")
    camera = open_replay(folder, film_clock, fps=4)
    camera.read()
    with pytest.raises(LinkLost, match="frame 2 of 10"):
        camera.read()
    assert number_in(camera, 10) == 2


def test_a_film_cut_off_in_the_middle_is_lost_there(film: Path, film_clock: FilmClock) -> None:
    content = film.read_bytes()
    film.write_bytes(content[: len(content) // 2])
    camera = open_replay(film, film_clock)
    with pytest.raises(LinkLost, match=r"cut off at frame \d+ of 50"):
        list(iter(camera.read, None))


@pytest.mark.parametrize("content", [b"", b"this is no film", bytes(5000)])
def test_what_is_no_film_is_said_in_one_line(content: bytes, tmp_path: Path, film_clock: FilmClock) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(content)
    with pytest.raises(LinkLost, match="is no film") as caught:
        open_replay(path, film_clock)
    assert "\n" not in str(caught.value)


def test_a_missing_source_and_an_empty_folder_are_named(tmp_path: Path, film_clock: FilmClock) -> None:
    with pytest.raises(LinkLost, match="there is no such film or folder"):
        open_replay(tmp_path / "nothing.mp4", film_clock)
    with pytest.raises(LinkLost, match="holds no picture"):
        open_replay(tmp_path, film_clock)


def test_a_closed_film_cannot_be_read(folder: Path, film_clock: FilmClock) -> None:
    camera = open_replay(folder, film_clock)
    camera.close()
    camera.close()
    with pytest.raises(DriverClosed):
        camera.read()
