"""Face detectors: recall, false faces, cost, and how much the choice moves the descriptor.

    python tests/bench/faces_detect.py --faces lfw-dev --yunet yunet.onnx --film clip.mp4 --json out.json

In LFW's pictures the face lies in the middle, so a picture counts as found when a box of about the right
size covers the middle; boxes elsewhere may be bystanders and are only counted. The small rows shrink each
picture first, so that faces of about 90 px become 45 and 27. The half hidden rows paint over the right half
of the face, as a door frame does. The cost is that of frames of the film brought to 640x480 and 1280x720.

The last part compares the converted convolutional detector with dlib's own, box by box.
"""

import argparse
import json
import time
from pathlib import Path

import cv2
import numpy as np

from models.face import FaceDetector, FaceEmbedder, load_picture, open_detector, open_embedder
from models.face.evaluation import central_face, pictures_by_person
from models.face.pictures import resize_picture
from models.face.weights import CNN_DETECTOR, find_weights
from models.results import BgrImage, FaceDetection

PARTS = ("recall", "hidden", "film", "cost", "descriptor", "agreement")


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


def half_hidden(image: BgrImage) -> BgrImage:
    """The picture as if somebody stood half behind a door frame."""
    hidden = image.copy()
    hidden[:, image.shape[1] // 2 :] = 90
    return hidden


def half_recall(detector: FaceDetector, pictures: list[Path]) -> dict[str, float]:
    found = 0
    for path in pictures:
        image = half_hidden(load_picture(path))
        found += any(hits_the_middle(image, face) for face in detector.detect(image))
    return {"found": found, "missed": len(pictures) - found}


def cost(detector: FaceDetector, frame: BgrImage, width: int, height: int, rounds: int = 7) -> float:
    """Milliseconds for a frame, the best of some."""
    image = resize_picture(frame, width, height)
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        detector.detect(image)
        taken.append(time.perf_counter() - started)
    return 1000 * min(taken)


def agreement(pictures: list[Path]) -> dict[str, float]:
    """The converted detector against dlib's own on the same pictures."""
    import dlib

    theirs = dlib.cnn_face_detection_model_v1(str(find_weights(CNN_DETECTOR)))
    ours = open_detector("cnn", min_face_px=80)
    boxes = other_boxes = 0
    scores, taken = [0.0], {"dlib": 0.0, "converted": 0.0}
    for path in pictures:
        image = load_picture(path)
        scale = min(1.0, 500 / max(image.shape[:2]))
        image = resize_picture(image, round(image.shape[1] * scale), round(image.shape[0] * scale))
        started = time.perf_counter()
        found = theirs(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), 0)
        between = time.perf_counter()
        made = ours.detect(image)
        taken["dlib"] += between - started
        taken["converted"] += time.perf_counter() - between
        wanted = {
            (d.rect.left(), d.rect.top(), d.rect.right() + 1, d.rect.bottom() + 1): d.confidence
            for d in found
        }
        got = {(round(f.left), round(f.top), round(f.right), round(f.bottom)): f.score for f in made}
        boxes += len(wanted)
        other_boxes += len(wanted.keys() ^ got.keys())
        scores += [abs(wanted[box] - got[box]) for box in wanted.keys() & got.keys()]
    return {
        "pictures": len(pictures),
        "boxes": boxes,
        "boxes of only one": other_boxes,
        "largest difference of a score": max(scores),
        "times faster than dlib": taken["dlib"] / taken["converted"],
    }


def film(detector: FaceDetector, path: Path, every: int) -> dict[str, float]:
    capture = cv2.VideoCapture(str(path))
    faces = frames = seen = 0
    taken = []
    while True:
        more, image = capture.read()
        if not more:
            break
        seen += 1
        if seen % every:
            continue
        started = time.perf_counter()
        faces += len(detector.detect(image))
        taken.append(time.perf_counter() - started)
        frames += 1
    capture.release()
    return {"frames": frames, "faces": faces, "median ms": 1000 * float(np.median(taken))}


def descriptors_apart(
    pictures: list[Path], both: tuple[FaceDetector, FaceDetector], embedder: FaceEmbedder
) -> dict[str, float]:
    """How far apart the descriptors of one face are when two detectors have found it."""
    apart = []
    for path in pictures:
        image = load_picture(path)
        faces = [central_face(image, detector.detect(image)) for detector in both]
        if faces[0] is not None and faces[1] is not None:
            one, other = embedder.embed(image, [face for face in faces if face is not None])
            apart.append(float(np.linalg.norm(one - other)))
    return {
        "pictures": len(apart),
        "mean distance": float(np.mean(apart)),
        "share above 0.25": float((np.array(apart) > 0.25).mean()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--faces", type=Path, required=True, help="folder in LFW's layout")
    parser.add_argument("--yunet", type=Path, required=True)
    parser.add_argument("--film", type=Path)
    parser.add_argument("--every", type=int, default=1, help="take every n-th picture and frame only")
    parser.add_argument("--parts", default=",".join(PARTS), help="which of: %(default)s")
    parser.add_argument("--cache", type=Path, default=Path("/tmp/gatehouse-bench"))
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    pictures = [path for paths in pictures_by_person(arguments.faces).values() for path in paths]
    pictures = pictures[:: arguments.every]
    result: dict[str, object] = {"pictures": len(pictures)}
    setups = {
        f"{name}, smallest {least} px": open_detector(
            name, yunet_path=arguments.yunet, upsample=upsample, min_face_px=least
        )
        for name, upsample, least in (
            ("hog", 0, 80),
            ("hog", 1, 40),
            ("cnn", 0, 80),
            ("cnn", 1, 40),
            ("yunet", 0, 80),
            ("yunet", 0, 40),
            ("yunet", 0, 20),
        )
    }
    parts = arguments.parts.split(",")
    if "recall" in parts:
        for scale in (1.0, 0.5, 0.3):
            for name, detector in setups.items():
                figures = recall(detector, pictures, scale)
                result[f"{name}, pictures x {scale}"] = figures
                print(f"x {scale}: {name:24s} {figures}", flush=True)
    if "hidden" in parts:
        for name, detector in setups.items():
            result[f"half hidden, {name}"] = half_recall(detector, pictures)
            print(f"half hidden: {name:24s} {result[f'half hidden, {name}']}", flush=True)
    if "film" in parts and arguments.film:
        for name, detector in setups.items():
            result[f"film, {name}"] = film(detector, arguments.film, arguments.every)
            print(f"film: {name:24s} {result[f'film, {name}']}", flush=True)
    if "cost" in parts and arguments.film:
        capture = cv2.VideoCapture(str(arguments.film))
        frame = np.asarray(capture.read()[1], np.uint8)
        capture.release()
        for name, detector in setups.items():
            sizes = {f"{w}x{h}": cost(detector, frame, w, h) for w, h in ((640, 480), (1280, 720))}
            result[f"ms, {name}"] = sizes
            print(f"ms: {name:24s} {sizes}", flush=True)
    if "descriptor" in parts:
        embedder = open_embedder("dlib-onnx", cache_dir=arguments.cache, mirrored=False)
        for name in ("hog, smallest 40 px", "cnn, smallest 40 px"):
            both = (setups[name], setups["yunet, smallest 20 px"])
            key = f"descriptor from {name} and from yunet"
            result[key] = descriptors_apart(pictures, both, embedder)
            print(key, result[key], flush=True)
    if "agreement" in parts:
        result["converted detector and dlib's"] = agreement(pictures[:: max(1, len(pictures) // 40)])
        print(result["converted detector and dlib's"])
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
