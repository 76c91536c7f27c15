"""QR codes before a camera: read at the sizes they have there, and paced so that they cost little."""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.access.passes import Pass, subject_mark, write_pass
from edge.vision.codes import EVERY_S, SHARE, CodeReader, draw_code

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
TEXT = write_pass(
    Pass(
        "pass-0001",
        1_795_000_000,
        1_795_086_400,
        subject=subject_mark("wang-li"),
        lanes=("gate-1/front-door", "entry"),
        kid="desk",
    ),
    KEY,
)


def scene(
    text: str, side_px: float, *, turn: float = 0.0, lean: float = 0.0, blur: float = 0.5, seed: int = 1
) -> np.ndarray[Any, Any]:
    """A code on a sheet somewhere in a frame of 640 x 480, blurred and noisy as a camera makes it."""
    rng = np.random.default_rng(seed)
    cells = np.pad(np.where(draw_code(text), 0, 255).astype(np.uint8), 4, constant_values=255)
    sheet = np.kron(cells, np.ones((6, 6), np.uint8))
    half = side_px * len(cells) / (len(cells) - 8) / 2
    angle = np.radians(turn)
    corners = np.array([[-half, -half], [half, -half], [half, half], [-half, half]])
    corners = corners @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    corners *= 1 + lean * np.array([[1], [-1], [1], [-1]])
    size = len(sheet)
    matrix = cv2.getPerspectiveTransform(
        np.array([[0, 0], [size, 0], [size, size], [0, size]], np.float32),
        (corners + (320, 240)).astype(np.float32),
    )
    yard = cv2.resize(
        rng.integers(30, 200, (12, 16, 3)).astype(np.uint8), (640, 480), interpolation=cv2.INTER_CUBIC
    )
    paper = cv2.warpPerspective(cv2.cvtColor(sheet, cv2.COLOR_GRAY2BGR), matrix, (640, 480))
    mask = cv2.warpPerspective(np.full_like(sheet, 255), matrix, (640, 480))[..., None] > 127
    frame = cv2.GaussianBlur(np.where(mask, paper, yard), (0, 0), blur)
    return np.clip(frame * 0.8 + 20 + rng.normal(0, 4, frame.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("side_px", [220, 260, 300])
@pytest.mark.parametrize(
    ("turn", "lean", "blur"), [(0, 0, 0.5), (12, 0.04, 0.7), (-20, -0.03, 0.8), (170, 0, 0.6)]
)
def test_a_pass_is_read_from_a_frame(side_px: float, turn: float, lean: float, blur: float) -> None:
    code = CodeReader().read(scene(TEXT, side_px, turn=turn, lean=lean, blur=blur))
    assert code is not None
    assert code.text == TEXT
    assert abs(code.box.width - side_px) < 0.5 * side_px
    assert code.box.left < 320 < code.box.right


def test_where_there_is_no_code_there_is_none() -> None:
    reader = CodeReader()
    rng = np.random.default_rng(3)
    for frame in (
        np.zeros((480, 640, 3), np.uint8),
        np.full((480, 640, 3), 255, np.uint8),
        rng.integers(0, 255, (480, 640, 3)).astype(np.uint8),
        scene(TEXT, 60),
    ):
        assert reader.read(frame) is None


@pytest.mark.parametrize("text", ["bell \x07 inside", "x" * 1300])
def test_a_code_that_says_what_no_pass_says_is_not_passed_on(text: str) -> None:
    cells = np.pad(np.where(draw_code(text), 0, 255).astype(np.uint8), 4, constant_values=255)
    frame = cv2.cvtColor(np.kron(cells, np.ones((6, 6), np.uint8)), cv2.COLOR_GRAY2BGR)
    assert CodeReader().read(np.asarray(frame, np.uint8)) is None


def test_codes_get_their_share_of_the_time_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, now_ns = CodeReader(), 0
    spent_ns = [0]
    monkeypatch.setattr("edge.vision.codes.time.perf_counter_ns", lambda: spent_ns[0])

    def slow(_: object) -> None:
        spent_ns[0] += 40_000_000

    monkeypatch.setattr(reader, "read", slow)
    frame = np.zeros((8, 8, 3), np.uint8)
    for _ in range(300):
        reader.look(frame, now_ns)
        now_ns += 33_000_000
    assert 0.5 * SHARE < spent_ns[0] / now_ns <= 1.1 * SHARE
    assert reader.took_ms == 40.0


def test_a_quick_look_is_still_not_taken_at_every_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = CodeReader()
    nothing: Callable[[object], None] = lambda _: None  # noqa: E731
    monkeypatch.setattr(reader, "read", nothing)
    for step in range(101):
        reader.look(np.zeros((8, 8, 3), np.uint8), step * 10_000_000)
    assert reader.looks <= 1 / EVERY_S + 1
