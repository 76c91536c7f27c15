"""Model cards: ``models/weights/README.md`` made from the manifest and from what the evaluations wrote.

Figures are never typed by hand: they come from the JSON of ``gatehouse eval plates`` and ``plate-curves``.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from models.errors import ModelMismatch, ModelNotFound
from models.manifest import ModelEntry, read_manifest

_HEAD: Final = """# Weights

Small networks of our own. They are used only when their SHA-256 is the one in `manifest.toml`. Made by
`gatehouse-train` (see `models/training/README.md`); no weights of others were teacher or start. This page
is written by `gatehouse-train card`.
"""


@dataclass(frozen=True, slots=True)
class _Card:
    title: str
    task: str
    data: str
    method: str
    limits: str


_DRAWN: Final = (
    "Drawn plates of all kinds of GA 36-2018 (models/training), with dirt, frames, blur, night, perspective."
)
_CARDS: Final[Mapping[str, _Card]] = {
    "plate_detector": _Card(
        "Plate detector",
        "Whole picture, shrunk into 640 x 384, to a map of plate middles, their corners and number of rows.",
        f"{_DRAWN} Photographs of cars under CC0 with our plates in place of theirs; pieces without plates"
        " and photographed plates of EasyPR (Apache-2.0).",
        "Separable convolutions at strides 8, 16 and 32, joined at 8; focal loss on middles, smooth L1 on"
        " corners.",
        "Plates below about 9 px height in the shrunk picture are missed. Corners are rough (a tenth of the"
        " plate's height): the refiner moves them.",
    ),
    "plate_refiner": _Card(
        "Plate refiner",
        "A cut around a found plate to better corners, to whether it is one, and to its rows; run twice.",
        f"{_DRAWN} CCPD photographs with corners (MIT), EasyPR crops and pieces without plates (Apache-2.0),"
        " backgrounds around plates under CC0.",
        "Five convolutions and two full layers; smooth L1 on corners shaken by 4 to 18 % of the height.",
        "Corners that lie more than half a plate's height off are not found again.",
    ),
    "plate_reader": _Card(
        "Plate reader",
        "A cut of 144 x 48 (of two rows the upper to the left of the lower) to eight positions, each a"
        " distribution over characters and nothing, and a kind.",
        f"{_DRAWN} LPRNet_Pytorch and EasyPR crops (Apache-2.0; labels that the net firmly contradicts are"
        " left out; every province painted on, as most crops are from four), CCPD (MIT).",
        "Five convolutions, one attention layer, eight queries; cross entropy for each position. Shipped in"
        " eight bits, all layers but the last.",
        "Hong Kong and Macau plates only in their mainland form. Emergency and civil aviation plates were"
        " learnt from drawings alone, two rows too. The upper row of a motorcycle's plate of 24 px height has"
        " 7 px: its province is often lost below 32 px.",
    ),
}


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def _of(summary: Mapping[str, Any], key: str) -> str:
    return _percent(summary.get(key))


def figures_table(name: str, evaluation: Mapping[str, Any]) -> str:
    """One test set as a table with a column per reader.

    Raises:
        ModelMismatch: Not what ``gatehouse eval plates --json`` writes.
    """
    try:
        readers: Sequence[Mapping[str, Any]] = evaluation["readers"]
        rows = [
            ("plates", [str(r["plates"]) for r in readers]),
            ("exact", [_of(r, "exact") for r in readers]),
            ("exact without province", [_of(r, "exact_without_province") for r in readers]),
            ("exact, the plate a picture is about", [_percent(r["wanted"]["exact"]) for r in readers]),
            ("located at IoU 0.5", [_of(r, "located_at_iou_50") for r in readers]),
            ("false plates", [str(r["false_plates"]) for r in readers]),
            ("median ms a picture", [str((r["ms_per_picture"] or {}).get("median", "-")) for r in readers]),
        ]
        head = f"| {name} | " + " | ".join(str(r["reader"]) for r in readers) + " |"
    except (KeyError, TypeError, AttributeError) as error:
        raise ModelMismatch(name, "is not what gatehouse eval plates --json writes") from error
    lines = [head, "|---" * (len(readers) + 1) + "|"]
    lines += [f"| {row} | " + " | ".join(cells) + " |" for row, cells in rows]
    return "\n".join(lines)


def kinds_table(curves: Mapping[str, Any]) -> str:
    """Exact reading of drawn plates per kind, from ``gatehouse eval plate-curves --json``.

    Raises:
        ModelMismatch: Not what that command writes.
    """
    try:
        readers: Mapping[str, Mapping[str, Mapping[str, float]]] = curves["kinds_at_24_px_and_more"]
        count = int(curves["plates_per_point"])
        first = next(iter(readers.values()))
        rows = [
            [
                str(kind),
                _percent(score["legible"]),
                *(_percent(of[kind][what]) for of in readers.values() for what in ("legible_exact", "exact")),
            ]
            for kind, score in first.items()
        ]
    except (KeyError, TypeError, StopIteration) as error:
        raise ModelMismatch("curves", "is not what gatehouse eval plate-curves --json writes") from error
    heads = [f"{name}, {what}" for name in readers for what in ("exact of the legible", "exact of all")]
    lines = [f"| {count} drawn plates each, 24 to 64 px high | legible | " + " | ".join(heads) + " |"]
    lines.append("|---" * (len(heads) + 2) + "|")
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def _card(entry: ModelEntry, card: _Card) -> str:
    metrics = ", ".join(f"{name} {value:g}" for name, value in entry.metrics.items())
    facts = [
        f"`{entry.file}`, {entry.bytes:,} bytes, {entry.licence}. {entry.source}.",
        f"Input: {entry.input}.",
    ]
    lines = [f"## {card.title}", "", " ".join(facts), ""]
    for word, text in (
        ("Task", card.task),
        ("Data", card.data),
        ("Method", card.method),
        ("Made", entry.made),
        ("Selected on", metrics),
        ("Limits", card.limits),
    ):
        if text:
            lines.append(f"- {word}: {text}")
    return "\n".join(lines)


def write_cards(
    folder: Path, figures: Mapping[str, Path], curves: Path | None, notes: Sequence[str] = ()
) -> Path:
    """Write ``README.md`` beside the manifest.

    Args:
        folder: With ``manifest.toml``.
        figures: Name of a test set, as a reader shall see it, to the JSON of its evaluation.
        curves: JSON of the curves, or None.
        notes: Sentences about how the figures were taken.

    Raises:
        ModelNotFound: No manifest, or a named file is missing.
        ModelMismatch: A file is something else.
    """
    entries = read_manifest(folder / "manifest.toml")
    parts = [_HEAD.strip()]
    parts += [_card(entries[name], card) for name, card in _CARDS.items() if name in entries]
    if figures or curves is not None:
        parts.append("## Figures")
        parts += list(notes)
        parts += [figures_table(name, _json(path)) for name, path in figures.items()]
        if curves is not None:
            parts.append(kinds_table(_json(curves)))
    target = folder / "README.md"
    target.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return target


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelNotFound(path.name, f"cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ModelMismatch(path.name, "is no JSON") from error
