"""``gatehouse-train``: look at the synthetic data, train, export.

``preview`` and ``film`` need nothing beyond the daemon; the rest needs the extra ``train`` (torch, onnx).
"""

import logging
import random
import sys
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer

from models.errors import ModelError
from models.plate.grammar import PlateKind, generate
from models.results import BgrImage
from models.training.crops import Hardship, make_crop, random_plate
from models.training.plates import LOOKS, draw_plate
from models.training.scenes import Stock, make_scene

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)

Data = Annotated[Path | None, typer.Option(help="Folder with the real plates; without it all is synthetic.")]
Seed = Annotated[int, typer.Option(help="The same seed gives the same pictures.")]
Out = Annotated[Path, typer.Option(help="Picture to write.")]


def _grid(pictures: list[BgrImage], columns: int) -> BgrImage:
    blank = np.zeros_like(pictures[0])
    padded = pictures + [blank] * (-len(pictures) % columns)
    rows = [np.hstack(padded[i : i + columns]) for i in range(0, len(padded), columns)]
    return np.asarray(np.vstack(rows), np.uint8)


def clean_sheet(seed: int) -> BgrImage:
    """Every kind of plate in four styles."""
    chance = random.Random(seed)
    cells = []
    for kind in LOOKS:
        text = generate(kind, chance)
        for weight in range(4):
            plate = draw_plate(text, kind, px_per_mm=0.5, weight=weight)
            cell = np.full((114, 250, 3), 96, np.uint8)
            cell[2 : 2 + plate.shape[0], 5 : 5 + plate.shape[1]] = plate
            cells.append(cell)
    return _grid(cells, 8)


def crop_sheet(seed: int, count: int = 160) -> BgrImage:
    """What the reader learns from."""
    rng, chance = np.random.default_rng(seed), random.Random(seed)
    cells = []
    for _ in range(count):
        kind, text = random_plate(chance)
        cells.append(make_crop(rng, text, kind, Hardship()))
    return _grid(cells, 10)


def scene_sheet(seed: int, stock: Stock, count: int = 30) -> BgrImage:
    """What the detector learns from, with the corners it is to find (yellow: two rows)."""
    rng, chance = np.random.default_rng(seed), random.Random(seed)
    cells = []
    for _ in range(count):
        scene = make_scene(rng, chance, stock)
        for plate in scene.plates:
            colour = (0, 0, 255) if plate.rows == 1 else (0, 255, 255)
            cv2.polylines(scene.picture, [np.round(plate.corners).astype(np.int32)], True, colour, 1)
        cells.append(scene.picture)
    return _grid(cells, 6)


@app.command()
def preview(
    what: Annotated[str, typer.Argument(help="clean, crops or scenes")] = "crops",
    out: Out = Path("preview.png"),
    seed: Seed = 0,
    data: Data = None,
) -> None:
    """Write a contact sheet of synthetic pictures, to be looked at."""
    if what == "clean":
        sheet = clean_sheet(seed)
    elif what == "crops":
        sheet = crop_sheet(seed)
    elif what == "scenes":
        stock = Stock()
        if data is not None:
            from models.training import real

            stock = Stock([car for car in real.car_pictures(data) if car.boxes], (), real.not_plates(data))
        sheet = scene_sheet(seed, stock)
    else:
        raise typer.BadParameter(f"{what!r} is not one of clean, crops, scenes")
    if not cv2.imwrite(str(out), sheet):
        raise typer.BadParameter(f"{out} cannot be written; give a .png or .jpg in a folder that exists")
    typer.echo(f"{out}: {sheet.shape[1]} x {sheet.shape[0]} pixels")


@app.command()
def film(
    out: Annotated[
        Path, typer.Argument(help="Film to write, .mp4 or .avi; its truth goes beside it as .json.")
    ],
    plates: Annotated[list[str], typer.Argument(help="Plates in order of arrival, as KIND:TEXT or TEXT.")],
    seed: Seed = 0,
    night: Annotated[bool, typer.Option(help="Dark, with headlights.")] = False,
) -> None:
    """Draw a lane film with its ground truth."""
    from models.training.film import Visit, draw_lane_film

    visits = []
    for number, item in enumerate(plates):
        kind, _, text = item.rpartition(":")
        visits.append(Visit(text, PlateKind(kind or "blue"), arrive_s=1 + 14.0 * number, stop_s=4))
    truth = draw_lane_film(out, visits, seed=seed, night=night)
    out.with_suffix(".json").write_text(truth.to_json(), encoding="utf-8")
    typer.echo(f"{out}: {truth.duration_s:.1f} s, {len(truth.visits)} visits")


