"""Enrolment against a gallery: who is refused as a duplicate, who is warned of, and are they right?

    python tests/bench/faces_enrolment.py --faces lfw-dev --yunet yunet.onnx --json out.json

Needs a folder in LFW's layout. Half of the persons with several pictures are enrolled with one picture each,
together with all who have only one. Then the other half, who are new, and further pictures of the enrolled
under a second id are judged as ``edge.enrolment.likeness`` does it. ``--audit N`` draws a community of N
persons with three templates each, some of them twins, and says how long an audit of it takes.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np

from edge.cli.auditing import look_alikes
from edge.enrolment import Finding, likeness_rule
from edge.settings import DecisionSettings
from models.face import Gallery, ask, open_detector, open_embedder
from models.face.evaluation import describe_pictures, pictures_by_person

TWINS = 10


def figures(templates: np.ndarray, owners: np.ndarray, most: int, repeats: int) -> dict[str, float]:
    rng = np.random.default_rng(3)
    names, counts = np.unique(owners, return_counts=True)
    several = names[counts > 1]
    seen = {"new": 0, "again": 0}
    said = {(who, finding): 0 for who in seen for finding in (Finding.DUPLICATE, Finding.LOOK_ALIKE)}
    for _ in range(repeats):
        half = rng.permutation(several)[: len(several) // 2]
        enrolled = [*half, *names[counts == 1]][:most]
        rows = {name: rng.permutation(np.flatnonzero(owners == name)) for name in names}
        gallery = Gallery.build("faces-dlib-resnet", [(name, templates[rows[name][0]]) for name in enrolled])
        rule = likeness_rule(ask(gallery), DecisionSettings())
        for name in several:
            who = "again" if name in enrolled else "new"
            for row in rows[name][1:]:
                match = gallery.match(templates[row])
                finding = rule.finding(match)
                seen[who] += 1
                if finding is not None and (who == "new" or match.subject == name):
                    said[who, finding] += 1
    shares = {
        f"{who} {finding}": round(count / max(1, seen[who]), 4) for (who, finding), count in said.items()
    }
    return {"enrolled": len(enrolled), **shares}


def audit(persons: int) -> dict[str, float]:
    """Faces as directions around a common one, at dlib's distances; pictures of one person 0.4 apart."""
    rng = np.random.default_rng(5)
    faces = rng.normal(0, 1, (persons, 128)) * np.geomspace(1, 0.05, 128)
    faces *= 0.57 / np.linalg.norm(faces, axis=1, keepdims=True)
    faces[persons - TWINS :] = faces[:TWINS] + rng.normal(0, 0.008, (TWINS, 128))
    centre = np.zeros(128)
    centre[0] = 1.3
    entries = [
        (f"p{number:06}", (centre + face + rng.normal(0, 0.025, 128)).astype(np.float32))
        for number, face in enumerate(faces)
        for _ in range(3)
    ]
    began = time.perf_counter()
    gallery = Gallery.build("faces-dlib-resnet", entries)
    built = time.perf_counter()
    rule = likeness_rule(ask(gallery), DecisionSettings())
    ruled = time.perf_counter()
    pairs = look_alikes(gallery, rule, silent=True)
    ended = time.perf_counter()
    found = {tuple(sorted((f"p{n:06}", f"p{persons - TWINS + n:06}"))) for n in range(TWINS)}
    return {
        "persons": persons,
        "templates": gallery.size,
        "build_s": round(built - began, 2),
        "rule_s": round(ruled - built, 2),
        "compare_s": round(ended - ruled, 2),
        "pairs": len(pairs),
        "twins_found": sum((pair.one, pair.other) in found for pair in pairs),
        "twins": TWINS,
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--faces", type=Path)
    arguments.add_argument("--yunet", type=Path)
    arguments.add_argument("--cache", type=Path, default=Path("/tmp/gatehouse-bench"))
    arguments.add_argument("--repeats", type=int, default=10)
    arguments.add_argument("--audit", type=int, default=0)
    arguments.add_argument("--json", type=Path)
    given = arguments.parse_args()
    result: dict[str, object] = {}
    if given.faces:
        templates, owners = described(given.faces, given.yunet, given.cache)
        result["enrolment"] = [
            figures(templates, owners, most, given.repeats) for most in (5, 20, 60, 10_000)
        ]
    if given.audit:
        result["audit"] = audit(given.audit)
    print(json.dumps(result, indent=2))
    if given.json:
        given.json.write_text(json.dumps(result, indent=2))


def described(folder: Path, yunet: Path | None, cache: Path) -> tuple[np.ndarray, np.ndarray]:
    """One row for each picture, and whose it is."""
    cache.mkdir(parents=True, exist_ok=True)
    detector = open_detector("auto", yunet_path=yunet, upsample=1)
    pictures = pictures_by_person(folder)
    wanted = [path for paths in pictures.values() for path in paths]
    found = describe_pictures(wanted, detector, open_embedder("auto", cache_dir=cache))
    owner = {path: name for name, paths in pictures.items() for path in paths}
    kept = sorted(found.templates)
    return np.stack([found.templates[path] for path in kept]), np.array([owner[path] for path in kept])


if __name__ == "__main__":
    main()
