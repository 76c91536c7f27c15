"""Training the refiner on drawn patches, photographs with known corners, and things that are no plates."""

import json
import logging
import random
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import IterableDataset

from models.plate.geometry import Corners, cut_to, whole_of
from models.plate.refiner import NOMINAL, PATCH_PX, UNIT_PX, seen_area, to_cut
from models.results import BgrImage
from models.training import crops, real, weather
from models.training.cache import EASY, PatchCache
from models.training.nets import RefinerNet
from models.training.run import Run, batches, own_seed

log = logging.getLogger(__name__)

BATCH = 128
NEGATIVE_SHARE = 0.15
PHOTOGRAPH_SHARE = 0.06
CROP_SHARE = 0.05
"""Photographed plates that were cut by their corners: there the whole picture is the plate."""
BARE_SHARE = 0.12
"""Share of patches cut to their upright box first: whoever reads a bare crop has nothing around it."""
JITTERS = (0.04, 0.1, 0.18)
"""Errors of the finder in plate heights: after one refinement, usual, bad."""
_LOSS_UNIT = 0.05


def example(
    rng: np.random.Generator, picture: BgrImage, corners: NDArray[np.float64], jitter: float
) -> tuple[BgrImage, NDArray[np.float32]]:
    """A cut around wrongly found corners, and where the true ones lie (8,), in the network's units."""
    if rng.random() < BARE_SHARE:
        reach = rng.normal(0, 0.05) * float(np.ptp(corners[:, 1]))  # cut a little too wide, or too tight
        x0, y0 = np.floor(corners.min(axis=0) - reach).astype(int)
        x1, y1 = np.ceil(corners.max(axis=0) + reach).astype(int)
        x0, y0 = max(0, x0), max(0, y0)
        picture = np.ascontiguousarray(picture[y0 : y1 + 1, x0 : x1 + 1])
        corners = corners - (x0, y0)
        found = crops.shaken(rng, whole_of(picture).astype(np.float64), 0.02)
    else:
        found = crops.shaken(rng, corners, jitter)
    area = seen_area(found)
    true = cv2.perspectiveTransform(corners[None].astype(np.float64), to_cut(area))[0]
    return cut_to(picture, area, PATCH_PX), ((true - NOMINAL) / UNIT_PX).astype(np.float32).reshape(8)


class AreaStream(IterableDataset[tuple[NDArray[np.uint8], NDArray[np.float32]]]):
    """Endless batches: cuts (n, 64, 128, 3), wanted (n, 10); corners of what is no plate are not a number."""

    def __init__(self, plates: Path | None, cache: Path | None, seed: int) -> None:
        super().__init__()
        self._plates, self._cache, self._seed = plates, cache, seed

    def __iter__(self) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.float32]]]:
        cv2.setNumThreads(1)
        seed = own_seed(self._seed)
        rng, chance = np.random.default_rng(seed), random.Random(seed)
        nothing = real.not_plates(self._plates) if self._plates else []
        around = real.surroundings(self._plates) if self._plates else []
        photos = [p for p in real.photographed_plates(self._plates) if not p.held_out] if self._plates else []
        crops_known: list[real.LabelledCrop] = []
        if self._plates:
            found = real.labelled_crops(self._plates, "crops-easypr")
            crops_known = [crop for crop in found if not crop.held_out]
        cache = PatchCache(self._cache) if self._cache is not None else None
        while True:
            cuts = np.empty((BATCH, PATCH_PX[1], PATCH_PX[0], 3), np.uint8)
            wanted = np.full((BATCH, 10), np.nan, np.float32)
            for i in range(BATCH):
                pick = rng.random()
                if pick < NEGATIVE_SHARE:
                    cuts[i] = no_plate(rng, nothing, around)
                    wanted[i, 8] = 0
                    continue
                jitter = JITTERS[int(rng.integers(len(JITTERS)))]
                if crops_known and pick < NEGATIVE_SHARE + CROP_SHARE:
                    picture = crops_known[int(rng.integers(len(crops_known)))].picture
                    true = whole_of(picture)
                    area = seen_area(crops.shaken(rng, true.astype(np.float64), 0.03, boxes=0))
                    cuts[i] = crops.relit(rng, cut_to(picture, area, PATCH_PX))
                    there = cv2.perspectiveTransform(true[None].astype(np.float64), to_cut(area))[0]
                    wanted[i, :8] = ((there - NOMINAL) / UNIT_PX).reshape(8)
                    wanted[i, 8:] = 1, 0
                    continue
                if photos and pick < NEGATIVE_SHARE + CROP_SHARE + PHOTOGRAPH_SHARE:
                    photo = photos[int(rng.integers(len(photos)))]
                    picture, corners = crops.from_afar(rng, photo.picture, photo.corners)
                    rows = 1
                elif cache is not None and len(cache):
                    patch = cache.take(rng)
                    picture, corners, rows = patch.picture, patch.corners, patch.rows
                else:
                    kind, text = crops.random_plate(chance)
                    patch = crops.make_patch(rng, text, kind, crops.Hardship(), around)
                    picture, corners, rows = patch.picture, patch.corners, patch.rows
                cut, wanted[i, :8] = example(rng, picture, corners, jitter)
                cuts[i] = crops.relit(rng, cut)
                wanted[i, 8:] = 1, rows - 1
            yield cuts, wanted


