"""Networks that this program makes from others' weights: kept with a checksum, made anew when it is wrong.

Weights decide who comes in, so a kept file that has changed is never used.
"""

import hashlib
import json
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from models.face.weights import find_weights
from models.manifest import sha256_of

log = logging.getLogger(__name__)

Progress = Callable[[float], None]
"""Told the share of the work that is done, 0..1."""


@dataclass(frozen=True, slots=True)
class Made:
    """A network that is made here.

    Attributes:
        file: Name of the ONNX file; its record has the same name, and json behind it.
        source: Weights it is made from, see ``models.face.weights``.
        version: Raised when the made network changes: kept files of another version are made anew.
    """

    file: str
    source: str
    version: int

    @property
    def record(self) -> str:
        """Name of the file with the checksum."""
        return Path(self.file).with_suffix(".json").name

    def fault(self, folder: Path) -> str:
        """What is wrong with the kept network, "" when nothing."""
        path, record_path = folder / self.file, folder / self.record
        if not path.is_file() or not record_path.is_file():
            return "first use"
        try:
            record = json.loads(record_path.read_text(encoding="utf-8"))
            version, expected = record["version"], record["sha256"]
        except (ValueError, KeyError, TypeError):
            return "its record is damaged"
        if version != self.version:
            return "made by another version of this program"
        if sha256_of(path) != expected:
            log.warning("%s has changed since it was made; it is made anew", path)
            return "its checksum is wrong"
        return ""


def ensure_made(
    made: Made, folder: Path, make: Callable[[bytes, Progress], bytes], progress: Progress | None = None
) -> Path:
    """Give the path of a made network; make it when it is missing, damaged or of an older program.

    Args:
        made: Which one.
        folder: Where it is kept; made if absent.
        make: Makes the ONNX file from the content of the weights.
        progress: Told how far it is; not called when nothing needs to be made.

    Returns:
        Path of an ONNX file whose checksum has just been compared.

    Raises:
        ModelNotFound: The weights' package is missing.
        ModelMismatch: The weights are damaged.
        OSError: The folder cannot be written.
    """
    path = folder / made.file
    fault = made.fault(folder)
    if not fault:
        return path
    log.info("making %s (%s)", path, fault)
    report = progress or unheard
    report(0.0)
    source = find_weights(made.source).read_bytes()
    report(0.1)
    content = make(source, lambda share: report(0.1 + 0.7 * share))
    record = {
        "version": made.version,
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "source": made.source,
        "source_sha256": hashlib.sha256(source).hexdigest(),
    }
    report(0.9)
    folder.mkdir(parents=True, exist_ok=True)
    _write_whole(path, content)
    _write_whole(folder / made.record, (json.dumps(record, indent=1) + "\n").encode())
    report(1.0)
    return path


def unheard(_share: float) -> None:
    """Progress that nobody asked for."""


def _write_whole(path: Path, content: bytes) -> None:
    """Write so that after a power cut there is the old file or the new one, never half of one."""
    partial = path.with_suffix(path.suffix + ".part")
    with partial.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(path)
