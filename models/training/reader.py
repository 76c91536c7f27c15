"""Training the reader: synthetic crops, then real ones mixed in; resumes, logs, and keeps the best.

Time is the budget: the learning rate follows the share of it that is spent, so a slow machine ends in time,
too.
"""

import json
import logging
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import IterableDataset

from models.plate.geometry import whole_of
from models.plate.grammar import ALPHABET, PROVINCES
from models.plate.lattice_reader import CROP_PX, EMPTY, KINDS, SLOTS, rectify
from models.results import BgrImage
from models.training import crops, real, weather
from models.training.cache import EASY, PatchCache
from models.training.crops import Hardship
from models.training.nets import ReaderNet
from models.training.run import Run, batches, own_seed

log = logging.getLogger(__name__)

BATCH = 128
SYNTHETIC_ONLY = 0.3
"""Share of the time before real crops are mixed in: the net must be able to judge their labels first."""
REAL_SHARE = 0.3
NEGATIVE_SHARE = 0.04
SPLICED = 0.5
"""Share of real crops that are put together from two."""
REPAINTED = 0.8
"""Share of real crops that get another province painted on; only of those that stand upright."""
UPRIGHT_SHARE = 0.7
UPRIGHT_PX = 100
"""Crops wider than this come from the set whose plates were cut by their corners."""
PHOTOGRAPHS = 0.06
JITTERS = (0.02, 0.05, 0.1)
"""Errors of the corners, in plate heights: from a good finder to a poor one."""
JUDGED_AGAIN = 0.65
"""Share of the time after which a better net judges the labels once more."""
FIRST_WEIGHT = 2.5
"""Of the first character in the loss: one of 31 provinces with many strokes, and most of what is misread."""
IGNORED = -100


@dataclass(frozen=True, slots=True)
class Sources:
    """What to learn from.

    Attributes:
        plates: Folder of the real pictures, or None.
        trusted: Real crops whose labels hold; none while only drawings are wanted.
        cache: Folder of drawn patches (see `cache`), or None to draw every one anew.
    """

    plates: Path | None
    trusted: frozenset[str] = frozenset()
    cache: Path | None = None


class CropStream(IterableDataset[tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]]):
    """Endless batches: pictures (n, 48, 144, 3), characters (n, 8), kinds (n,)."""

    def __init__(self, sources: Sources, seed: int) -> None:
        super().__init__()
        self._sources = sources
        self._seed = seed

    def __iter__(self) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]]:
        cv2.setNumThreads(1)
        seed = own_seed(self._seed)
        rng, chance = np.random.default_rng(seed), random.Random(seed)
        plates = self._sources.plates
        negatives = real.not_plates(plates) if plates is not None else []
        around = real.surroundings(plates) if plates is not None else []
        cache = PatchCache(self._sources.cache) if self._sources.cache is not None else None
        photographs = RealCrops(plates, self._sources.trusted) if plates and self._sources.trusted else None
        while True:
            pictures = np.empty((BATCH, CROP_PX[1], CROP_PX[0], 3), np.uint8)
            characters = np.full((BATCH, SLOTS), EMPTY, np.int64)
            kinds = np.full(BATCH, IGNORED, np.int64)
            for i in range(BATCH):
                pick = rng.random()
                if pick < NEGATIVE_SHARE:
                    pictures[i] = _negative(rng, negatives)
                    kinds[i] = KINDS.index("none")
                elif photographs is not None and pick < NEGATIVE_SHARE + REAL_SHARE:
                    pictures[i], text = photographs.take(rng)
                    characters[i] = crops.encode(text)
                else:
                    if cache is not None and len(cache):
                        patch = cache.take(rng)
                    else:
                        kind, text = crops.random_plate(chance)
                        hard = EASY if rng.random() < 0.5 else Hardship()
                        patch = crops.make_patch(rng, text, kind, hard, around)
                    jitter = JITTERS[int(rng.integers(len(JITTERS)))]
                    cut = crops.cut(rng, patch.picture, patch.corners, jitter, patch.rows)
                    pictures[i] = crops.relit(rng, cut)
                    characters[i] = crops.encode(patch.text)
                    kinds[i] = KINDS.index(patch.kind)
            yield pictures, characters, kinds