def no_plate(rng: np.random.Generator, nothing: list[BgrImage], around: list[crops.Surrounding]) -> BgrImage:
    """A cut of something that is no plate."""
    pick = rng.random()
    if nothing and pick < 0.5:
        picture = nothing[int(rng.integers(len(nothing)))]
        frame = crops.shaken(rng, whole_of(picture).astype(np.float64), 0.1)
        return crops.relit(rng, cut_to(picture, frame, PATCH_PX))
    if around and pick < 0.85:
        photo = around[int(rng.integers(len(around)))]
        height, width = photo.picture.shape[:2]
        for _ in range(10):
            tall = float(rng.uniform(0.03, 0.25) * height)
            x, y = float(rng.uniform(0, width)), float(rng.uniform(0, height))
            left, top, right, bottom = photo.box
            # Another car's plate may lie there; foreign plates are none of ours in any case.
            if not (left - 3 * tall < x < right + 3 * tall and top - 2 * tall < y < bottom + 2 * tall):
                quad = np.array([(-1.6, -0.5), (1.6, -0.5), (1.6, 0.5), (-1.6, 0.5)]) * tall + (x, y)
                return crops.relit(
                    rng, cut_to(photo.picture, seen_area(crops.shaken(rng, quad, 0.2)), PATCH_PX)
                )
    drawn = weather.surround(rng, (PATCH_PX[1], PATCH_PX[0]))
    return weather.sensor(rng, weather.illuminate(rng, drawn))


def loss_of(found: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Corners where there are any, plate or not everywhere, rows where there is a plate."""
    is_plate = wanted[:, 8] > 0.5
    apart = nn.functional.smooth_l1_loss(found[is_plate, :8], wanted[is_plate, :8], beta=_LOSS_UNIT)
    plate = nn.functional.binary_cross_entropy(found[:, 8].clamp(1e-5, 1 - 1e-5), wanted[:, 8])
    rows = nn.functional.binary_cross_entropy(found[is_plate, 9].clamp(1e-5, 1 - 1e-5), wanted[is_plate, 9])
    return apart + 0.1 * plate + 0.05 * rows


def judge(net: nn.Module, plates: Path | None) -> dict[str, float]:
    """Mean error of the corners in plate heights, before, once refined, and twice; plates and others told."""
    rng, chance = np.random.default_rng(17), random.Random(17)
    exam: list[tuple[str, BgrImage, NDArray[np.float64]]] = []
    for _ in range(200):
        kind, text = crops.random_plate(chance)
        patch = crops.make_patch(rng, text, kind, EASY)
        exam.append(("drawn", patch.picture, patch.corners))
    if plates is not None:
        for photo in real.photographed_plates(plates):
            if photo.held_out:
                exam += [("photo", *crops.from_afar(rng, photo.picture, photo.corners)) for _ in range(5)]
    net.eval()
    figures: dict[str, list[float]] = {}

    def look(picture: BgrImage, found: Corners) -> tuple[Corners, float]:
        area = seen_area(found)
        with torch.inference_mode():
            answer = net(torch.from_numpy(cut_to(picture, area, PATCH_PX)[None]))[0].numpy()
        moved = NOMINAL + answer[:8].reshape(4, 2) * np.float32(UNIT_PX)
        back = cv2.perspectiveTransform(moved[None].astype(np.float64), np.linalg.inv(to_cut(area)))[0]
        return np.asarray(back, np.float32), float(answer[8])

    for name, picture, corners in exam:
        tall = float(np.linalg.norm(corners[3] - corners[0]) + np.linalg.norm(corners[2] - corners[1])) / 2
        found = np.asarray(crops.shaken(rng, corners, 0.15), np.float32)
        figures.setdefault(f"{name}-before", []).append(float(np.abs(found - corners).mean()) / tall)
        for turn in ("once", "twice"):
            found, plate = look(picture, found)
            figures.setdefault(f"{name}-{turn}", []).append(float(np.abs(found - corners).mean()) / tall)
        figures.setdefault(f"{name}-plate", []).append(float(plate > 0.5))
    nothing = real.not_plates(plates) if plates is not None else []
    for _ in range(200):
        with torch.inference_mode():
            answer = net(torch.from_numpy(no_plate(rng, nothing, [])[None]))[0].numpy()
        figures.setdefault("nothing-plate", []).append(float(answer[8] > 0.5))
    return {name: round(float(np.mean(values)), 4) for name, values in figures.items()}


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
    """Train until ``minutes`` of work are spent, over any number of runs; see the reader's `train`."""
    run = Run(RefinerNet(), folder, minutes, seed=seed, rate=rate)
    losses: list[float] = []
    for cuts, wanted in batches(AreaStream(plates, cache, seed + run.step), workers):
        if run.share >= 1:
            break
        run.net.train()
        with run.half_precision():
            found = run.net(cuts.to(run.device))
        loss = loss_of(found.float(), wanted.to(run.device))
        run.learn(loss)
        losses.append(loss.item())
        if run.step % 100 == 0:
            log.info("step %d share %.3f loss %.4f", run.step, run.share, float(np.mean(losses[-100:])))
        if run.due():
            run.save()
            log.info("step %d share %.3f %s", run.step, run.share, json.dumps(judge(run.judged(), plates)))
    run.save()
    log.info("done at step %d: %s", run.step, json.dumps(judge(run.judged(), plates)))
    torch.save(run.judged().state_dict(), folder / "refiner.pt")
    return folder / "refiner.pt"
