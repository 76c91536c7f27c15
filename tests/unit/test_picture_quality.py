"""Focus and light of a picture, whatever it shows."""

import cv2
import numpy as np
import pytest

from edge.vision.picture import PictureQuality, measure_picture


def scene(seed: int = 1, height: int = 720) -> np.ndarray:
    """Rectangles with hard edges and soft shades, as a street has them."""
    chance = np.random.default_rng(seed)
    image = np.full((height, height * 16 // 9, 3), 120, np.uint8)
    for _ in range(60):
        x, y = int(chance.integers(0, image.shape[1])), int(chance.integers(0, height))
        w, h = (int(value) for value in chance.integers(height // 20, height // 3, 2))
        colour = tuple(int(value) for value in chance.integers(30, 220, 3))
        cv2.rectangle(image, (x, y), (x + w, y + h), colour, -1)
    return cv2.GaussianBlur(image, (0, 0), height / 900)


def blurred(image: np.ndarray, sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(image, (0, 0), sigma * image.shape[0] / 360)


@pytest.mark.parametrize("seed", range(5))
def test_a_soft_picture_has_a_much_lower_focus_whatever_its_brightness(seed: int) -> None:
    sharp = scene(seed)
    focus = measure_picture(sharp).focus
    assert focus > 4 * measure_picture(blurred(sharp, 2.5)).focus
    darker = (sharp * 0.4).astype(np.uint8)
    assert measure_picture(darker).focus == pytest.approx(focus, rel=0.2)


def test_the_same_scene_has_about_the_same_focus_at_any_size() -> None:
    large, small = measure_picture(scene(1, 1080)).focus, measure_picture(scene(1, 480)).focus
    assert 0.3 < large / small < 3


@pytest.mark.parametrize(("level", "dark", "bright"), [(3, 1.0, 0.0), (252, 0.0, 1.0), (128, 0.0, 0.0)])
def test_a_picture_of_nothing_has_no_focus(level: int, dark: float, bright: float) -> None:
    image = np.full((480, 640, 3), level, np.uint8)
    quality = measure_picture(image)
    assert quality == PictureQuality(float(level), 0.0, 0.0, dark, bright)


def test_noise_on_a_dark_picture_is_no_focus() -> None:
    noise = np.random.default_rng(1).normal(20, 4, (720, 1280, 3)).clip(0, 255).astype(np.uint8)
    assert measure_picture(noise).focus == 0.0
