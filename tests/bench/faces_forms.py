"""Forms of the descriptor network, all in one run: speed, how far templates move, and what that costs.

    python tests/bench/faces_forms.py --faces lfw-dev --yunet yunet.onnx --json out.json
    python tests/bench/faces_forms.py --yunet yunet.onnx --ranges out.json --pictures DIR --film FILM

Forms: exact (as dlib computes it), exact with weights stored as float16, capped (a ceiling on one layer, see
``models.face.dlib_convert.CEILING``) with several ceilings, int8 (capped, 8 bits). Each is timed in turn,
round after round. Verification is LFW's: ten folds of persons, the threshold of each chosen on the other
nine, with all pairs of one person and as many random pairs of two, repeated with other random pairs; the gain
is the mean difference to exact in points, with its standard error. "exact x" compares exact templates with
the form's: a gallery made with one and probes made with the other. ``--group`` names persons (one a line)
among whom distances are given once more: people of one region resemble each other.

``--ranges`` observes the activations on other pictures and writes the table that the int8 form is made with
(``models/face/ranges.json``).
"""

import argparse
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from faces_speed import timed

from models.face import align_faces, load_picture, open_detector
from models.face.dlib_convert import CEILING, Form, convert_recognition, recognition_network
from models.face.evaluation import central_face, pictures_by_person, verify
from models.face.onnx_format import Network, Node
from models.face.quantised import tensors_to_observe
from models.face.weights import RECOGNITION, find_weights
from models.runtime import Session, open_session

Array = np.ndarray[Any, Any]
RATES = (1e-2, 1e-3, 1e-4, 1e-5)
BATCH = 8


def stored_as_float16(network: Network) -> bytes:
    """Weights in half the room; the runtime makes single precision of them when it loads."""
    halved = replace(network, nodes=[], constants={})
    for name, values in network.constants.items():
        if values.dtype != np.float32 or values.ndim == 0:
            halved.constants[name] = values
            continue
        halved.constants[f"{name}_half"] = values.astype(np.float16)
        halved.nodes.append(Node("Cast", [f"{name}_half"], [name], {"to": 1}))
    halved.nodes += network.nodes
    return halved.encode()


def describe(session: Session, chips: Array) -> Array:
    """Mean of the templates of each chip and its mirror image, as the embedder makes them."""
    parts = []
    for at in range(0, len(chips), BATCH):
        part = chips[at : at + BATCH]
        both = session.run(np.concatenate([part, part[:, :, ::-1]]))[0]
        parts.append((both[: len(part)] + both[len(part) :]) / 2)
    return np.concatenate(parts)


def chips_of(folder: Path, yunet: Path) -> tuple[Array, list[str]]:
    detector = open_detector("yunet", yunet_path=yunet, min_face_px=20)
    chips, persons = [], []
    for name, paths in pictures_by_person(folder).items():
        for path in paths:
            image = load_picture(path)
            face = central_face(image, detector.detect(image))
            if face is not None:
                chips.append(align_faces(image, [face])[0].chip)
                persons.append(name)
    return np.stack(chips), persons


