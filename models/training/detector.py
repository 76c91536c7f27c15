"""Training the detector on made scenes. Budget and checkpoints: `run`."""

import json
import logging
import random
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import IterableDataset

from models.plate.detector import STRIDE_PX as STRIDE
from models.plate.detector import distinct, plates_in_map
from models.training import real
from models.training.crops import relit
from models.training.nets import DetectorNet
from models.training.run import Run, batches, own_seed
from models.training.scenes import PlacedPlate, Scene, Stock, make_scene, turned

log = logging.getLogger(__name__)

BATCH = 16
TRAIN_PX = (320, 256)
_MIDDLE = 0.55
"""Cells whose bell is above this learn corners and rows."""


def load_stock(plates: Path | None, *, held_out: bool = False) -> Stock:
    """Photographs for scenes: the training part, or the held-out part for judging."""
    if plates is None:
        return Stock()
    cars = [car for car in real.car_pictures(plates) if car.held_out == held_out and car.boxes]
    photos = [c.picture for c in real.labelled_crops(plates, "crops-easypr") if c.held_out == held_out]
    wholes = [photo for photo in real.photographed_plates(plates) if photo.held_out == held_out]
    return Stock(cars, photos, real.not_plates(plates), wholes)


def target_of(scene: Scene) -> NDArray[np.float32]:
    """Wanted map (12, rows, columns): bell, two-row flag, 8 corner distances, weight, 1 / height."""
    height, width = (side // STRIDE for side in scene.picture.shape[:2])
    out = np.zeros((12, height, width), np.float32)
    ys, xs = np.mgrid[:height, :width].astype(np.float32)
    middle_x, middle_y = (xs + 0.5) * STRIDE, (ys + 0.5) * STRIDE
    for plate in scene.plates:
        centre = plate.corners.mean(axis=0)
        along = ((plate.corners[1] + plate.corners[2]) - (plate.corners[0] + plate.corners[3])) / 2
        across = ((plate.corners[3] + plate.corners[2]) - (plate.corners[0] + plate.corners[1])) / 2
        wide, tall = max(float(np.linalg.norm(along)), 1.0), max(float(np.linalg.norm(across)), 1.0)
        dx, dy = middle_x - centre[0], middle_y - centre[1]
        u = (dx * along[0] + dy * along[1]) / wide
        v = (dx * across[0] + dy * across[1]) / tall
        bell = np.exp(
            -0.5 * ((u / max(wide / 7, 0.55 * STRIDE)) ** 2 + (v / max(tall / 5, 0.55 * STRIDE)) ** 2)
        )
        column = int(np.clip(centre[0] // STRIDE, 0, width - 1))
        row = int(np.clip(centre[1] // STRIDE, 0, height - 1))
        bell[row, column] = 1.0
        ours = (bell > _MIDDLE) & (bell > out[0])
        np.maximum(out[0], bell, out=out[0])
        out[1][ours] = plate.rows - 1
        for i, (x, y) in enumerate(plate.corners):
            out[2 + 2 * i][ours] = (x - middle_x)[ours]
            out[3 + 2 * i][ours] = (y - middle_y)[ours]
        out[10][ours] = bell[ours] / max(float(bell[ours].sum()), 1e-6)
        out[11][ours] = 1 / max(tall, 8.0)
    return out


SHARD_SCENES = 500


def fill(folder: Path, shards: int, plates: Path | None, seed: int) -> None:
    """Draw shards of scenes that are not there yet, as `cache.fill` does with plates."""
    folder.mkdir(parents=True, exist_ok=True)
    stock = load_stock(plates)
    for number in range(shards):
        index = folder / f"scenes-{seed:03d}-{number:04d}.json"
        if index.is_file():
            continue
        rng, chance = np.random.default_rng((seed, number, 9)), random.Random(seed * 100_003 + number)
        scenes = [make_scene(rng, chance, stock, TRAIN_PX) for _ in range(SHARD_SCENES)]
        np.save(index.with_suffix(".npy"), np.stack([scene.picture for scene in scenes]))
        entries = [[(p.corners.round(3).tolist(), p.rows) for p in scene.plates] for scene in scenes]
        fresh = index.with_suffix(".new")
        fresh.write_text(json.dumps(entries), encoding="utf-8")
        fresh.replace(index)
        log.info("%s: %d scenes", index.name, SHARD_SCENES)


class SceneCache:
    """Takes scenes out of a folder of shards at random; light and the camera's tilt vary anew each time."""

    def __init__(self, folder: Path) -> None:
        self._shards = [
            (np.load(index.with_suffix(".npy"), mmap_mode="r"), json.loads(index.read_text("utf-8")))
            for index in sorted(folder.glob("scenes-*.json"))
        ]

    def __len__(self) -> int:
        return len(self._shards) * SHARD_SCENES

    def take(self, rng: np.random.Generator) -> Scene:
        """One scene; the cache must not be empty."""
        pictures, entries = self._shards[int(rng.integers(len(self._shards)))]
        number = int(rng.integers(len(entries)))
        plates = tuple(PlacedPlate(np.array(corners), rows) for corners, rows in entries[number])
        return turned(rng, Scene(relit(rng, np.asarray(pictures[number])), plates))


class SceneStream(IterableDataset[tuple[NDArray[np.uint8], NDArray[np.float32]]]):
    """Endless batches of scenes and their targets."""

    def __init__(self, plates: Path | None, seed: int, cache: Path | None = None) -> None:
        super().__init__()
        self._plates = plates
        self._seed = seed
        self._cache = cache

    def __iter__(self) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.float32]]]:
        cv2.setNumThreads(1)
        cache = SceneCache(self._cache) if self._cache is not None else None
        stock = load_stock(self._plates)
        seed = own_seed(self._seed)
        rng, chance = np.random.default_rng(seed), random.Random(seed)
        while True:
            scenes = [
                cache.take(rng)
                if cache is not None and len(cache)
                else make_scene(rng, chance, stock, TRAIN_PX)
                for _ in range(BATCH)
            ]
            yield np.stack([s.picture for s in scenes]), np.stack([target_of(s) for s in scenes])


def loss_of(found: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Focal loss of the bell (CenterNet, Zhou et al. 2019, alpha 2, beta 4), and loss of the corners."""
    p = found[:, 0].clamp(1e-5, 1 - 1e-5)
    bell, weight = wanted[:, 0], wanted[:, 10]
    peak = bell > 0.999
    plates = torch.clamp(peak.sum(), min=1)
    hit = -((1 - p) ** 2) * torch.log(p) * peak
    miss = -((1 - bell) ** 4) * (p**2) * torch.log(1 - p) * ~peak
    heat = (hit.sum() + miss.sum()) / plates
    apart = (nn.functional.smooth_l1_loss(found[:, 2:10], wanted[:, 2:10], reduction="none", beta=1.0)).mean(
        dim=1
    )
    corners = (apart * wanted[:, 11] * weight).sum() / plates
    rows = nn.functional.binary_cross_entropy(
        found[:, 1].clamp(1e-5, 1 - 1e-5), wanted[:, 1], reduction="none"
    )
    return heat + 0.2 * (rows * weight).sum() / plates, corners


def judge(net: nn.Module, plates: Path | None, count: int = 120) -> dict[str, float]:
    """Recall, false alarms a picture, corner error (in heights) on scenes of held-out photographs."""
    stock = load_stock(plates, held_out=True)
    rng, chance = np.random.default_rng(7), random.Random(7)
    net.eval()
    hits, total, false, errors, rows_right = 0, 0, 0, [], 0
    for _ in range(count):
        scene = make_scene(rng, chance, stock, (640, 384), (9, 110))
        with torch.inference_mode():
            found = net(torch.from_numpy(scene.picture[None]))[0].numpy()
        peaks = distinct(plates_in_map(found, 0.4))
        total += len(scene.plates)
        used = set()
        for plate in scene.plates:
            best = None
            for number, peak in enumerate(peaks):
                error = float(np.abs(peak.corners - plate.corners).mean()) / plate.height_px
                if number not in used and error < 0.5 and (best is None or error < best[0]):
                    best = (error, number, peak.rows)
            if best is not None:
                hits += 1
                errors.append(best[0])
                rows_right += best[2] == plate.rows
                used.add(best[1])
        false += len(peaks) - len(used)
    return {
        "recall": 100 * hits / max(total, 1),
        "false": false / count,
        "corner_error": float(np.mean(errors)) if errors else 1.0,
        "rows": 100 * rows_right / max(hits, 1),
    }


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
    run = Run(DetectorNet(), folder, minutes, seed=seed, rate=rate)
    losses: list[tuple[float, float]] = []
    for pictures, wanted in batches(SceneStream(plates, seed + run.step, cache), workers):
        if run.share >= 1:
            break
        run.net.train()
        with run.half_precision():
            found = run.net(pictures.to(run.device))
        heat, corners = loss_of(found.float(), wanted.to(run.device))
        run.learn(heat + 4 * corners)
        losses.append((heat.item(), corners.item()))
        if run.step % 50 == 0:
            ends = np.mean(losses[-50:], axis=0)
            log.info("step %d share %.3f heat %.3f corners %.4f", run.step, run.share, ends[0], ends[1])
        if run.due():
            run.save()
            log.info(
                "step %d share %.3f %s", run.step, run.share, json.dumps(judge(run.judged(), plates, 60))
            )
    run.save()
    log.info("done at step %d: %s", run.step, json.dumps(judge(run.judged(), plates)))
    torch.save(run.judged().state_dict(), folder / "detector.pt")
    return folder / "detector.pt"
