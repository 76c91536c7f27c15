"""Pair lists as LFW's ``pairs.txt``: read them, and draw new ones from any folder in LFW's layout.

The first line says ``folds<TAB>pairs``: so many pairs of one person and as many of two in each fold. A line
of three words is two pictures of one person, a line of four is a picture each of two persons.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.errors import PictureUnusable

_NUMBERED = re.compile(r"(.+)_(\d{4})$")


@dataclass(frozen=True, slots=True)
class Pair:
    """Two pictures, and whether they show one person."""

    first: Path
    second: Path
    same: bool
    fold: int


def read_pairs(path: Path, images: Path) -> list[Pair]:
    """Read LFW's ``pairs.txt`` (folds, or one list) for pictures in ``images/<name>/<name>_0001.jpg``.

    Raises:
        PictureUnusable: A line that is none of its two forms.
    """
    lines = [
        line.split("\t") if "\t" in line else line.split() for line in path.read_text("utf-8").splitlines()
    ]
    lines = [line for line in lines if line]
    head = [int(word) for word in lines[0]] if lines and len(lines[0]) <= 2 else []
    per_fold = 2 * head[-1] if head else len(lines)
    pairs = []
    for index, words in enumerate(lines[1:] if head else lines):
        try:
            one = _picture(images, words[0], int(words[1]))
            other = _picture(images, words[-2] if len(words) == 4 else words[0], int(words[-1]))
        except (ValueError, IndexError) as error:
            raise PictureUnusable(path.name, f"pair {index + 1} is no pair: {' '.join(words)}") from error
        pairs.append(Pair(one, other, len(words) == 3, index // per_fold))
    return pairs


def draw_pairs(people: Mapping[str, Sequence[Path]], folds: int, most_per_fold: int, seed: int) -> str:
    """Draw a pair list; the same folder, numbers and seed always give the same text.

    As in LFW's own list no person appears in two folds, so that a threshold chosen on some folds has seen
    nobody of the one it is tried on. Each fold gets as many pairs of one person as the poorest fold has (up
    to ``most_per_fold``), and as many of two.

    Args:
        people: Pictures of each person, named ``<name>_<number>``.
        folds: How many parts.
        most_per_fold: Pairs of one person in each part, at most.
        seed: Of the random choice.

    Raises:
        PictureUnusable: A picture that is not named so, or too few persons with two pictures.
    """
    rng = np.random.default_rng(seed)
    numbers = {name: [_number(name, path) for path in people[name]] for name in sorted(people)}
    several = _shuffled(rng, [name for name, own in numbers.items() if len(own) > 1])
    single = _shuffled(rng, [name for name, own in numbers.items() if len(own) == 1])
    several.sort(key=lambda name: len(numbers[name]))  # so that every fold gets its share of rich ones
    parts = [several[fold::folds] + single[fold::folds] for fold in range(folds)]
    genuine = [
        [(name, a, b) for name in part for k, a in enumerate(numbers[name]) for b in numbers[name][k + 1 :]]
        for part in parts
    ]
    count = min(most_per_fold, *(len(pairs) for pairs in genuine))
    if count < 1 or any(len(part) * (len(part) - 1) // 2 < count for part in parts):
        raise PictureUnusable(
            "pairs", f"{len(several)} persons with several pictures are too few for {folds} folds"
        )
    lines = [f"{folds}\t{count}"]
    for part, pairs in zip(parts, genuine, strict=True):
        chosen = sorted(rng.choice(len(pairs), count, replace=False))
        lines += ["\t".join(map(str, pairs[index])) for index in chosen]
        foreign: set[tuple[str, int, str, int]] = set()
        while len(foreign) < count:
            one, other = sorted(part[index] for index in rng.choice(len(part), 2, replace=False))
            foreign.add((one, int(rng.choice(numbers[one])), other, int(rng.choice(numbers[other]))))
        lines += ["\t".join(map(str, pair)) for pair in sorted(foreign)]
    return "\n".join(lines) + "\n"


def _shuffled(rng: np.random.Generator, names: Sequence[str]) -> list[str]:
    return [names[index] for index in rng.permutation(len(names))]


def _number(name: str, path: Path) -> int:
    found = _NUMBERED.fullmatch(path.stem)
    if found is None or found[1] != name:
        raise PictureUnusable(path.name, f"is not named {name}_0001, as a pair list needs it")
    return int(found[2])


def _picture(images: Path, person: str, number: int) -> Path:
    return images / person / f"{person}_{number:04d}.jpg"
