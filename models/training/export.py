"""From trained weights to the files that ship: ONNX, proof that it computes the same, manifest entry."""

import datetime as dt
import logging
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import nn

from models.errors import ModelMismatch, ModelNotFound
from models.manifest import sha256_of
from models.plate.detector import INPUT_PX
from models.plate.lattice_reader import CROP_PX
from models.plate.refiner import PATCH_PX
from models.runtime import open_session
from models.training.nets import DetectorNet, ReaderNet, RefinerNet
from models.training.smaller import drawn_crops, to_eight_bits

log = logging.getLogger(__name__)

WEIGHTS: Final = Path(__file__).resolve().parent.parent / "weights"
_OPSET: Final = 17
_AGREE: Final = 2e-3
_SHOWN: Final = 512
_SAME: Final = 0.98


@dataclass(frozen=True, slots=True)
class Part:
    """What differs between the nets when they are exported."""

    net: type[nn.Module]
    input_px: tuple[int, int]
    outputs: tuple[str, ...]
    free_size: bool
    text: str
    eight_bits: bool = False


PARTS: Final[Mapping[str, Part]] = {
    "plate_reader": Part(
        ReaderNet,
        CROP_PX,
        ("characters", "kinds"),
        False,
        "uint8 BGR crops (n, 48, 144, 3), cut by rectify",
        eight_bits=True,
    ),
    "plate_refiner": Part(
        RefinerNet,
        PATCH_PX,
        ("corners",),
        False,
        "uint8 BGR cuts (n, 64, 128, 3), a plate with its surroundings",
    ),
    "plate_detector": Part(
        DetectorNet, INPUT_PX, ("map",), True, "uint8 BGR pictures (n, h, w, 3), h and w multiples of 32"
    ),
}


def export(name: str, weights: Path, target: Path) -> Path:
    """Write one net as ONNX and check on random pictures that onnxruntime computes what torch computes.

    Args:
        name: One of `PARTS`.
        weights: Averaged weights as `train` left them.
        target: Folder of the ONNX file.

    Raises:
        ModelNotFound: No such weights.
        ModelMismatch: The two disagree.
    """
    if not weights.is_file():
        raise ModelNotFound(name, f"no weights at {weights}; train first")
    part = PARTS[name]
    net = part.net()
    state = torch.load(weights, weights_only=True)
    net.load_state_dict(state.get("mean", state))
    net.eval()
    width, height = part.input_px
    chance = np.random.default_rng(5)
    pictures = chance.integers(0, 256, (2, height, width, 3), np.uint8)
    axes: dict[str, dict[int, str]] = {each: {0: "n"} for each in ("pictures", *part.outputs)}
    if part.free_size:
        axes["pictures"] |= {1: "height", 2: "width"}
        axes["map"] |= {2: "rows", 3: "columns"}
    path = target / f"{name}.onnx"
    torch.onnx.export(
        net,
        (torch.from_numpy(pictures),),
        str(path),
        input_names=["pictures"],
        output_names=list(part.outputs),
        dynamic_axes=axes,
        opset_version=_OPSET,
        dynamo=False,
    )
    with torch.inference_mode():
        wanted = net(torch.from_numpy(pictures))
    wanted = wanted if isinstance(wanted, tuple) else (wanted,)
    found = open_session(path).run(pictures)
    for ours, theirs in zip(found, wanted, strict=True):
        apart = float(np.abs(ours - theirs.numpy()).max() / max(1.0, float(np.abs(ours).max())))
        if apart > _AGREE:
            raise ModelMismatch(name, f"the exported file computes something else (by {apart:.2g})")
    log.info("%s: %d bytes", path, path.stat().st_size)
    if part.eight_bits:
        _shrink(path)
    return path


def _shrink(path: Path) -> None:
    """Put the net into eight bits, and see that it still reads what it read.

    Raises:
        ModelMismatch: It reads otherwise.
    """
    shown = drawn_crops(_SHOWN, 88)
    before = open_session(path).run(shown)[0].argmax(axis=-1)
    to_eight_bits(path)
    same = float((open_session(path).run(shown)[0].argmax(axis=-1) == before).mean())
    log.info("%s: %.2f %% of the characters as before", path, 100 * same)
    if same < _SAME:
        raise ModelMismatch(
            path.stem, f"in eight bits only {100 * same:.1f} % of the characters are the same"
        )


def write_entry(path: Path, made: str, metrics: Mapping[str, float | str], target: Path) -> None:
    """Put or replace the file's table in ``target/manifest.toml``; other tables stay as they are."""
    manifest = target / "manifest.toml"
    text = manifest.read_text(encoding="utf-8") if manifest.is_file() else ""
    name = path.stem
    figures = ", ".join(f'"{key}" = {_toml(value)}' for key, value in metrics.items())
    entry = (
        f"[model.{name}]\n"
        f'file = "{path.name}"\n'
        f"bytes = {path.stat().st_size}\n"
        f'sha256 = "{sha256_of(path)}"\n'
        f'licence = "Apache-2.0"\n'
        f'source = "trained by models.training, {dt.datetime.now(dt.UTC).date()}"\n'
        f'input = "{PARTS[name].text}"\n'
        f"made = {_toml(made)}\n"
        f"metrics = {{ {figures} }}\n"
    )
    head = f"[model.{name}]\n"
    if head in text:
        start = text.index(head)
        end = text.find("\n[", start + 1)
        text = text[:start] + entry + (text[end:] if end >= 0 else "")
    else:
        text = (text.rstrip() + "\n\n" if text.strip() else "") + entry
    tomllib.loads(text)  # never leave a manifest behind that cannot be read
    manifest.write_text(text, encoding="utf-8")


def _toml(value: float | str) -> str:
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") + '"'
    return repr(round(value, 4))