class RealCrops:
    """Photographed plates of the training part, rare provinces far more often than they were met."""

    def __init__(self, plates: Path, trusted: frozenset[str]) -> None:
        self._folders: list[tuple[list[real.LabelledCrop], NDArray[np.float64]]] = []
        for folder in ("crops", "crops-easypr"):
            found = [
                crop
                for crop in real.labelled_crops(plates, folder)
                if not crop.held_out and f"{folder}/{crop.name}" in trusted
            ]
            if found:
                heads = Counter(crop.text[0] for crop in found)
                weights = np.array([heads[crop.text[0]] ** -0.8 for crop in found])
                self._folders.append((found, weights / weights.sum()))
        self._whole = [photo for photo in real.photographed_plates(plates) if not photo.held_out]

    def take(self, rng: np.random.Generator) -> tuple[BgrImage, str]:
        """A varied crop of the reader's size and what it says."""
        if self._whole and rng.random() < PHOTOGRAPHS:
            photo = self._whole[int(rng.integers(len(self._whole)))]
            jitter = JITTERS[int(rng.integers(len(JITTERS)))]
            shrunk, corners = crops.from_afar(rng, photo.picture, photo.corners)
            return crops.relit(rng, crops.cut(rng, shrunk, corners, jitter)), photo.text
        found, weights = self._folders[int(rng.random() < UPRIGHT_SHARE) % len(self._folders)]
        crop = found[int(rng.choice(len(found), p=weights))]
        if rng.random() < SPLICED:
            crop = real.splice(crop, found[int(rng.integers(len(found)))]) or crop
        if crop.picture.shape[1] > UPRIGHT_PX and crop.text[0] in PROVINCES and rng.random() < REPAINTED:
            crop = real.other_province(rng, crop, PROVINCES[int(rng.integers(len(PROVINCES)))])
        return crops.vary_real(rng, crop.picture), crop.text


def _negative(rng: np.random.Generator, negatives: list[BgrImage]) -> BgrImage:
    if negatives and rng.random() < 0.7:
        return crops.vary_real(rng, negatives[int(rng.integers(len(negatives)))])
    width, height = CROP_PX
    drawn = weather.surround(rng, (height, width))
    return weather.sensor(rng, weather.illuminate(rng, drawn))