class Pairs:
    """The pairs that every form is judged on."""

    def __init__(self, of: Array, repeats: int) -> None:
        self._of, self._repeats = of, repeats
        self._fold = np.random.default_rng(1).permutation(of.max() + 1) % 10
        self._one, self._other = np.triu_indices(len(of), 1)
        self._same = of[self._one] == of[self._other]

    def accuracies(self, one: Array, other: Array) -> Array:
        """Accuracy for each repetition."""
        genuine = np.flatnonzero(self._same)
        within = self._fold[self._of[self._one]] == self._fold[self._of[self._other]]
        foreign = np.flatnonzero(~self._same & within)
        out = []
        for repeat in range(self._repeats):
            drawn = np.random.default_rng(repeat).choice(foreign, len(genuine), replace=False)
            rows = np.concatenate([genuine, drawn])
            a, b = self._one[rows], self._other[rows]
            distances = np.linalg.norm(one[a] - other[b], axis=1).astype(np.float64)
            out.append(verify(distances, self._same[rows], self._fold[self._of[a]]).accuracy)
        return np.array(out)

    def figures(self, one: Array, other: Array) -> dict[str, Any]:
        """Over all pairs: hits at rates of strangers, their distances, and those of one person."""
        squares = (one**2).sum(1)[:, None] + (other**2).sum(1) - 2 * one @ other.T
        distances = np.sqrt(np.maximum(squares[self._one, self._other], 0))
        foreign, genuine = np.sort(distances[~self._same]), distances[self._same]
        limits = {f"{rate:g}": float(foreign[int(rate * len(foreign))]) for rate in RATES}
        return {
            "hits": {rate: float((genuine < limit).mean()) for rate, limit in limits.items()},
            "distance": limits,
            "strangers nearer than 0.45": int((foreign < 0.45).sum()),
            "same person": {"mean": float(genuine.mean()), "spread": float(genuine.std())},
        }


def forms(content: bytes) -> dict[str, bytes]:
    exact = recognition_network(content)
    return {
        "exact": exact.encode(),
        "exact, float16 weights": stored_as_float16(exact),
        **{
            f"capped at {ceiling:g}": recognition_network(content, ceiling=ceiling).encode()
            for ceiling in (3.0, 4.0, CEILING, 7.0, 10.0)
        },
        "int8": convert_recognition(content, form=Form.INT8),
    }


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    chips, persons = chips_of(arguments.faces, arguments.yunet)
    names, of = np.unique(persons, return_inverse=True)
    group = arguments.group.read_text("utf-8").split() if arguments.group else []
    inside = np.isin(of, np.flatnonzero(np.isin(names, group)))
    files = forms(find_weights(RECOGNITION).read_bytes())
    sessions = {name: open_session(content, name=name) for name, content in files.items()}
    quick = {
        name: session for name, session in sessions.items() if "capped" not in name or f"{CEILING:g}" in name
    }
    speed = {
        f"{name}, {count}": (lambda session=session, count=count: len(session.run(chips[:count])[0]))
        for name, session in quick.items()
        for count in (1, 2, 4)
    }
    taken = timed(speed, arguments.rounds)
    pairs = Pairs(of, arguments.repeats)
    result: dict[str, Any] = {"chips": len(chips), "persons": int(of.max()) + 1}
    exact = describe(sessions["exact"], chips)
    base = pairs.accuracies(exact, exact)
    for name, session in sessions.items():
        templates = describe(session, chips)
        moved = np.linalg.norm(templates - exact, axis=1)
        part: dict[str, Any] = {"bytes": len(files[name]), "moved mean": float(moved.mean())}
        part |= {"moved most": float(moved.max()), "moved by 0.1 or more": float((moved >= 0.1).mean())}
        for label, one in (("itself", templates), ("exact x", exact)):
            accuracies = pairs.accuracies(one, templates)
            gain = 100 * (accuracies - base)
            part[label] = {
                "accuracy": float(accuracies.mean()),
                "gain points": float(gain.mean()),
                "gain error": float(gain.std(ddof=1) / np.sqrt(len(gain))),
                **pairs.figures(one, templates),
            }
        for count in (1, 2, 4):
            if f"{name}, {count}" in taken:
                best = taken[f"{name}, {count}"]["best"]
                part[f"ms at {count}"] = best
                part[f"times exact at {count}"] = taken[f"exact, {count}"]["best"] / best
        result[name] = part
        say(name, part)
        if group:
            part["group"] = within(templates[inside], of[inside])
            print(f"{'':24s} within the group: {part['group']}", flush=True)
    result["load of the machine"] = os.getloadavg()[0]
    return result


