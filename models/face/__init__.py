"""Faces: find, align, describe, compare. Pictures in, numbers out; who may pass is decided elsewhere.

contracts      FaceDetector, FaceEmbedder
pictures       load_picture: files that people hand in
detectors      open_detector, single_face; the detectors themselves are in hog, yunet and cnn
mmod_convert   the network of cnn as ONNX, made at each start
alignment      the upright chip of 150 pixels
living         LivingClassifier: the user's own network that tells a living face from a picture
quality        assess_face: is the face good enough to be described?
embedder       open_embedder, open_described; weights says where dlib's files lie
described      any other ONNX file that describes faces, once somebody has described it; warp cuts its faces
dlib_convert   dlib's network as ONNX in three forms; dlib_format reads, onnx_format writes, quantised rounds
made           networks made here, kept with a checksum
distances      the scale of all templates, and what is known of each space
matcher        Gallery, FaceMatch; search finds the nearest templates
judgement      judge_face, FaceRule, calibrate: is the match good enough?
evaluation     figures about all of it
"""

from models.errors import FacesUnusable
from models.face.alignment import AlignedFace, align_faces
from models.face.contracts import FaceDetector, FaceEmbedder
from models.face.detectors import open_detector, persons_among, single_face
from models.face.dlib_convert import ensure_converted
from models.face.embedder import open_embedder
from models.face.judgement import Asked, FaceRule, Measure, ask, calibrate, default_threshold, judge_face
from models.face.matcher import FaceMatch, Gallery, mean_template
from models.face.pictures import load_picture
from models.face.quality import FaceQuality, assess_face, measure_face

__all__ = [
    "AlignedFace",
    "Asked",
    "FaceDetector",
    "FaceEmbedder",
    "FaceMatch",
    "FaceQuality",
    "FaceRule",
    "FacesUnusable",
    "Gallery",
    "Measure",
    "align_faces",
    "ask",
    "assess_face",
    "calibrate",
    "default_threshold",
    "ensure_converted",
    "judge_face",
    "load_picture",
    "mean_template",
    "measure_face",
    "open_detector",
    "open_embedder",
    "persons_among",
    "single_face",
]
