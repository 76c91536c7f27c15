"""Residents and strangers: which form of score tells them apart best, single pictures and visits.

    python tests/bench/faces_openset.py --faces lfw-dev --yunet yunet.onnx --json out.json

Needs a folder in LFW's layout. Two arrangements, each repeated with other random choices:

- "300/300": of all persons with several pictures one picture each is enrolled, the rest are probes; persons
  with one picture, and every probe once more with its own person taken out, are strangers.
- "everybody": all persons are enrolled with one picture; strangers come from taking out. The largest
  gallery these pictures can make, and few strangers: its 0.1 % hangs on a handful of them.

Figures are the share of resident pictures named rightly when 1 % and 0.1 % of strangers are accepted. The
last part checks ``calibrate``: the rule comes from one half of the persons, the strangers from the other.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from models.face import Gallery, calibrate, open_detector, open_embedder
from models.face.evaluation import describe_pictures, pictures_by_person
from models.face.judgement import DEFAULT_MARGIN

Array = np.ndarray
RATES = (0.01, 0.001)


def nearest_mean(distances: Array, skip: int, count: int) -> Array:
    return np.sort(distances, axis=1)[:, skip : skip + count].mean(axis=1)


def forms() -> dict[str, Callable[[Array, Array], Array]]:
    """Each takes (probe x entry) distances and (entry x entry) distances with an infinite diagonal."""

    def blend(
        probe: float, entry: float, probe_count: int, entry_count: int
    ) -> Callable[[Array, Array], Array]:
        def score(d: Array, g: Array) -> Array:
            out = d.copy()
            if probe:
                out -= probe * nearest_mean(d, 1, probe_count)[:, None]
            if entry:
                out -= entry * nearest_mean(g, 0, entry_count)[None, :]
            return out

        return score

    return {
        "raw distance": blend(0, 0, 0, 0),
        "probe side, 10": blend(1, 0, 10, 0),
        "probe side, 5": blend(1, 0, 5, 0),
        "entry side, 10": blend(0, 1, 0, 10),
        "entry side, 3": blend(0, 1, 0, 3),
        "both whole, 10": blend(1, 1, 10, 10),
        "half and half, 10": blend(0.5, 0.5, 10, 10),
        "0.3 probe 10 + 0.7 entry 3 (kept)": blend(0.3, 0.7, 10, 3),
    }


def pairwise(a: Array, b: Array) -> Array:
    return np.sqrt(np.maximum((a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T, 1e-9))


def hits(genuine: Array, foreign: Array) -> list[float]:
    foreign = np.sort(foreign)
    return [float((genuine < foreign[int(rate * len(foreign))]).mean()) for rate in RATES]


class Figures:
    def __init__(self, templates: Array, persons: Array) -> None:
        self.templates = templates
        self.names, self.of = np.unique(persons, return_inverse=True)

    def arrange(self, everybody: bool, rng: np.random.Generator) -> tuple[Array, Array, Array]:
        """Rows that are enrolled, resident probes, strangers (who are in no case enrolled)."""
        several = np.flatnonzero(np.bincount(self.of) >= 2)
        known = np.arange(len(self.names)) if everybody else several
        gallery = np.array([rng.choice(np.flatnonzero(self.of == person)) for person in known])
        probes = np.setdiff1d(np.flatnonzero(np.isin(self.of, known)), gallery)
        return gallery, probes, np.flatnonzero(~np.isin(self.of, known))

    def single(self, everybody: bool, repeats: int) -> dict[str, list[float]]:
        collected: dict[str, list[list[Array]]] = {name: [[], []] for name in [*forms(), "fixed 0.6"]}
        rng = np.random.default_rng(11)
        for _ in range(repeats):
            gallery, probes, strangers = self.arrange(everybody, rng)
            entry = pairwise(self.templates[gallery], self.templates[gallery])
            np.fill_diagonal(entry, np.inf)
            distances = pairwise(self.templates[probes], self.templates[gallery])
            own = (self.of[probes][:, None] == self.of[gallery][None, :]).argmax(axis=1)
            rows = np.arange(len(probes))
            without = distances.copy()
            without[rows, own] = np.inf
            foreign = np.concatenate([without, pairwise(self.templates[strangers], self.templates[gallery])])
            for name, form in forms().items():
                score = form(distances, entry)
                best = distances.argmin(axis=1)  # the nearest is asked, as Gallery.match does
                collected[name][0].append(np.where(best == own, score[rows, best], np.inf))
                nearest = foreign.argmin(axis=1)
                collected[name][1].append(form(foreign, entry)[np.arange(len(foreign)), nearest])
            collected["fixed 0.6"][0].append(np.where(distances.argmin(1) == own, distances.min(1), np.inf))
            collected["fixed 0.6"][1].append(foreign.min(axis=1))
        out = {}
        for name, (genuine, foreign) in collected.items():
            if name == "fixed 0.6":
                accepted = float((np.concatenate(genuine) <= 0.6).mean())
                out[name] = [accepted, float((np.concatenate(foreign) <= 0.6).mean())]
            else:
                out[name] = hits(np.concatenate(genuine), np.concatenate(foreign))
        return out

    def visits(self, repeats: int, entries: int) -> dict[str, list[float]]:
        """Several pictures of one visit fused: mean of the templates, against the mean of the scores.

        Residents enrol ``entries`` pictures and come with their others; a stranger comes with all of theirs.
        """
        rng = np.random.default_rng(12)
        out: dict[str, list[list[float]]] = {}
        for _ in range(repeats):
            counts = np.bincount(self.of)
            known = np.flatnonzero(counts >= entries + 2)
            known = rng.permutation(known)[: max(2, len(known) * 2 // 3)]
            chosen = {
                int(p): rng.permutation(np.flatnonzero(self.of == p)) for p in np.flatnonzero(counts >= 2)
            }
            enrolled = [(str(p), self.templates[r]) for p in known for r in chosen[int(p)][:entries]]
            singles = np.flatnonzero(counts == 1)
            # Others fill the gallery up to a useful size; they never come.
            fillers = [(str(p), self.templates[np.flatnonzero(self.of == p)[0]]) for p in singles]
            gallery = Gallery.build("bench", [*enrolled, *fillers])
            for person, rows in chosen.items():
                resident = person in known
                visit = self.templates[rows[entries:] if resident else rows]
                matches = [gallery.match(template) for template in visit]
                fused = gallery.match(visit.mean(axis=0))
                right = str(person)
                votes = [m for m in matches if m.subject == fused.subject]
                values = {
                    "single, raw": (matches[0].distance, matches[0].subject),
                    "single, score": (matches[0].score, matches[0].subject),
                    "visit, mean template, raw": (fused.distance, fused.subject),
                    "visit, mean template, score": (fused.score, fused.subject),
                    "visit, mean score": (
                        float(np.mean([m.score for m in votes])) if len(votes) * 2 > len(matches) else np.inf,
                        fused.subject,
                    ),
                }
                for name, (value, subject) in values.items():
                    lists = out.setdefault(name, [[], []])
                    if resident:
                        lists[0].append(value if subject == right else np.inf)
                    else:
                        lists[1].append(value)
        return {
            name: [*hits(np.array(genuine), np.array(foreign)), len(genuine), len(foreign)]
            for name, (genuine, foreign) in out.items()
        }

    def calibration(self, repeats: int) -> list[dict[str, float]]:
        rng = np.random.default_rng(13)
        out = []
        for rate in (0.01, 0.001):
            wrong = asked = right = residents = 0
            expected = []
            for _ in range(repeats):
                people = rng.permutation(len(self.names))
                inside, outside = people[: len(people) // 2], people[len(people) // 2 :]
                rows = {int(p): rng.permutation(np.flatnonzero(self.of == p)) for p in inside}
                gallery = Gallery.build("bench", [(str(p), self.templates[r[0]]) for p, r in rows.items()])
                rule = calibrate(gallery, rate, margin=DEFAULT_MARGIN)
                expected.append(rule.recall)
                for row in np.flatnonzero(np.isin(self.of, outside)):
                    asked += 1
                    wrong += rule.accepts(gallery.match(self.templates[row]))
                for person, own in rows.items():
                    for row in own[1:]:
                        match = gallery.match(self.templates[row])
                        residents += 1
                        right += rule.accepts(match) and match.subject == str(person)
            out.append(
                {
                    "wanted": rate,
                    "strangers accepted": wrong / asked,
                    "strangers": asked,
                    "recall expected": float(np.mean(expected)),
                    "recall": right / residents,
                }
            )
        return out


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--faces", type=Path, required=True)
    parser.add_argument("--yunet", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("/tmp/gatehouse-bench"))
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    people = pictures_by_person(arguments.faces)
    paths = [path for paths in people.values() for path in paths]
    setups = {
        "face_recognition's way (hog, plain)": ("hog", False),
        "hog, mirrored": ("hog", True),
        "yunet, mirrored": ("yunet", True),
    }
    result: dict[str, object] = {
        "faces": str(arguments.faces),
        "pictures": len(paths),
        "persons": len(people),
    }
    for setup, (detector_name, mirrored) in setups.items():
        if detector_name == "yunet" and arguments.yunet is None:
            continue
        upsample = int(detector_name == "hog")
        detector = open_detector(detector_name, yunet_path=arguments.yunet, upsample=upsample)
        embedder = open_embedder("dlib-onnx", cache_dir=arguments.cache, mirrored=mirrored)
        started = time.perf_counter()
        described = describe_pictures(paths, detector, embedder)
        seconds = time.perf_counter() - started
        found = list(described.templates)
        figures = Figures(
            np.array([described.templates[p] for p in found]), np.array([p.parent.name for p in found])
        )
        part: dict[str, object] = {
            "no face": described.without_face,
            "unreadable": described.unreadable,
            "ms": described.ms,
            "single 300/300": figures.single(False, arguments.repeats),
            "single everybody": figures.single(True, arguments.repeats),
            "visits, 1 enrolled": figures.visits(max(3, arguments.repeats // 2), 1),
            "visits, 2 enrolled": figures.visits(max(3, arguments.repeats // 2), 2),
            "calibration": figures.calibration(max(2, arguments.repeats // 3)),
        }
        result[setup] = part
        print(f"\n== {setup}: {len(found)} of {len(paths)} described in {seconds:.0f} s, {part['ms']}")
        for name in ("single 300/300", "single everybody"):
            print(f"-- {name}: residents named at 1 % and 0.1 % of strangers accepted")
            print("   (fixed 0.6: residents named, strangers accepted)")
            for form, values in part[name].items():
                print(f"   {form:36s} {100 * values[0]:5.1f} {100 * values[1]:5.1f}")
        for name in ("visits, 1 enrolled", "visits, 2 enrolled"):
            print(f"-- {name}")
            for form, values in part[name].items():
                print(
                    f"   {form:36s} {100 * values[0]:5.1f} {100 * values[1]:5.1f}  ({values[2]}, {values[3]})"
                )
        print("-- calibration on one half, strangers from the other")
        for row in part["calibration"]:
            print("   " + ", ".join(f"{key} {value:.4g}" for key, value in row.items()))
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
