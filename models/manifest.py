"""What is known about each weights file: where it comes from, what may be done with it, what it must hash to.

``models/weights/manifest.toml`` has one table ``[model.<name>]`` per file. Files of our own lie beside it;
the others carry the address they are published at and are fetched or placed by hand. A file is used only
when its SHA-256 is the one written here: weights decide who comes in.
"""

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.errors import ModelMismatch, ModelNotFound

MANIFEST = Path(__file__).resolve().parent / "weights" / "manifest.toml"
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One weights file.

    Attributes:
        name: Its key in the manifest.
        file: File name.
        bytes: Size.
        sha256: Hexadecimal digest of the content.
        licence: SPDX identifier, or the publisher's own words.
        source: Who made it.
        url: Official address it can be fetched from; "" for files of our own.
        input: Input as people would say it: shape, colour order, scale.
        made: How it was made, for files of our own.
        metrics: Measured figures, by name.
    """

    name: str
    file: str
    bytes: int
    sha256: str
    licence: str
    source: str
    url: str = ""
    input: str = ""
    made: str = ""
    metrics: Mapping[str, Any] = field(default_factory=dict)

    def locate(self, *folders: Path) -> Path:
        """Find the file in one of the folders (then beside the manifest) and check it.

        Raises:
            ModelNotFound: It lies in none of them.
            ModelMismatch: It lies there with another size or another SHA-256.
        """
        places = (*folders, MANIFEST.parent)
        for folder in places:
            path = folder / self.file
            if path.is_file():
                self.check(path)
                return path
        hint = f"fetch it from {self.url}" if self.url else "it belongs to this program: install it again"
        raise ModelNotFound(
            self.name, f"no {self.file} in {', '.join(str(place) for place in places)}; {hint}"
        )

    def check(self, path: Path) -> None:
        """Compare a file with this entry.

        Raises:
            ModelMismatch: Another size or another SHA-256.
        """
        size = path.stat().st_size
        if size != self.bytes:
            raise ModelMismatch(
                self.name, f"{path} has {size} bytes, {self.bytes} were expected: fetch it again"
            )
        found = sha256_of(path)
        if found != self.sha256:
            raise ModelMismatch(
                self.name,
                f"{path} has SHA-256 {found[:16]}..., {self.sha256[:16]}... was expected: fetch it again",
            )


def read_manifest(path: Path = MANIFEST) -> dict[str, ModelEntry]:
    """Read all entries.

    Raises:
        ModelNotFound: No manifest there.
        ModelMismatch: Not TOML, or an entry without a wanted field or with an unknown one.
    """
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelNotFound("manifest", f"no such file: {path}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ModelMismatch("manifest", f"{path} is not TOML: {error}") from error
    return {name: _entry(name, table) for name, table in tree.get("model", {}).items()}


def find_model(name: str, path: Path = MANIFEST) -> ModelEntry:
    """Look one entry up.

    Raises:
        ModelNotFound: The manifest does not name it.
    """
    entries = read_manifest(path)
    if name not in entries:
        raise ModelNotFound(name, f"not in {path.name}, which has: {', '.join(sorted(entries)) or 'nothing'}")
    return entries[name]


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


_WANTED: Mapping[str, type] = {"file": str, "bytes": int, "sha256": str, "licence": str, "source": str}
_FURTHER: Mapping[str, type] = {"url": str, "input": str, "made": str, "metrics": dict}


def _entry(name: str, table: Any) -> ModelEntry:
    if not isinstance(table, dict):
        raise ModelMismatch("manifest", f"model.{name} must be a table")
    known = {**_WANTED, **_FURTHER}
    for key, value in table.items():
        if key not in known:
            raise ModelMismatch("manifest", f"model.{name}.{key} is unknown; known: {', '.join(known)}")
        if not isinstance(value, known[key]):
            raise ModelMismatch("manifest", f"model.{name}.{key} must be a {known[key].__name__}")
    missing = [key for key in _WANTED if key not in table]
    if missing:
        raise ModelMismatch("manifest", f"model.{name} lacks {', '.join(missing)}")
    if len(table["sha256"]) != hashlib.sha256().digest_size * 2:
        raise ModelMismatch("manifest", f"model.{name}.sha256 must have 64 hexadecimal digits")
    return ModelEntry(name=name, **table)