def read_all(net: nn.Module, pictures: list[BgrImage]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Log-probabilities (n, 8, classes) and (n, kinds) of crops already cut to `CROP_PX`."""
    net.eval()
    out_chars, out_kinds = [], []
    with torch.inference_mode():
        for start in range(0, len(pictures), 128):
            batch = torch.from_numpy(np.stack(pictures[start : start + 128]))
            chars, kinds = net(batch)
            out_chars.append(chars.numpy())
            out_kinds.append(kinds.numpy())
    return np.concatenate(out_chars), np.concatenate(out_kinds)


def texts_of(log_probabilities: NDArray[np.float32]) -> list[str]:
    """Best text of each crop, position by position, without any grammar."""
    best = log_probabilities.argmax(axis=-1)
    return ["".join(ALPHABET[c] for c in row if c != EMPTY) for row in best]


def _whole(picture: BgrImage) -> BgrImage:
    return rectify(picture, whole_of(picture))


def trusted_labels(net: nn.Module, plates: Path) -> frozenset[str]:
    """Real training crops whose label the net does not firmly contradict (7 % of one folder are wrong)."""
    kept = set()
    for folder in ("crops", "crops-easypr"):
        found = [crop for crop in real.labelled_crops(plates, folder) if not crop.held_out]
        chars, _ = read_all(net, [_whole(crop.picture) for crop in found])
        for crop, rows in zip(found, chars, strict=True):
            label = crops.encode(crop.text)
            firm = sum(
                row.max() > np.log(0.8) and row[c] < np.log(0.02) for row, c in zip(rows, label, strict=True)
            )
            # One firm contradiction may be the net's own fault while it has only seen drawings; two are the
            # label's.
            if firm < (2 if folder == "crops-easypr" else 4):
                kept.add(f"{folder}/{crop.name}")
        log.info(
            "%s: %d of %d labels kept",
            folder,
            sum(name.startswith(folder + "/") for name in kept),
            len(found),
        )
    return frozenset(kept)


def synthetic_exam(count: int, seed: int, hard: Hardship) -> list[crops.Crop]:
    """A fixed set of drawn crops to judge by."""
    rng, chance = np.random.default_rng(seed), random.Random(seed)
    exam = []
    for _ in range(count):
        kind, text = crops.random_plate(chance)
        exam.append(crops.Crop(crops.make_crop(rng, text, kind, hard), text, kind))
    return exam


def judge(net: nn.Module, plates: Path | None) -> dict[str, float]:
    """Exact readings per set, in percent; "-p" counts without the first character."""
    figures: dict[str, float] = {}
    sets: dict[str, tuple[list[BgrImage], list[str]]] = {}
    for name, hard in (("easy", EASY), ("hard", Hardship())):
        exam = synthetic_exam(384, 99, hard)
        sets[name] = ([c.picture for c in exam], [c.text for c in exam])
    if plates is not None:
        for folder in ("crops", "crops-easypr"):
            held = [c for c in real.labelled_crops(plates, folder) if c.held_out]
            sets[folder] = ([_whole(c.picture) for c in held], [c.text for c in held])
    for name, (pictures, texts) in sets.items():
        found = texts_of(read_all(net, pictures)[0])
        figures[name] = 100 * float(np.mean([a == b for a, b in zip(found, texts, strict=True)]))
        figures[f"{name}-p"] = 100 * float(
            np.mean([a[1:] == b[1:] for a, b in zip(found, texts, strict=True)])
        )
    return figures


def train(
    folder: Path,
    plates: Path | None,
    minutes: float,
    *,
    seed: int = 1,
    rate: float = 2e-3,
    workers: int = 1,
    cache: Path | None = None,
) -> Path:
    """Train until ``minutes`` of work are spent, over any number of runs.

    Args:
        folder: Holds checkpoint and the averaged weights; an existing checkpoint is resumed.
        plates: Folder of the real pictures, or None for synthetic data alone.
        minutes: Budget of working time, over all runs.
        seed: Of the first run; a resumed run draws fresh pictures.
        rate: Highest learning rate.
        workers: Processes that draw pictures.
        cache: Folder of drawn patches, or None to draw while learning.

    Returns:
        File of the averaged weights.
    """
    run = Run(ReaderNet(), folder, minutes, seed=seed, rate=rate)
    trusted = frozenset(run.notes.get("trusted", ()))
    stream = iter(batches(CropStream(Sources(plates, trusted, cache), seed + run.step), workers))
    losses: list[float] = []
    weights = torch.ones(SLOTS, device=run.device)
    weights[0] = FIRST_WEIGHT
    weights /= weights.mean()
    while run.share < 1:
        due = run.share >= (JUDGED_AGAIN if trusted else SYNTHETIC_ONLY)
        if plates is not None and due and run.notes.get("judged", 0) < 1 + bool(trusted):
            log.info("step %d, before judging labels: %s", run.step, json.dumps(judge(run.judged(), plates)))
            run.notes["judged"] = 1 + bool(trusted)
            trusted = trusted_labels(run.judged(), plates)
            run.notes["trusted"] = sorted(trusted)
            stream = iter(batches(CropStream(Sources(plates, trusted, cache), seed + run.step), workers))
        pictures, characters, kinds = (each.to(run.device) for each in next(stream))
        run.net.train()
        with run.half_precision():
            found, found_kinds = run.net(pictures)
        each = nn.functional.nll_loss(
            found.float().flatten(0, 1), characters.flatten(), reduction="none"
        ).view(-1, SLOTS)
        loss = (each * weights).mean()
        loss = loss + 0.2 * nn.functional.nll_loss(found_kinds.float(), kinds, ignore_index=IGNORED)
        run.learn(loss)
        losses.append(loss.item())
        if run.step % 50 == 0:
            log.info("step %d share %.3f loss %.4f", run.step, run.share, float(np.mean(losses[-50:])))
        if run.due():
            run.save()
            log.info("step %d share %.3f %s", run.step, run.share, json.dumps(judge(run.judged(), plates)))
    run.save()
    log.info("done at step %d: %s", run.step, json.dumps(judge(run.judged(), plates)))
    torch.save(run.judged().state_dict(), folder / "reader.pt")
    return folder / "reader.pt"
