"""Measure plate readers on labelled pictures: a table on the terminal, all figures as JSON.

python tests/bench/plates_eval.py --images DIR --labels FILE [--reader rapidocr] [--json out.json]
python tests/bench/plates_eval.py --shared ../shared/data        every shared set, every reader there is
... --peer      also RapidOCR as its package runs it by default, on the same pictures in the same run
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from models.plate.evaluate import LabelledPicture, evaluate, load_labels, load_picture
from models.plate.grammar import parse_plate
from models.plate.lattice import lattice_from_text
from models.plate.reader import PlateReader, open_reader, own_weights_present
from models.results import BgrImage, PlateReading

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
        result = self._engine(image)
        if result.boxes is None:
            return []
        return [
            PlateReading(box.astype("float32"), lattice_from_text(plate.text, score), score)
            for box, text, score in zip(result.boxes, result.txts, result.scores, strict=True)
            if (plate := parse_plate(text)) is not None
        ]

    def read_crop(self, crop: BgrImage) -> Any:
        texts = self._engine(crop, use_det=False, use_cls=False).txts or ("",)
        plate = parse_plate(texts[0])
        return lattice_from_text(plate.text) if plate is not None else ()


def row_of(name: str, summary: dict[str, Any]) -> list[str]:
    def percent(value: float | None) -> str:
        return "-" if value is None else f"{value:.1%}"

    times = summary["ms_per_picture"]
    return [
        name,
        summary["reader"],
        str(summary["plates"]),
        percent(summary["exact"]),
        percent(summary["exact_without_province"]),
        percent(summary["found_at_iou_50"]),
        percent(summary["precision"]),
        str(summary["false_plates"]),
        f"{times['median']:.1f} / {times['p95']:.1f}" if times else "-",
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
    parser.add_argument("--every", type=int, default=1, help="take every N-th picture only")
    parser.add_argument("--json", type=Path)
    wanted = parser.parse_args()

    sets: dict[str, list[LabelledPicture]] = {}
    if wanted.shared:
        for name, labels in SHARED_SETS.items():
            if name in wanted.sets:
                file = wanted.shared / labels
                sets[name] = load_labels(file.parent, file)[:: wanted.every]
        if "no-plates" in wanted.sets:
            sets["no-plates"] = without_plates(wanted.shared)[:: wanted.every]
    elif wanted.images:
        sets[wanted.images.name] = load_labels(wanted.images, wanted.labels)[:: wanted.every]
    else:
        parser.error("give --shared DIR, or --images DIR and --labels FILE")

    names = wanted.reader or ["rapidocr", *(["own"] if own_weights_present() else [])]
    readers: list[PlateReader] = [open_reader(name) for name in names]
    if wanted.peer:
        readers.append(RapidOcrPeer())
    table = Table(
        "set", "reader", "plates", "exact", "no province", "found", "precision", "false", "ms med/p95"
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
    Console(width=110).print(table)
    if wanted.json:
        wanted.json.write_text(json.dumps(results, ensure_ascii=False, indent=1, allow_nan=False), "utf-8")


if __name__ == "__main__":
    main()
