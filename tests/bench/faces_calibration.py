"""Does the rule that a gallery makes for itself keep its promise? Wanted against got.

    python tests/bench/faces_calibration.py --faces lfw-dev --yunet yunet.onnx --keep DIR --json out.json

Describes as faces_openset.py does, and takes its kept templates. For several sizes and random choices one
picture of each of so many persons is enrolled; the rule is made from that gallery alone. Then:

- strangers: a picture of each person who is not enrolled; share accepted, against the share wanted;
- residents: their other pictures; share named, against what ``FaceRule.recall`` expected;
- visits: all pictures of a person come one after another through ``FaceEvidence``, which decides as soon as
  it can; share of strangers let in and of residents named, again with what was expected;
- lanes: a lane that admits only a fifth of the enrolled, with the rule made for them; strangers, residents of
  the lane, and residents of elsewhere who are let in by mistake;
- alike: the same figures of strangers for the tenth of them who have the nearest neighbours (people who look
  alike are taken for one another first).
"""

import argparse
import json
from collections import Counter
from pathlib import Path

import numpy as np
from faces_openset import described

from edge.evidence import FaceEvidence
from edge.records import Box, Kind, Sighting
from models.face import FaceRule, Gallery, ask
from models.face.distances import CAPPED
from models.face.evaluation import pictures_by_person

RATES = (0.01, 0.001)


def decided(gallery: Gallery, rule: FaceRule, templates: list[np.ndarray]) -> str | None:
    """Whom a visit of these pictures opens for; None for nobody."""
    evidence = FaceEvidence(visit="v", rule=rule, stranger_after_ms=10_000)
    for number, template in enumerate(templates, start=1):
        sighting = Sighting(
            camera="c",
            session="s",
            track_id=1,
            kind=Kind.FACE,
            seq=number,
            taken_ns=number * 200_000_000,
            sent_ns=0,
            box=Box(0, 0, 90, 90),
            quality=0.8,
            template=template.astype("<f4").tobytes(),
        )
        identity = evidence.observe(sighting, gallery.match(template), gallery.match)
        if identity.subject is not None:
            return identity.subject
    return None


class Tally:
    """Hits of so many, summed over random choices."""

    def __init__(self) -> None:
        self.hits: Counter[str] = Counter()
        self.tries: Counter[str] = Counter()
        self.expected: dict[str, list[float]] = {}

    def count(self, what: str, hit: bool) -> None:
        self.hits[what] += hit
        self.tries[what] += 1

    def expect(self, what: str, share: float) -> None:
        self.expected.setdefault(what, []).append(share)

    def shares(self) -> dict[str, dict[str, float]]:
        return {
            what: {
                "share": self.hits[what] / tries,
                "of": tries,
                **({"expected": float(np.mean(self.expected[what]))} if what in self.expected else {}),
            }
            for what, tries in self.tries.items()
        }


def tried(side, people: dict[str, list[Path]], persons: int, rate: float, splits: int, seed: int) -> dict:
    tally = Tally()
    for split in range(splits):
        rng = np.random.default_rng([seed, persons, split])
        names = [sorted(people)[index] for index in rng.permutation(len(people))]
        inside, outside = names[:persons], names[persons:]
        order = {name: [people[name][i] for i in rng.permutation(len(people[name]))] for name in names}
        gallery = Gallery.build("faces-dlib-resnet", ((n, side.entries[order[n][0]]) for n in inside))
        asked = ask(gallery, CAPPED)
        single, visit = asked.rule(rate), asked.rule(rate, of_visits=True)
        few = frozenset(inside[: max(5, persons // 5)])
        lane = asked.rule(rate, among=few)
        tally.expect("residents", single.recall)
        tally.expect("visits of residents, three or more pictures", visit.visit_recall)
        tally.expect("strangers", rate)
        tally.expect("visits of strangers, two or more pictures", rate)
        tally.expect("lane: strangers", rate)
        tally.expect("lane: its residents", lane.recall)
        crowded = []
        for name in outside:
            match = gallery.match(side.probes[order[name][0]])
            crowded.append((match.cohort_mean, match))
            tally.count("strangers", single.accepts(match))
            tally.count("lane: strangers", match.subject in few and lane.accepts(match))
            if len(order[name]) >= 2:
                whom = decided(gallery, visit, [side.probes[path] for path in order[name]])
                tally.count("visits of strangers, two or more pictures", whom is not None)
        crowded.sort(key=lambda pair: pair[0])
        for _, match in crowded[: len(crowded) // 10]:
            tally.count("strangers, the tenth with the nearest neighbours", single.accepts(match))
        for name in inside:
            for path in order[name][1:]:
                match = gallery.match(side.probes[path])
                tally.count("residents", single.accepts(match) and match.subject == name)
                if name in few:
                    tally.count("lane: its residents", lane.accepts(match) and match.subject == name)
                else:
                    wrong = match.subject in few and lane.accepts(match)
                    tally.count("lane: residents of elsewhere let in", wrong)
            if len(order[name]) >= 4:
                whom = decided(gallery, visit, [side.probes[path] for path in order[name][1:]])
                tally.count("visits of residents, three or more pictures", whom == name)
                tally.count("visits under another's name", whom not in (name, None))
    return tally.shares()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--faces", type=Path, required=True)
    parser.add_argument("--yunet", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("/tmp/gatehouse-bench"))
    parser.add_argument("--keep", type=Path, default=Path("/tmp/gatehouse-bench/templates"))
    parser.add_argument("--sizes", type=int, nargs="+", default=[5, 20, 60, 120, 300, 450])
    parser.add_argument("--rates", type=float, nargs="+", default=list(RATES))
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--seed", type=int, default=13)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    people = pictures_by_person(arguments.faces)
    detector = "yunet" if arguments.yunet else "hog"
    everything = [path for paths in people.values() for path in paths]
    sides, _ = described(arguments, everything, (detector,), with_peer=False)
    side = next(side for side in sides if "gate" in side.label)
    own = {
        name: [path for path in paths if path in side.entries and path in side.probes]
        for name, paths in people.items()
    }
    own = {name: paths for name, paths in own.items() if paths}
    result: dict = {"side": side.label, "seed": arguments.seed, "splits": arguments.splits}
    for size in arguments.sizes:
        for rate in arguments.rates:
            shares = tried(side, own, size, rate, arguments.splits, arguments.seed)
            result[f"{size} persons, 1 stranger in {round(1 / rate)}"] = shares
            print(f"\n{size} persons, 1 stranger in {round(1 / rate)}")
            for what, values in shares.items():
                wanted = f"expected {100 * values['expected']:6.2f} %" if "expected" in values else ""
                print(
                    f"   {what:50s} {100 * values['share']:6.2f} % of {values['of']:6d}  {wanted}", flush=True
                )
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
