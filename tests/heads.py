"""Five points of a head and of a picture of a head, turned before a camera: geometry, no pictures."""

import math

import numpy as np
from numpy.typing import NDArray

# Millimetres, seen from the camera: x to the right of the picture, y down, z towards the camera. Eyes and
# mouth lie about in one plane; the tip of the nose stands some 28 mm before it.
HEAD = np.array([[-31, 0, 0], [31, 0, 0], [0, 36, 28], [-24, 68, 2], [24, 68, 2]], np.float64)
FLAT = HEAD * (1, 1, 0)


def points_of(
    thing: NDArray[np.float64],
    *,
    yaw: float = 0.0,
    pitch: float = 0.0,
    roll: float = 0.0,
    distance_mm: float = 500.0,
    noise_px: float = 0.0,
    rng: np.random.Generator | None = None,
) -> tuple[float, ...]:
    """Ten numbers: where the points are seen, 600 px focal length, middle at (320, 180).

    Args:
        thing: ``HEAD`` or ``FLAT``.
        yaw: Degrees; positive turns the face to its own left, which is the right of the picture.
        pitch: Degrees. roll: Degrees.
        distance_mm: From the camera.
        noise_px: Standard deviation of each coordinate.
        rng: Of the noise.
    """
    y, p, r = (math.radians(angle) for angle in (yaw, pitch, roll))
    turn = np.array([[math.cos(y), 0, math.sin(y)], [0, 1, 0], [-math.sin(y), 0, math.cos(y)]])
    nod = np.array([[1, 0, 0], [0, math.cos(p), -math.sin(p)], [0, math.sin(p), math.cos(p)]])
    lean = np.array([[math.cos(r), -math.sin(r), 0], [math.sin(r), math.cos(r), 0], [0, 0, 1]])
    seen = thing @ turn.T @ nod.T @ lean.T
    flat = 600.0 * seen[:, :2] / (distance_mm - seen[:, 2:]) + (320, 180)
    if rng is not None:
        flat = flat + rng.normal(0, noise_px, flat.shape)
    return tuple(flat.ravel().tolist())
