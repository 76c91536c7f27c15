"""Faces: find, align, describe, compare. Pictures in, numbers out; who may pass is decided elsewhere.

contracts      FaceDetector, FaceEmbedder
pictures       load_picture: files that people hand in
detectors      open_detector, single_face; the detectors themselves are in hog and yunet
alignment      the upright chip of 150 pixels
quality        assess_face: is the face good enough to be described?
embedder       open_embedder; weights says where dlib's files lie
dlib_convert   dlib's network as ONNX, made once; dlib_format reads, onnx_format writes
matcher        Gallery, FaceMatch; search finds the nearest templates
judgement      judge_face, FaceRule, calibrate: is the match good enough?
evaluation     figures about all of it
"""

from models.face.alignment import AlignedFace, align_faces
from models.face.contracts import FaceDetector, FaceEmbedder
from models.face.detectors import open_detector, single_face
from models.face.dlib_convert import ensure_converted
from models.face.embedder import open_embedder
from models.face.judgement import FaceRule, Measure, calibrate, default_threshold, judge_face
from models.face.matcher import FaceMatch, Gallery
from models.face.pictures import load_picture
from models.face.quality import FaceQuality, assess_face, measure_face

__all__ = [
    "AlignedFace",
    "FaceDetector",
    "FaceEmbedder",
    "FaceMatch",
    "FaceQuality",
    "FaceRule",
    "Gallery",
    "Measure",
    "align_faces",
    "assess_face",
    "calibrate",
    "default_threshold",
    "ensure_converted",
    "judge_face",
    "load_picture",
    "measure_face",
    "open_detector",
    "open_embedder",
    "single_face",
]
