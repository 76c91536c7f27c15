"""When the picture is measured, and what is told of it: the gauge's hours. Child side, one thread."""

import logging
from collections.abc import Callable

import cv2
import numpy as np

from drivers.camera import Frame
from edge.clock import NS_PER_S
from edge.settings import CameraSettings
from edge.vision.gauge import LEAST_SAMPLES, MOST_SAMPLES, Gauge, Reference
from edge.vision.messages import Compare, Learnt

log = logging.getLogger(__name__)

GLANCE_EVERY_S = 0.5
LOOK_EVERY_S = 2.0
# Without a frame for this long nothing can be said of the picture.
FORGET_AFTER_S = 1.0


class PictureWatch:
    """Measures some of the frames of one camera.

    Args:
        settings: The camera's section.
        learnt: Told of each reference that was learnt.
    """

    def __init__(self, settings: CameraSettings, learnt: Callable[[Learnt], None]) -> None:
        self._learnt = learnt
        self._gauge = Gauge()
        self._glanced: dict[str, float] = {}
        self._looked: dict[str, float] = {}
        self._glance_ns = self._look_ns = self._frame_ns = 0
        self.configure(settings)

    def configure(self, settings: CameraSettings) -> None:
        """Take new settings."""
        samples = min(MOST_SAMPLES, max(LEAST_SAMPLES, round(settings.reference_s / LOOK_EVERY_S)))
        self._gauge.samples = samples if settings.reference_s else 0
        # A long time is learnt from no more pictures, farther apart, and a short one from no fewer.
        every_s = settings.reference_s / samples if settings.reference_s else LOOK_EVERY_S
        self._look_every_ns = round(every_s * NS_PER_S)

    def compare(self, order: Compare) -> None:
        """Compare with that reference from now on; an empty one: learn anew."""
        reference = None
        if order.picture:
            picture = cv2.imdecode(np.frombuffer(order.picture, np.uint8), cv2.IMREAD_GRAYSCALE)
            if picture is None:
                log.warning("the reference picture that was kept is damaged; it is learnt anew")
            else:
                reference = Reference(picture.view(dtype=np.uint8), order.focus, order.has_colour)
        self._gauge.compare_with(reference)
        self._looked = {}

    def on_frame(self, frame: Frame) -> None:
        """Measure the frame if it is time for that."""
        self._frame_ns = frame.taken_ns
        if frame.taken_ns - self._glance_ns >= GLANCE_EVERY_S * NS_PER_S:
            self._glance_ns = frame.taken_ns
            self._glanced = self._gauge.glance(frame.image)
        pause_ns = self._look_every_ns if self._gauge.reference is None else round(LOOK_EVERY_S * NS_PER_S)
        if frame.taken_ns - self._look_ns >= pause_ns:
            self._look_ns = frame.taken_ns
            self._look(frame)

    def numbers(self, now_ns: int) -> dict[str, float]:
        """The newest measures; none while no frame comes."""
        if now_ns - self._frame_ns > FORGET_AFTER_S * NS_PER_S:
            return {}
        return self._glanced | self._looked

    def _look(self, frame: Frame) -> None:
        before = self._gauge.reference
        self._looked = self._gauge.look(frame.image)
        after = self._gauge.reference
        if after is not None and after is not before:
            good, picture = cv2.imencode(".png", after.picture)
            if good:
                self._learnt(Learnt(picture.tobytes(), after.focus, after.has_colour))
