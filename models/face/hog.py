"""Faces by dlib's HOG detector: always there, frontal faces only, nothing to download."""

import cv2

from models.errors import ModelNotFound
from models.face.pictures import resize_picture
from models.results import BgrImage, FaceDetection

WINDOW_PX = 80  # the detector's own window: the smallest face it finds in the picture as given to it
_LONGEST_SIDE_PX = 4000  # an enlarged picture beyond this would take seconds and gigabytes


class HogDetector:
    """dlib's frontal face detector (histogram of oriented gradients, five views).

    The picture is first brought to the scale at which a face of ``min_face_px`` fills the detector's window,
    because cost grows with the number of pixels: a lane that wants faces of 160 px pays a quarter of the
    price of one that wants 80. It is enlarged at most ``upsample`` times by two.
    """

    name = "hog"

    def __init__(self, upsample: int = 0, min_face_px: int = 40, threshold: float = 0.0) -> None:
        try:
            import dlib
        except ImportError as error:
            raise ModelNotFound("hog", "dlib is not installed: pip install dlib-bin") from error
        self._scale = min(2.0**upsample, WINDOW_PX / min_face_px)
        self._threshold = threshold
        self._engine = dlib.get_frontal_face_detector()

    @property
    def grain_px(self) -> float:
        """Four of its cells of 8 pixels, in pixels of the picture, see ``LooksAtParts``."""
        return 32 / self._scale

    def detect(self, image: BgrImage) -> list[FaceDetection]:
        """Find faces, best score first. Scores start at the threshold (0); clear faces have more than 1."""
        return self.detect_part(image, (0, 0, image.shape[1], image.shape[0]))

    def detect_part(self, image: BgrImage, part: tuple[int, int, int, int]) -> list[FaceDetection]:
        """See ``LooksAtParts``; steps of the pyramid fall on other pixels, so scores differ a little."""
        scale = min(self._scale, _LONGEST_SIDE_PX / max(image.shape[:2]))
        left, top, right, bottom = part
        image = image[top:bottom, left:right]
        height, width = image.shape[:2]
        if scale != 1.0:
            image = resize_picture(image, round(width * scale), round(height * scale))
        across, down = image.shape[1] / width, image.shape[0] / height
        boxes, scores, _ = self._engine.run(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), 0, self._threshold)
        faces = [
            FaceDetection(
                left=left + box.left() / across,
                top=top + box.top() / down,
                right=left + (box.right() + 1) / across,
                bottom=top + (box.bottom() + 1) / down,
                score=float(score),
            )
            for box, score in zip(boxes, scores, strict=True)
        ]
        return sorted(faces, key=lambda face: -face.score)
