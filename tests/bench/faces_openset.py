"""Residents and strangers: how many residents are named at 1 % and 0.1 % of strangers accepted.

    python tests/bench/faces_openset.py --faces lfw-dev --yunet yunet.onnx --keep DIR --json out.json

Needs a folder in LFW's layout. Everybody is described once by each engine and kept in --keep (biometric data:
delete it afterwards), so that a run that is broken off goes on:

- ours, as enrolled and judged without hurry (six views of each face);
- ours, as the gate sees it (a face and its mirror image), against entries of six views;
- the same two with HOG instead of YuNet;
- face_recognition, if it is installed (``pip install --no-deps face_recognition``).

Three arrangements, each with several random choices (--splits, --seed), each figure the mean over them and
how much they spread:

- "300/300": of all persons with several pictures one picture each is enrolled, the rest are probes; persons
  with one picture, and every probe once more with its own person taken out, are strangers.
- "everybody": all persons are enrolled with one picture; strangers come from taking out only. The largest
  gallery these pictures can make.
- "visits": as "everybody", with one, two or three pictures of each person enrolled; one, two, three or all of
  the other pictures of a person are a visit, judged by their mean.

A person who is taken out is missing from every neighbourhood too. In lfw-dev Nan_Wang and Wang_Nan are one
person; with so few strangers the figure at 0.1 % is little more than whether that one is accepted: run it
with and without ``--leave-out Wang_Nan``.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge.cli.face_engines import OwnEngine, PeerEngine
from edge.errors import Unavailable
from edge.face_models import open_face_detector, open_face_embedder
from edge.settings import ModelSettings
from models.face import FaceMatch, Gallery, mean_template
from models.face.evaluation import pictures_by_person

RATES = (0.01, 0.001)
Templates = dict[Path, np.ndarray]
Measure = Callable[[FaceMatch], float]
MEASURES: dict[str, Measure] = {"distance": lambda m: m.distance, "score": lambda m: m.score}


@dataclass(frozen=True)
class Side:
    """What is enrolled, what comes, and how they are compared."""

    label: str
    entries: Templates
    probes: Templates
    is_peer: bool = False


def enrolled(side: Side, chosen: dict[str, list[Path]]) -> Gallery:
    everything = ((name, side.entries[path]) for name, paths in chosen.items() for path in paths)
    return Gallery.build("faces-dlib-resnet", everything)


class PlainGallery:
    """face_recognition's way: plain distances to everything enrolled."""

    def __init__(self, side: Side, chosen: dict[str, list[Path]]) -> None:
        pairs = [(name, side.entries[path]) for name, paths in chosen.items() for path in paths]
        self.names = np.array([name for name, _ in pairs])
        self.known = np.stack([template for _, template in pairs])

    def match(self, template: np.ndarray, without: str = "") -> FaceMatch:
        distances = np.linalg.norm(self.known - template, axis=1)
        distances[self.names == without] = np.inf
        best = int(distances.argmin())
        return FaceMatch(str(self.names[best]), float(distances[best]))


def asked(side: Side, chosen: dict[str, list[Path]]) -> tuple[Callable, Callable]:
    """What says who somebody is, and who they would be if they were not enrolled."""
    if side.is_peer:
        plain = PlainGallery(side, chosen)
        return plain.match, lambda name, template: plain.match(template, name)
    gallery = enrolled(side, chosen)
    return gallery.match, gallery.match_stranger


def attempts(
    side: Side, chosen: dict[str, list[Path]], known: list, unknown: list
) -> tuple[list[tuple[str, FaceMatch]], list[FaceMatch]]:
    """Matches of residents and of strangers; residents come once more as strangers."""
    match, match_stranger = asked(side, chosen)
    residents = [(name, match(template)) for name, template in known]
    strangers = [match_stranger(name, template) for name, template in known]
    return residents, strangers + [match(template) for _, template in unknown]


def named(residents: list, strangers: list, measure: Measure) -> list[float]:
    foreign = np.sort([measure(match) for match in strangers])
    own = np.array([measure(match) if match.subject == name else np.inf for name, match in residents])
    return [float((own < foreign[int(rate * len(foreign))]).mean()) for rate in RATES]


def fixed(residents: list, strangers: list) -> list[float]:
    right = [match.subject == name and match.distance <= 0.6 for name, match in residents]
    return [float(np.mean(right)), float(np.mean([match.distance <= 0.6 for match in strangers]))]


def choices(people: dict[str, list[Path]], everybody: bool, splits: int, seed: int) -> Iterator[tuple]:
    """Whose picture is enrolled, who comes as a resident, who as a stranger."""
    for split in range(splits):
        rng = np.random.default_rng([seed, split])
        chosen, known, unknown = {}, [], []
        for name in sorted(people):
            order = [people[name][index] for index in rng.permutation(len(people[name]))]
            if everybody or len(order) > 1:
                chosen[name] = order[:1]
                known += [(name, path) for path in order[1:]]
            else:
                unknown += [(name, path) for path in order]
        yield chosen, known, unknown


def singles(side: Side, people: dict[str, list[Path]], everybody: bool, splits: int, seed: int) -> dict:
    collected: dict[str, list[list[float]]] = {}
    for chosen, known, unknown in choices(people, everybody, splits, seed):
        known = [(name, side.probes[path]) for name, path in known]
        unknown = [(name, side.probes[path]) for name, path in unknown]
        residents, strangers = attempts(side, chosen, known, unknown)
        for label, measure in MEASURES.items():
            if label == "distance" or not side.is_peer:
                collected.setdefault(label, []).append(named(residents, strangers, measure))
        if side.is_peer:
            collected.setdefault("fixed 0.6 (named, strangers)", []).append(fixed(residents, strangers))
    return {label: spread(values) for label, values in collected.items()}


