"""How many threads a network gets: what is written, or what the board can spare."""

import pytest

from edge.settings import ModelSettings


@pytest.mark.parametrize(
    ("cores", "cameras", "threads"),
    [(1, 1, 1), (2, 1, 1), (4, 1, 2), (4, 2, 1), (8, 2, 2), (4, 0, 2), (64, 1, 2)],
)
def test_threads_that_are_left_to_the_board_follow_from_cores_and_cameras(
    cores: int, cameras: int, threads: int
) -> None:
    assert ModelSettings().on_board(cores, cameras).threads == threads


def test_threads_that_are_written_stay_and_a_network_alone_has_one() -> None:
    assert ModelSettings(threads=3).on_board(4, 2).threads == 3
    assert ModelSettings(threads=3).own_threads == 3
    assert ModelSettings().own_threads == 1
