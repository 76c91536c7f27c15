"""Drawn plates kept on disk: drawing one costs twice what learning from it does.

A shard is two files: all pixels in one flat array that is mapped, not read, and an index. What is cheap and
worth doing anew each time (corners that are a little wrong, light, noise) happens when a patch is taken out.
A folder may grow while a training reads from it.
"""

import json
import logging
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.plate.grammar import TWO_ROW_KINDS, PlateKind
from models.training.crops import Hardship, Patch, Surrounding, make_patch, random_plate

log = logging.getLogger(__name__)

SHARD_PATCHES: Final = 1000
_HARD_SHARE: Final = 0.55
_EVENING: Final = 0.6
_OFTEN: Final[Mapping[str, float]] = {**dict.fromkeys(TWO_ROW_KINDS, 1.6), PlateKind.MOTORCYCLE: 2.4}
"""The upper row has small characters: these kinds are read last, so they come more often."""
EASY: Final = Hardship(height_px=(22, 64), angle_deg=35, blur=0.5, wear=0.5, jitter=0.03)


@dataclass(frozen=True, slots=True, eq=False)
class _Shard:
    pixels: NDArray[np.uint8]
    entries: list[tuple[int, int, int, list[list[float]], str, str, int]]


def fill(folder: Path, shards: int, surroundings: Sequence[Surrounding], seed: int) -> None:
    """Draw shards that are not there yet; each depends on the seed and its own number only."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(shards):
        index = folder / f"patches-{seed:03d}-{number:04d}.json"
        if index.is_file():
            continue
        rng, chance = np.random.default_rng((seed, number)), random.Random(seed * 100_003 + number)
        entries, pieces, at = [], [], 0
        for _ in range(SHARD_PATCHES):
            kind, text = random_plate(chance)
            hard = Hardship() if rng.random() < _HARD_SHARE else EASY
            patch = make_patch(rng, text, kind, hard, surroundings)
            height, width = patch.picture.shape[:2]
            corners = [[round(float(c), 3) for c in corner] for corner in patch.corners]
            entries.append((at, height, width, corners, text, str(kind), patch.rows))
            pieces.append(patch.picture.reshape(-1))
            at += patch.picture.size
        np.save(index.with_suffix(".npy"), np.concatenate(pieces))
        fresh = index.with_suffix(".new")  # the index comes last, so a shard that is seen is whole
        fresh.write_text(json.dumps(entries, ensure_ascii=False), encoding="utf-8")
        fresh.replace(index)
        log.info("%s: %d patches, %.0f MB", index.name, SHARD_PATCHES, at / 1e6)


class PatchCache:
    """Takes patches out of a folder of shards, at random; looks for new shards now and then.

    Rare kinds come more often than they were drawn, common ones less often.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._shards: dict[str, _Shard] = {}
        self._by_kind: dict[str, list[tuple[str, int]]] = {}
        self._kinds: list[str] = []
        self._weights = np.empty(0)
        self._taken = 0
        self._look()

    def __len__(self) -> int:
        return sum(len(places) for places in self._by_kind.values())

    def _look(self) -> None:
        for index in sorted(self._folder.glob("patches-*.json")):
            if index.name not in self._shards:
                pixels = np.load(index.with_suffix(".npy"), mmap_mode="r")
                entries = [tuple(entry) for entry in json.loads(index.read_text(encoding="utf-8"))]
                self._shards[index.name] = _Shard(pixels, entries)
                for number, entry in enumerate(entries):
                    self._by_kind.setdefault(entry[5], []).append((index.name, number))
        self._kinds = list(self._by_kind)
        weights = np.array(
            [len(places) ** _EVENING * _OFTEN.get(kind, 1.0) for kind, places in self._by_kind.items()]
        )
        self._weights = weights / max(weights.sum(), 1e-9)

    def take(self, rng: np.random.Generator) -> Patch:
        """One patch; the cache must not be empty."""
        self._taken += 1
        if self._taken % 5000 == 0:
            self._look()
        places = self._by_kind[self._kinds[int(rng.choice(len(self._kinds), p=self._weights))]]
        name, number = places[int(rng.integers(len(places)))]
        shard = self._shards[name]
        at, height, width, corners, text, kind, rows = shard.entries[number]
        picture = np.asarray(shard.pixels[at : at + height * width * 3]).reshape(height, width, 3)
        return Patch(picture, np.array(corners, np.float64), text, PlateKind(kind), rows)