def within(templates: Array, of: Array) -> dict[str, float]:
    """Distances among persons of one group."""
    one, other = np.triu_indices(len(of), 1)
    same = of[one] == of[other]
    distances = np.linalg.norm(templates[one] - templates[other], axis=1)
    foreign, genuine = np.sort(distances[~same]), distances[same]
    limit = float(foreign[int(0.01 * len(foreign))])
    return {
        "persons": len(np.unique(of)),
        "pairs of two": len(foreign),
        "pairs of one": len(genuine),
        "strangers nearer than 0.6": float((foreign < 0.6).mean()),
        "strangers nearer than 0.5": float((foreign < 0.5).mean()),
        "distance at 1 %": limit,
        "hits at 1 %": float((genuine < limit).mean()),
    }


def say(name: str, part: dict[str, Any]) -> None:
    itself, cross = part["itself"], part["exact x"]
    speed = f"{part['ms at 1']:.2f} ms ({part['times exact at 1']:.2f} x)" if "ms at 1" in part else ""
    print(f"{name:24s} {part['bytes'] / 1e6:5.1f} MB {speed:18s} moved {part['moved mean']:.4f} ", end="")
    print(f"(most {part['moved most']:.3f})  accuracy {100 * itself['accuracy']:.3f} %", end="")
    print(f" ({itself['gain points']:+.3f} +- {itself['gain error']:.3f};", end="")
    print(f" exact x {cross['gain points']:+.3f})  hits at FAR", end="")
    print(*(f" {rate}: {100 * share:.1f}" for rate, share in itself["hits"].items()), end="")
    print(f"  strangers < 0.45: {itself['strangers nearer than 0.45']}", flush=True)


def observe(arguments: argparse.Namespace) -> dict[str, list[float]]:
    """Ranges of the activations on faces of a folder, of every tenth frame of a film, and on variations."""
    detector = open_detector("yunet", yunet_path=arguments.yunet, min_face_px=30)
    images = [load_picture(path) for path in sorted(arguments.pictures.iterdir()) if path.suffix != ".md"]
    film = cv2.VideoCapture(str(arguments.film)) if arguments.film else None
    while film is not None and film.grab():
        if int(film.get(cv2.CAP_PROP_POS_FRAMES)) % 10 == 0:
            images.append(np.asarray(film.retrieve()[1], np.uint8))
    chips = np.stack([face.chip for image in images for face in align_faces(image, detector.detect(image))])
    chips = np.concatenate([chips, chips[:, :, ::-1]])
    varied = chips.astype(np.float32)
    darker, paler = varied * 0.6, np.clip(varied * 1.3 + 20, 0, 255)
    chips = np.concatenate([chips, darker.astype(np.uint8), paler.astype(np.uint8)])
    network = recognition_network(find_weights(RECOGNITION).read_bytes(), ceiling=CEILING)
    names = tensors_to_observe(network)
    network.outputs |= {name: tuple(f"{name}_{axis}" for axis in range(4)) for name in names}
    session = open_session(network.encode())
    ranges = {name: [0.0, 0.0] for name in names}
    for at in range(0, len(chips), 4):
        made = zip((output.name for output in session.outputs), session.run(chips[at : at + 4]), strict=True)
        for name, values in made:
            if name in ranges:
                low, high = ranges[name]
                ranges[name] = [min(low, float(values.min())), max(high, float(values.max()))]
    ranges[names[0]] = [0.0, 255.0]  # the pixels themselves
    print(f"{len(chips)} faces observed")
    return ranges


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--faces", type=Path, help="folder in LFW's layout")
    parser.add_argument("--yunet", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--group", type=Path, help="names of persons, one a line")
    parser.add_argument("--ranges", type=Path, help="write the table of ranges here, and measure nothing")
    parser.add_argument("--pictures", type=Path, help="for --ranges: a folder of pictures with faces")
    parser.add_argument("--film", type=Path, help="for --ranges")
    arguments = parser.parse_args()
    if arguments.ranges is not None:
        rows = [f' "{name}": [{low:.4g}, {high:.4g}]' for name, (low, high) in observe(arguments).items()]
        arguments.ranges.write_text("{\n" + ",\n".join(rows) + "\n}\n")
        return
    result = measure(arguments)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
