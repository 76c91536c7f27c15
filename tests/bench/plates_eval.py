"""Measure plate readers on labelled pictures: a table on the terminal, all figures as JSON.

python tests/bench/plates_eval.py --images DIR --labels FILE [--reader rapidocr] [--json out.json]
python tests/bench/plates_eval.py --shared ../shared/data        every shared set, every reader there is
... --peer      also RapidOCR as its packages run it by default, on the same pictures in the same run:
                rapidocr 3.10 (PP-OCRv6 small), and rapidocr-onnxruntime 1.4 (PP-OCRv4) where it is installed
                (pip install --no-deps rapidocr-onnxruntime==1.4.4), single crops enlarged twofold
... --weights DIR   other weights of our own nets

One thread each. Held out from training, so fair for our nets: --held-out takes only those crops.
"""

import argparse
import json
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from models.plate.evaluate import LabelledPicture, evaluate, load_labels, load_picture
from models.plate.grammar import parse_plate
from models.plate.lattice import lattice_from_text
from models.plate.lattice_reader import OwnPlateReader
from models.plate.reader import PlateReader, open_reader, own_weights_present
from models.results import BgrImage, PlateReading
from models.training.real import is_held_out

SHARED_SETS = {
    "scenes": "plates/scenes/labels.json",
    "ccpd": "plates/ccpd/labels.json",
    "crops": "plates/crops/labels.csv",
    "crops-easypr": "plates/crops-easypr/labels.csv",
}
PICTURES_WITHOUT_PLATES = 300


class RapidOcrPeer:
    """RapidOCR with its package's own driver and default settings, one thread: the figure to beat."""

    name = "rapidocr-defaults"

    def __init__(self) -> None:
        from rapidocr import RapidOCR

        self._engine = RapidOCR(
            params={
                "Global.log_level": "error",
                "EngineConfig.onnxruntime.intra_op_num_threads": 1,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            }
        )

    def read(self, image: BgrImage) -> list[PlateReading]:
        # Said each time: the engine keeps what it was told for the crop before.
        result = self._engine(image, use_det=True, use_cls=True, use_rec=True)
        if result.boxes is None:
            return []
        return [
            PlateReading(box.astype("float32"), lattice_from_text(plate.text, score), score)
            for box, text, score in zip(result.boxes, result.txts, result.scores, strict=True)
            if (plate := parse_plate(text)) is not None
        ]

    def read_crop(self, crop: BgrImage) -> Any:
        twice = cv2.resize(crop, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
        texts = self._engine(twice, use_det=False, use_cls=False).txts or ("",)
        plate = parse_plate(texts[0])
        return lattice_from_text(plate.text) if plate is not None else ()


class OlderRapidOcrPeer:
    """RapidOCR 1.4 with its package's own driver and default settings, one thread."""

    name = "rapidocr-1.4-defaults"

    def __init__(self) -> None:
        from rapidocr_onnxruntime import RapidOCR

        self._engine: Any = RapidOCR(intra_op_num_threads=1, inter_op_num_threads=1)

    def read(self, image: BgrImage) -> list[PlateReading]:
        lines, _ = self._engine(image, use_det=True, use_cls=True, use_rec=True)
        return [
            PlateReading(
                np.asarray(box, np.float32), lattice_from_text(plate.text, float(score)), float(score)
            )
            for box, text, score in lines or ()
            if (plate := parse_plate(text)) is not None
        ]

    def read_crop(self, crop: BgrImage) -> Any:
        twice = cv2.resize(crop, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
        lines, _ = self._engine(twice, use_det=False, use_cls=False, use_rec=True)
        plate = parse_plate(lines[0][0]) if lines else None
        return lattice_from_text(plate.text) if plate is not None else ()


def row_of(name: str, summary: dict[str, Any]) -> list[str]:
    def percent(value: float | None) -> str:
        return "-" if value is None else f"{value:.1%}"

    times, reading = summary["ms_per_picture"], summary["ms_per_stage"].get("read")
    return [
        name,
        summary["reader"],
        str(summary["plates"]),
        percent(summary["exact"]),
        percent(summary["exact_without_province"]),
        percent(summary["wanted"]["exact"]),
        percent(summary["found_at_iou_50"]),
        percent(summary["precision"]),
        str(summary["false_plates"]),
        f"{times['median']:.1f} / {times['p95']:.1f}" if times else "-",
        f"{reading['median']:.1f}" if reading else "-",
    ]


def without_plates(shared: Path) -> list[LabelledPicture]:
    """Pictures on which every plate is a false one."""
    faces = sorted((shared / "faces" / "lfw-dev").rglob("*.jpg"))[:PICTURES_WITHOUT_PLATES]
    return [LabelledPicture(file, ()) for file in faces]


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=Path)
    parser.add_argument("--labels", type=Path)
    parser.add_argument("--shared", type=Path, help="folder of the shared data: measure on all its sets")
    parser.add_argument("--sets", nargs="+", default=[*SHARED_SETS, "no-plates"])
    parser.add_argument(
        "--reader", action="append", help="may be given more than once; default: all there are"
    )
    parser.add_argument("--peer", action="store_true")
    parser.add_argument("--weights", type=Path, help="folder with other weights of our own nets")
    parser.add_argument("--held-out", action="store_true", help="of crops only those never trained on")
    parser.add_argument("--every", type=int, default=1, help="take every N-th picture only")
    parser.add_argument("--json", type=Path)
    wanted = parser.parse_args()

    sets: dict[str, list[LabelledPicture]] = {}
    if wanted.shared:
        for name, labels in SHARED_SETS.items():
            if name in wanted.sets:
                file = wanted.shared / labels
                pictures = load_labels(file.parent, file)
                if wanted.held_out and name.startswith("crops"):
                    pictures = [picture for picture in pictures if is_held_out(picture.file.name)]
                sets[name] = pictures[:: wanted.every]
        if "no-plates" in wanted.sets:
            sets["no-plates"] = without_plates(wanted.shared)[:: wanted.every]
    elif wanted.images:
        sets[wanted.images.name] = load_labels(wanted.images, wanted.labels)[:: wanted.every]
    else:
        parser.error("give --shared DIR, or --images DIR and --labels FILE")

    names = wanted.reader or ["rapidocr", *(["own"] if own_weights_present() else [])]
    readers: list[PlateReader] = [
        OwnPlateReader(weights=wanted.weights) if name == "own" and wanted.weights else open_reader(name)
        for name in names
    ]
    if wanted.peer:
        readers.append(RapidOcrPeer())
        if find_spec("rapidocr_onnxruntime") is not None:
            readers.append(OlderRapidOcrPeer())
    table = Table(
        "set",
        "reader",
        "plates",
        "exact",
        "no province",
        "wanted",
        "found",
        "precision",
        "false",
        "ms a picture",
        "ms to read",
    )
    results = []
    for name, pictures in sets.items():
        for reader in readers:
            load_picture(pictures[0].file)
            evaluate(reader, pictures[:1])  # the first run of a network is not like the others
            began = time.perf_counter()
            shown = track(pictures, description=f"{name}: {reader.name}", transient=True)
            summary = evaluate(reader, shown).summary()
            results.append({"set": name, "seconds": round(time.perf_counter() - began, 1), **summary})
            table.add_row(*row_of(name, summary))
    Console(width=120).print(table)
    if wanted.json:
        wanted.json.write_text(json.dumps(results, ensure_ascii=False, indent=1, allow_nan=False), "utf-8")


if __name__ == "__main__":
    main()
