"""Face detectors: recall, false faces, cost, and how much the choice moves the descriptor.

    python tests/bench/faces_detect.py --faces lfw-dev --yunet yunet.onnx --film clip.mp4 --json out.json

In LFW's pictures the face lies in the middle, so a picture counts as found when a box of about the right
size covers the middle; boxes elsewhere may be bystanders and are only counted. The small rows shrink each
picture first, so that faces of about 90 px become 45 and 27.
"""

import argparse
import json
import time
from pathlib import Path

import cv2
import numpy as np

from models.face import FaceDetector, load_picture, open_detector, open_embedder
from models.face.evaluation import central_face, pictures_by_person
from models.face.pictures import resize_picture
from models.results import BgrImage, FaceDetection


def hits_the_middle(image: BgrImage, face: FaceDetection) -> bool:
    height, width = image.shape[:2]
    covers = face.left < width / 2 < face.right and face.top < height / 2 < face.bottom
    return covers and 0.2 < (face.right - face.left) / width < 0.75


def recall(detector: FaceDetector, pictures: list[Path], scale: float) -> dict[str, float]:
    found = others = 0
    taken = []
    for path in pictures:
        image = load_picture(path)
        if scale != 1.0:
            image = resize_picture(image, round(image.shape[1] * scale), round(image.shape[0] * scale))
        started = time.perf_counter()
        faces = detector.detect(image)
        taken.append(time.perf_counter() - started)
        right = [face for face in faces if hits_the_middle(image, face)]
        found += bool(right)
        others += len(faces) - len(right)
    return {
        "found": found,
        "missed": len(pictures) - found,
        "other boxes": others,
        "median ms": 1000 * float(np.median(taken)),
    }


def film(detector: FaceDetector, path: Path) -> dict[str, float]:
    capture = cv2.VideoCapture(str(path))
    faces = frames = 0
    taken = []
    while True:
        more, image = capture.read()
        if not more:
            break
        started = time.perf_counter()
        faces += len(detector.detect(image))
        taken.append(time.perf_counter() - started)
        frames += 1
    capture.release()
    return {"frames": frames, "faces": faces, "median ms": 1000 * float(np.median(taken))}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--faces", type=Path, required=True, help="folder in LFW's layout")
    parser.add_argument("--yunet", type=Path, required=True)
    parser.add_argument("--film", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("/tmp/gatehouse-bench"))
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    pictures = [path for paths in pictures_by_person(arguments.faces).values() for path in paths]
    result: dict[str, object] = {"pictures": len(pictures)}
    setups = {
        f"{name}, smallest {least} px": open_detector(
            name, yunet_path=arguments.yunet, upsample=upsample, min_face_px=least
        )
        for name, upsample, least in (
            ("hog", 0, 80),
            ("hog", 1, 40),
            ("yunet", 0, 80),
            ("yunet", 0, 40),
            ("yunet", 0, 20),
        )
    }
    for scale in (1.0, 0.5, 0.3):
        for name, detector in setups.items():
            figures = recall(detector, pictures, scale)
            result[f"{name}, pictures x {scale}"] = figures
            print(f"x {scale}: {name:24s} {figures}", flush=True)
    if arguments.film:
        for name, detector in setups.items():
            result[f"film, {name}"] = film(detector, arguments.film)
            print(f"film: {name:24s} {result[f'film, {name}']}", flush=True)

    hog, yunet = setups["hog, smallest 40 px"], setups["yunet, smallest 20 px"]
    embedder = open_embedder("dlib-onnx", cache_dir=arguments.cache, mirrored=False)
    apart = []
    for path in pictures:
        image = load_picture(path)
        faces = [central_face(image, detector.detect(image)) for detector in (hog, yunet)]
        if faces[0] is not None and faces[1] is not None:
            one, other = embedder.embed(image, [face for face in faces if face is not None])
            apart.append(float(np.linalg.norm(one - other)))
    result["descriptor from hog and from yunet"] = {
        "pictures": len(apart),
        "mean distance": float(np.mean(apart)),
        "share above 0.25": float((np.array(apart) > 0.25).mean()),
    }
    print(result["descriptor from hog and from yunet"])
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