def visits(
    side: Side, people: dict[str, list[Path]], entries: int, pictures: int, splits: int, seed: int
) -> dict:
    """``pictures`` 0: all that are left."""
    collected: dict[str, list[list[float]]] = {}
    count = 0
    for split in range(splits):
        rng = np.random.default_rng([seed, 50 + split])
        chosen, known = {}, []
        for name in sorted(people):
            order = [people[name][index] for index in rng.permutation(len(people[name]))]
            own = min(entries, max(1, len(order) - 1))
            chosen[name], rest = order[:own], order[own:]
            if own == entries and len(rest) >= max(1, pictures):
                rest = rest[: pictures or None]
                known.append((name, mean_template([side.probes[path] for path in rest])))
        residents, strangers = attempts(side, chosen, known, [])
        count = len(known)
        for label, measure in MEASURES.items():
            collected.setdefault(label, []).append(named(residents, strangers, measure))
    return {"visits": count, **{label: spread(values) for label, values in collected.items()}}


def spread(values: list[list[float]]) -> dict:
    array = 100 * np.array(values)
    return {"mean": array.mean(axis=0).round(2).tolist(), "spread": array.std(axis=0).round(2).tolist()}


def described(
    arguments: argparse.Namespace, paths: list[Path], detectors: Sequence[str], *, with_peer: bool
) -> tuple[list[Side], dict]:
    """All sides, and the pictures that each engine could not describe."""
    engines: dict[str, Templates] = {}
    lost = {}
    for detector in detectors:
        for thorough in (True, False):
            models = ModelSettings(face_detector=detector, yunet_path=arguments.yunet)
            engine = OwnEngine(
                open_face_detector(models, arguments.cache, upsample=1),
                open_face_embedder(models, arguments.cache, thorough=thorough),
                arguments.keep,
                f"{models.face_form} {'thorough' if thorough else 'quick'}",
            )
            label = f"{detector} {'thorough' if thorough else 'quick'}"
            result = engine.describe(paths)
            engines[label] = result.templates
            lost[label] = [*result.without_face, *result.unreadable]
            print(f"{label}: {len(result.templates)} of {len(paths)}, ms {result.ms}", flush=True)
    try:
        if with_peer:
            peer = PeerEngine(arguments.keep).describe(paths)
            engines["peer"], lost["face_recognition"] = peer.templates, [*peer.without_face, *peer.unreadable]
    except Unavailable as error:
        print(error)
    sides = []
    for detector in detectors:
        full, quick = engines[f"{detector} thorough"], engines[f"{detector} quick"]
        sides.append(Side(f"ours, {detector}, six views of both", full, full))
        sides.append(Side(f"ours, {detector}, as at the gate", full, quick))
    if "peer" in engines:
        sides.append(Side("face_recognition", engines["peer"], engines["peer"], is_peer=True))
    return sides, lost


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--faces", type=Path, required=True)
    parser.add_argument("--yunet", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("/tmp/gatehouse-bench"))
    parser.add_argument("--keep", type=Path, default=Path("/tmp/gatehouse-bench/templates"))
    parser.add_argument(
        "--leave-out", nargs="*", default=[], help="names that are not used, such as Wang_Nan of lfw-dev"
    )
    parser.add_argument("--splits", type=int, default=10)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    people = {
        name: paths
        for name, paths in pictures_by_person(arguments.faces).items()
        if name not in arguments.leave_out
    }
    detectors = ("yunet", "hog") if arguments.yunet else ("hog",)
    everything = [path for paths in people.values() for path in paths]
    sides, lost = described(arguments, everything, detectors, with_peer=True)
    result: dict = {
        "seed": arguments.seed,
        "splits": arguments.splits,
        "left out": arguments.leave_out,
        "not described": lost,
    }
    rates = " and ".join(f"{100 * rate:g} %" for rate in RATES)
    print(f"residents named at {rates} of strangers accepted, mean +- spread over the choices")
    for side in sides:
        # Pictures without a template are neither enrolled nor shown here; how many they are is said above.
        own = {
            name: [p for p in paths if p in side.entries and p in side.probes]
            for name, paths in people.items()
        }
        own = {name: paths for name, paths in own.items() if paths}
        part: dict = {
            "single 300/300": singles(side, own, False, arguments.splits, arguments.seed),
            "single everybody": singles(side, own, True, arguments.splits, arguments.seed),
        }
        if "gate" in side.label:
            for entries in (1, 2, 3):
                for pictures in (1, 2, 3, 0):
                    key = f"visits: {entries} enrolled, {pictures or 'all other'} pictures"
                    part[key] = visits(side, own, entries, pictures, arguments.splits, arguments.seed)
        result[side.label] = part
        print(f"\n== {side.label}")
        for key, figures in part.items():
            for label, values in figures.items():
                if isinstance(values, dict):
                    (one, ten), (s1, s2) = values["mean"], values["spread"]
                    print(
                        f"   {key:40s} {label:30s} {one:5.1f} +- {s1:3.1f}   {ten:5.1f} +- {s2:3.1f}",
                        flush=True,
                    )
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
