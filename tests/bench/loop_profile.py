"""Where the loop's processor time goes, function by function, in this tree or in an older one.

    python tests/bench/loop_profile.py --clip faces/clip --yunet yunet.onnx [--json out.json]
    git worktree add ../before REVISION
    python tests/bench/loop_profile.py --tree ../before --clip ...      the same film through that revision

Without --clip it is the drawn lane. The loop runs at the film's own pace in a clock of its own ("as at the
gate") or, with --every, searches every frame. Times are processor time of the loop's thread (cProfile on
``time.thread_time``), so that other programs disturb little; a profiled call costs a microsecond more than it
does otherwise. The functions of this project are listed with all that they call, those of others by
themselves.
"""

import argparse
import cProfile
import json
import os
import pstats
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

BENCH = Path(__file__).resolve().parent
MOST = 26
OURS = ("/edge/", "/models/", "/drivers/")


def tree_of(arguments: list[str]) -> Path:
    """Which tree is measured; it must be known before anything of it is imported."""
    if "--tree" in arguments:
        return Path(arguments[arguments.index("--tree") + 1]).resolve()
    return BENCH.parents[1]


TREE = tree_of(sys.argv)
sys.path[:0] = [str(TREE), str(TREE / "tests" / "bench")]

import cv2  # noqa: E402
import numpy as np  # noqa: E402
from faces_film import ALEX, FILM, LIN, Gate, frames  # noqa: E402

from drivers.camera import Frame  # noqa: E402
from edge.face_models import (  # noqa: E402
    face_set,
    open_face_detector,
    open_face_embedder,
    pair_distances,
)
from edge.settings import ModelSettings, ReplayCamera  # noqa: E402
from edge.vision import loop  # noqa: E402
from edge.vision.loop import Lookout  # noqa: E402
from edge.vision.senses import open_senses  # noqa: E402
from models.face import Gallery, ask, load_picture, single_face  # noqa: E402
from models.plate.grammar import PlateKind, generate  # noqa: E402
from models.training.film import LaneFilm, Visit  # noqa: E402

Step = Callable[[int, np.ndarray], None]


def faces(given: argparse.Namespace) -> tuple[Step, list[np.ndarray]]:
    """The real film and its two known persons."""
    models = ModelSettings(face_detector="yunet" if given.yunet else "hog", yunet_path=given.yunet)
    detector = open_face_detector(models, given.cache, upsample=1)
    embedder = open_face_embedder(models, given.cache, thorough=True)
    entries = []
    for name in (LIN, ALEX):
        image = load_picture(given.clip / f"{name}.png")
        entries.append((name, embedder.embed(image, [single_face(image, detector)])[0]))
    gallery = Gallery.build(face_set(models), entries)
    rule = ask(gallery, pair_distances(models)).rule(0.001, of_visits=True)
    senses = open_senses(("face",), models, min_face_px=40, min_plate_px=16, cache_dir=given.cache)
    gate = Gate(senses, gallery, rule, 40)
    return gate.step, [image for _, image in frames(given.clip / FILM)]


def plates(given: argparse.Namespace) -> tuple[Step, list[np.ndarray]]:
    """A drawn lane; a car is settled after its second read, as an agreeing pair settles it."""
    chance = random.Random(3)
    visits = [
        Visit(generate(PlateKind.BLUE, chance), PlateKind.BLUE, 2.0 + 12 * i, 3.0) for i in range(given.cars)
    ]
    film = LaneFilm(visits, fps=15, size_px=(1280, 720), seed=3)
    settings = ReplayCamera(source="film", looks_for=("plate",), max_fps=60)
    senses = open_senses(
        ("plate",), ModelSettings(), min_face_px=60, min_plate_px=settings.min_plate_px, cache_dir=given.cache
    )
    now_ns, told = [0], dict[int, int]()
    lookouts: list[Lookout] = []

    def say(sighting: Any) -> None:
        told[sighting.track_id] = told.get(sighting.track_id, 0) + (not sighting.flaw)
        if told[sighting.track_id] >= 2:
            lookouts[0].settle(sighting.track_id)

    lookouts.append(Lookout("film", "run", settings, senses, say, lambda: now_ns[0]))

    def step(number: int, image: np.ndarray) -> None:
        now_ns[0] = 10**9 + round(number * 1e9 / 15)
        lookouts[0].step(Frame(image=image, camera="film", seq=number + 1, taken_ns=now_ns[0]))

    drawn = [cv2.imencode(".jpg", image)[1] for image in film.frames()]
    return step, drawn


def rows_of(profile: cProfile.Profile, count: int) -> list[dict[str, Any]]:
    """The functions that take most, per frame."""
    rows = []
    for (file, _, name), (_, calls, own_s, all_s, _) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        is_ours = any(part in file for part in OURS) and str(TREE) in file
        seconds = all_s if is_ours else own_s
        where = f"{Path(file).relative_to(TREE)}:{name}" if is_ours else name
        rows.append(
            {
                "where": where,
                "ms_a_frame": round(1000 * seconds / count, 4),
                "calls_a_frame": round(calls / count, 3),
                "ms_a_call": round(1000 * seconds / calls, 3),
            }
        )
    rows = [row for row in rows if "<lambda>" not in row["where"] and not row["where"].endswith(":measure")]
    return sorted(rows, key=lambda row: -row["ms_a_frame"])[:MOST]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tree", type=Path, help="another checkout of this project")
    parser.add_argument("--clip", type=Path, help="folder with the real film and two portraits")
    parser.add_argument("--yunet", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("/tmp/gatehouse-bench"))
    parser.add_argument("--cars", type=int, default=3)
    parser.add_argument("--every", action="store_true", help="search every frame")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    if given.every:
        loop.CARRY_S = 0.0
    cv2.setNumThreads(1)
    step, images = faces(given) if given.clip else plates(given)
    profile = cProfile.Profile(time.thread_time)
    spent_s = 0.0
    for number, stored in enumerate(images):
        image = stored if stored.ndim == 3 else cv2.imdecode(stored, cv2.IMREAD_COLOR)
        began_s = time.thread_time()
        profile.runcall(step, number, image)
        spent_s += time.thread_time() - began_s
    rows = rows_of(profile, len(images))
    print(f"{TREE}: {len(images)} frames, {1000 * spent_s / len(images):.2f} ms of processor time a frame")
    print(f"{'ms a frame':>10} {'calls':>8} {'ms a call':>9}")
    for row in rows:
        print(
            f"{row['ms_a_frame']:10.3f} {row['calls_a_frame']:8.3f} {row['ms_a_call']:9.3f}  {row['where']}"
        )
    if given.json:
        figures = {"frames": len(images), "ms_a_frame": 1000 * spent_s / len(images), "rows": rows}
        figures["load"] = os.getloadavg()[0]
        given.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
