"""Training the reader: synthetic crops, then real ones mixed in; resumes, logs, and keeps the best.

Time is the budget: the learning rate follows the share of it that is spent, so a slow machine ends in time,
too.
"""

import json
import logging
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import IterableDataset

from models.plate.grammar import ALPHABET
from models.plate.lattice_reader import CROP_PX, EMPTY, KINDS, SLOTS, rectify, whole
from models.results import BgrImage
from models.training import crops, real, weather
from models.training.crops import Hardship
from models.training.nets import ReaderNet
from models.training.run import Run, batches, own_seed

log = logging.getLogger(__name__)

BATCH = 128
SYNTHETIC_ONLY = 0.3
"""Share of the time before real crops are mixed in: the net must be able to judge their labels first."""
REAL_SHARE = 0.3
NEGATIVE_SHARE = 0.04
KEPT = 6000
SECOND_USE = 0.5
EASY = Hardship(height_px=(22, 64), angle_deg=35, blur=0.5, wear=0.5, jitter=0.03)
IGNORED = -100


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the real pictures are, whether they are wanted, and (``trusted``) whose labels hold."""

    plates: Path | None
    with_real: bool
    trusted: frozenset[str] = frozenset()


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
        negatives: list[BgrImage] = []
        scenes: list[BgrImage] = []
        labelled: list[real.LabelledCrop] = []
        if self._sources.plates is not None:
            negatives = real.not_plates(self._sources.plates)
            scenes = [car.picture for car in real.car_pictures(self._sources.plates) if not car.held_out]
        if self._sources.plates is not None and self._sources.with_real:
            for folder in ("crops", "crops-easypr"):
                found = real.labelled_crops(self._sources.plates, folder)
                labelled += [
                    c for c in found if not c.held_out and f"{folder}/{c.name}" in self._sources.trusted
                ]
        made = 0
        seen: list[tuple[BgrImage, NDArray[np.int64], int]] = []
        while True:
            # Mostly easy ones at first; the first batches of a resumed run are easy, too, which does no harm.
            easy_share = max(0.35, 1 - made / 500)
            made += 1
            pictures = np.empty((BATCH, CROP_PX[1], CROP_PX[0], 3), np.uint8)
            characters = np.full((BATCH, SLOTS), EMPTY, np.int64)
            kinds = np.full(BATCH, IGNORED, np.int64)
            for i in range(BATCH):
                if len(seen) >= KEPT and rng.random() < SECOND_USE:
                    # Drawing costs more than learning: half of the crops come again, in another light.
                    picture, characters[i], kinds[i] = seen[int(rng.integers(KEPT))]
                    gain, offset = float(rng.uniform(0.6, 1.4)), float(rng.uniform(-25, 25))
                    pictures[i] = cv2.addWeighted(picture, gain, picture, 0.0, offset)
                    continue
                pick = rng.random()
                if pick < NEGATIVE_SHARE:
                    pictures[i] = _negative(rng, negatives)
                    kinds[i] = KINDS.index("none")
                elif labelled and pick < NEGATIVE_SHARE + REAL_SHARE:
                    crop = labelled[int(rng.integers(len(labelled)))]
                    pictures[i] = crops.vary_real(rng, crop.picture)
                    characters[i] = crops.encode(crop.text)
                else:
                    kind, text = crops.random_plate(chance)
                    hard = EASY if rng.random() < easy_share else Hardship()
                    pictures[i] = crops.make_crop(rng, text, kind, hard, scenes)
                    characters[i] = crops.encode(text)
                    kinds[i] = KINDS.index(kind)
                crop_seen = (pictures[i].copy(), characters[i].copy(), int(kinds[i]))
                if len(seen) < KEPT:
                    seen.append(crop_seen)
                else:
                    seen[int(rng.integers(KEPT))] = crop_seen
            yield pictures, characters, kinds


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
    return rectify(picture, whole(picture))


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
    folder: Path, plates: Path | None, minutes: float, *, seed: int = 1, rate: float = 2e-3, workers: int = 1
) -> Path:
    """Train until ``minutes`` of work are spent, over any number of runs.

    Args:
        folder: Holds checkpoint and the averaged weights; an existing checkpoint is resumed.
        plates: Folder of the real pictures, or None for synthetic data alone.
        minutes: Budget of working time, over all runs.
        seed: Of the first run; a resumed run draws fresh pictures.
        rate: Highest learning rate.
        workers: Processes that draw pictures.

    Returns:
        File of the averaged weights.
    """
    run = Run(ReaderNet(), folder, minutes, seed=seed, rate=rate)
    trusted = frozenset(run.notes.get("trusted", ()))
    stream = iter(batches(CropStream(Sources(plates, bool(trusted), trusted), seed + run.step), workers))
    losses: list[float] = []
    while run.share < 1:
        if plates is not None and not trusted and run.share >= SYNTHETIC_ONLY:
            log.info("synthetic only, step %d: %s", run.step, json.dumps(judge(run.judged(), plates)))
            trusted = trusted_labels(run.judged(), plates)
            run.notes["trusted"] = sorted(trusted)
            real_too = CropStream(Sources(plates, with_real=True, trusted=trusted), seed + run.step)
            stream = iter(batches(real_too, workers))
        pictures, characters, kinds = (each.to(run.device) for each in next(stream))
        run.net.train()
        with run.half_precision():
            found, found_kinds = run.net(pictures)
        loss = nn.functional.nll_loss(found.float().flatten(0, 1), characters.flatten())
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