@app.command()
def train(
    net: Annotated[str, typer.Argument(help="reader, refiner or detector")],
    folder: Annotated[Path, typer.Argument(help="Checkpoint, log and weights; an existing one is resumed.")],
    minutes: Annotated[float, typer.Option(help="Working time over all runs.")] = 120,
    data: Data = None,
    seed: Seed = 1,
    workers: Annotated[int, typer.Option(help="Processes that draw pictures.")] = 1,
    cache: Annotated[
        Path | None, typer.Option(help="Folder of drawn plates or scenes, made by `draw`.")
    ] = None,
) -> None:
    """Train one of the nets; stop it at any time and call it again."""
    from models.training import detector, reader, refiner

    if net not in ("reader", "refiner", "detector"):
        raise typer.BadParameter(f"{net!r} is none of reader, refiner, detector")
    folder.mkdir(parents=True, exist_ok=True)
    log_file = logging.FileHandler(folder / "train.log", encoding="utf-8")
    log_file.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[log_file, logging.StreamHandler()])
    learn = {"reader": reader.train, "refiner": refiner.train, "detector": detector.train}[net]
    typer.echo(str(learn(folder, data, minutes, seed=seed, workers=workers, cache=cache)))


@app.command()
def draw(
    folder: Annotated[Path, typer.Argument(help="Where the drawn plates are kept; may be added to.")],
    thousands: Annotated[
        int, typer.Option(help="How many thousand: 54 MB for plates, 246 MB for scenes each.")
    ] = 30,
    scenes: Annotated[bool, typer.Option("--scenes", help="Scenes for the detector; needs torch.")] = False,
    data: Data = None,
    seed: Seed = 1,
) -> None:
    """Draw in advance: learning from a picture costs half of drawing it, and each is used many times."""
    from models.training import cache, real

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    cv2.setNumThreads(1)
    if scenes:
        from models.training import detector

        detector.fill(folder, 1000 * thousands // detector.SHARD_SCENES, data, seed)
        return
    cache.fill(folder, thousands, real.surroundings(data) if data is not None else (), seed)


@app.command()
def export(
    name: Annotated[str, typer.Argument(help="plate_reader, plate_refiner or plate_detector")],
    weights: Annotated[Path, typer.Argument(help="File that training left.")],
    made: Annotated[str, typer.Option(help="How it was made: data, seed, time.")],
    metric: Annotated[list[str], typer.Option(help="NAME=FIGURE, with its test set in the name.")],
    target: Annotated[
        Path | None, typer.Option(help="Folder of manifest.toml; the project's by default.")
    ] = None,
) -> None:
    """Write ONNX beside the manifest and put its entry there."""
    from models.training import export as exporting

    if name not in exporting.PARTS:
        raise typer.BadParameter(f"{name!r} is none of {', '.join(exporting.PARTS)}")
    folder = target or exporting.WEIGHTS
    path = exporting.export(name, weights, folder)
    figures = {key: float(value) for key, _, value in (item.rpartition("=") for item in metric)}
    exporting.write_entry(path, made, figures, folder)
    typer.echo(f"{path}: {path.stat().st_size} bytes")


@app.command()
def card(
    figures: Annotated[
        list[str] | None, typer.Option(help="NAME=FILE, FILE being the JSON of gatehouse eval plates.")
    ] = None,
    curves: Annotated[Path | None, typer.Option(help="JSON of gatehouse eval plate-curves.")] = None,
    note: Annotated[list[str] | None, typer.Option(help="A sentence on how the figures were taken.")] = None,
    target: Annotated[
        Path | None, typer.Option(help="Folder of manifest.toml; the project's by default.")
    ] = None,
) -> None:
    """Write the model cards: README.md beside the manifest."""
    from models.training.cards import write_cards

    pairs = [item.rpartition("=") for item in figures or ()]
    if any(not name for name, _, _ in pairs):
        raise typer.BadParameter("--figures wants NAME=FILE")
    folder = target or Path(__file__).resolve().parent.parent / "weights"
    typer.echo(str(write_cards(folder, {name: Path(file) for name, _, file in pairs}, curves, note or ())))


def main() -> None:
    """Console script: errors are one line."""
    try:
        app()
    except (ModelError, ValueError) as error:
        typer.echo(f"gatehouse-train: {error}", err=True)
        sys.exit(1)
    except ModuleNotFoundError as error:
        typer.echo(
            f"gatehouse-train: {error.name} is missing; install the extra: pip install 'gatehouse[train]'",
            err=True,
        )
        sys.exit(69)


if __name__ == "__main__":
    main()
