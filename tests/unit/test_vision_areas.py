"""What counts of a picture, and the parts of it that a network is shown."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.records import Box
from edge.settings import OpenCvCamera
from edge.vision.areas import MOST_PATCHES, WHOLE_SHARE, Zones, holds, is_cut, patches
from edge.vision.search import was_searched, with_margin

W, H = 1280, 720
ALL = ((0, 0, W, H),)
LEFT_HALF = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
CORNER = ((0.0, 0.0), (0.4, 0.0), (0.0, 0.4))
EVERYTHING = (0.0, 0.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("zones", "inside", "outside"),
    [
        (Zones(), [(0.1, 0.1), (0.9, 0.9)], []),
        (Zones(watch=(LEFT_HALF,)), [(0.1, 0.1), (0.4, 0.9)], [(0.6, 0.5), (0.9, 0.9)]),
        (Zones(ignore=(CORNER,)), [(0.5, 0.1), (0.3, 0.3)], [(0.1, 0.1), (0.02, 0.3)]),
        (Zones(watch=(LEFT_HALF,), ignore=(CORNER,)), [(0.4, 0.9)], [(0.1, 0.1), (0.9, 0.9)]),
    ],
)
def test_a_place_counts_as_its_shapes_say_and_the_mask_says_the_same(
    zones: Zones, inside: list[tuple[float, float]], outside: list[tuple[float, float]]
) -> None:
    assert [zones.count(*place) for place in inside + outside] == [True] * len(inside) + [False] * len(
        outside
    )
    mask = zones.mask(178, 100, EVERYTHING)
    if mask is None:
        assert zones.is_everywhere
        return
    assert all(mask[int(y * 100), int(x * 178)] == 255 for x, y in inside)
    assert all(mask[int(y * 100), int(x * 178)] == 0 for x, y in outside)


def test_the_mask_of_a_region_is_cut_from_the_whole_picture() -> None:
    mask = Zones(watch=(LEFT_HALF,)).mask(100, 50, (0.25, 0.0, 0.75, 1.0))
    assert mask is not None
    assert mask[:, :49].min() == 255
    assert mask[:, 51:].max() == 0


@given(st.floats(0.001, 0.999), st.floats(0.001, 0.999))
def test_mask_and_polygon_agree_but_for_the_samples_on_the_edge(x: float, y: float) -> None:
    shape = ((0.1, 0.1), (0.9, 0.3), (0.6, 0.9), (0.2, 0.7))
    mask = Zones(watch=(shape,)).mask(200, 200, EVERYTHING)
    assert mask is not None
    column, row = int(x * 200), int(y * 200)
    around = mask[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2]
    if around.min() == around.max():
        assert holds(shape, x, y) == bool(mask[row, column])


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ([], ()),
        ([Box(100, 100, 150, 150)], ((64, 64, 192, 192),)),
        ([Box(-50, -50, 20, 20)], ((0, 0, 64, 64),)),
        ([Box(1250, 700, 1400, 900)], ((1216, 640, 1280, 720),)),
        ([Box(2000, 100, 2100, 200)], ()),
        ([Box(0, 0, 60, 60), Box(1000, 600, 1060, 640)], ((0, 0, 64, 64), (960, 576, 1088, 640))),
        ([Box(0, 0, 60, 60), Box(64, 0, 120, 60)], ((0, 0, 128, 64),)),
        ([Box(0, 0, 1200, 700)], ALL),
        ([Box(0, 0, 700, 700), Box(720, 0, 1280, 700)], ALL),
    ],
)
def test_patches_are_few_and_lie_on_the_grid(wanted: list[Box], expected: tuple) -> None:
    assert patches(wanted, W, H, 64) == expected


boxes = st.builds(
    lambda x, y, w, h: Box(x, y, x + w, y + h),
    st.floats(-100, 1300), st.floats(-100, 800), st.floats(1, 900), st.floats(1, 700),
)  # fmt: skip


@given(st.lists(boxes, max_size=7), st.sampled_from([32.0, 64.0, 72.0, 91.2]))
def test_whatever_is_wanted_lies_in_the_patches_which_never_overlap(wanted: list[Box], grain: float) -> None:
    found = patches(wanted, W, H, grain)
    assert len(found) <= MOST_PATCHES
    for box in wanted:
        in_picture = box.left < W and box.top < H and box.right > 0 and box.bottom > 0
        if in_picture:
            assert was_searched(Box(box.left + 1, box.top + 1, box.right - 1, box.bottom - 1), found, W, H)
    for i, one in enumerate(found):
        assert 0 <= one[0] < one[2] <= W
        assert 0 <= one[1] < one[3] <= H
        for other in found[i + 1 :]:
            assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
    if found not in ((), ALL):
        assert sum((p[2] - p[0]) * (p[3] - p[1]) for p in found) < WHOLE_SHARE * W * H


@pytest.mark.parametrize(
    ("box", "cut"),
    [
        (Box(100, 100, 160, 160), False),
        (Box(64, 100, 120, 160), True),
        (Box(190, 100, 255, 160), True),
        (Box(100, 0, 160, 60), False),  # the picture's own edge
        (Box(100, 200, 160, 256), True),
    ],
)
def test_what_reaches_an_inner_edge_may_be_a_part_only(box: Box, cut: bool) -> None:
    assert is_cut(box, (64, 0, 256, 256), W, H) is cut


def test_above_what_moves_there_is_more_room_than_beside_it() -> None:
    room = with_margin(Box(600, 400, 900, 700), 64)
    assert (600 - room.left, room.right - 900, room.bottom - 700, 400 - room.top) == (96, 96, 96, 150)


# Settings


def camera(**options: object) -> OpenCvCamera:
    return OpenCvCamera(source="0", looks_for=("face",), **options)  # type: ignore[arg-type]


def test_a_rectangle_is_four_numbers_and_becomes_a_polygon() -> None:
    given_as = camera(watch=[[0, 0.5, 1, 1]], ignore=[[[0, 0], [0.3, 0], [0, 0.4]]])
    assert given_as.watch == (((0, 0.5), (1, 0.5), (1, 1), (0, 1)),)
    assert given_as.ignore == (((0, 0), (0.3, 0), (0, 0.4)),)
    again = OpenCvCamera.model_validate(given_as.model_dump(mode="json"))
    assert again == given_as


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"watch": [[0.5, 0, 0.2, 1]]}, "left < right"),
        ({"ignore": [[[0, 0], [1, 1]]]}, "at least 3"),
        ({"ignore": [[[0, 0], [0.5, 0.5], [1, 1]]]}, "without area"),
        ({"watch": [[[0, 0], [2, 0], [0, 1]]]}, "less than or equal to 1"),
        ({"line": [[0.2, 0.2], [0.2, 0.2]]}, "two points that differ"),
        ({"region": (0.5, 0.0, 0.5, 1.0)}, "left < right"),
    ],
)
def test_places_that_make_no_sense_are_refused(options: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        camera(**options)


def test_a_mask_is_uint8() -> None:
    mask = Zones(watch=(LEFT_HALF,)).mask(10, 10, EVERYTHING)
    assert mask is not None
    assert mask.dtype == np.uint8
