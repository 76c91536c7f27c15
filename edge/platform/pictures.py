"""Pictures of passages on the platform's side: taken part by part, checked, kept, and deleted when they must.

    pictures/<tenant>/<device>/<sha256>.part     on its way; its length is the place to go on from
    pictures/<tenant>/<device>/<sha256>.jpg      whole, and its hash is right
    pictures/<tenant>/<device>/<sha256>.json     what it shows, and its event

A picture is taken only of an event that is in the ledger and names it. When a box reports that it deleted
pictures because a consent is gone, they are deleted here too.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.errors import Unavailable
from edge.platform.counterpart import topics_of
from edge.platform.ledger import Ledger
from edge.records import JsonObject, Stream
from edge.store.envelope import EnvelopeInvalid, from_wire, json_bytes
from edge.store.receipts import CONSENT_WITHDRAWN, PERSON_REMOVED, PLATFORM_REVOKED, ROSTER_REPLACED
from edge.store.salvage import flush_folder

FOLDER, PLACE_FILE = "pictures", "deletions.place"
MOST_BYTES = 256 * 1024
MOST_ROWS, SAVE_EVERY = 1000, 10_000
GONE_FOR_GOOD = frozenset({CONSENT_WITHDRAWN, PERSON_REMOVED, PLATFORM_REVOKED, ROSTER_REPLACED})
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class StoredPicture:
    """A picture that is whole. ``about``: what the box said of it; ``path``: the JPEG."""

    device: str
    sha256: str
    path: Path
    about: JsonObject


class PictureShelf:
    """The files. Thread: one at a time; another process may read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / FOLDER
        self._gone: set[tuple[str, str]] = set()
        self._followed: int | None = None
        self._saved = 0

    def take(self, device: str, header: Mapping[str, Any], part: bytes, ledger: Ledger) -> JsonObject:
        """One message of a box to its answer; what is answered is on the disk.

        Args:
            device: "tenant/device", of the topic.
            header: See ``edge.sync.picture_upload``.
            part: Of the JPEG, from the header's offset on.
            ledger: Has the event, or not.

        Raises:
            Unavailable: The disk refuses; nothing is answered, and the box asks again.
        """
        sha256, size, offset = header.get("sha256"), header.get("bytes"), header.get("offset")
        if not isinstance(sha256, str) or not _HASH.fullmatch(sha256):
            return {"sha256": str(sha256)[:64], "refused": "sha256 is none"}
        about = {"sha256": sha256}
        if not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= MOST_BYTES:
            return {**about, "refused": f"bytes is not from 1 to {MOST_BYTES}"}
        if (device, sha256) in self._gone:  # its last part has overtaken the word that it is deleted
            return {**about, "refused": "it was deleted"}
        whole = self._path(device, sha256, "jpg")
        if whole.exists():
            return {**about, "done": True}
        if not _is_named(ledger, device, header, sha256):
            return {**about, "refused": "no event that is here names it", "later": True}
        try:
            have = self._have(device, sha256)
            if offset == have and part:
                have += self._append(device, sha256, part[: size - have + 1])
            if have < size:
                return {**about, "have": have}
            return self._finish(device, sha256, header)
        except OSError as error:
            raise Unavailable(f"{whole.parent}: cannot be written: {error.strerror}") from error

    def stored(self, device: str = "") -> Iterator[StoredPicture]:
        """Every picture that is whole, of one box or of all."""
        for path in sorted(self._folder.glob("*/*/*.jpg")):
            owner = "/".join(path.parts[-3:-1])
            if device in ("", owner):
                try:
                    about = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
                except (OSError, ValueError):
                    about = {}
                yield StoredPicture(owner, path.stem, path, about)

    def delete(self, device: str, sha256: str) -> bool:
        """Delete a picture and what there is of it; False when there was nothing."""
        gone = False
        for suffix in ("jpg", "part", "json"):
            path = self._path(device, sha256, suffix)
            gone = gone or path.exists()
            path.unlink(missing_ok=True)
        return gone

    def follow(self, ledger: Ledger) -> int:
        """Delete what boxes have deleted because a consent is gone; returns how many pictures that were."""
        place_file = self._folder / PLACE_FILE
        if self._followed is None:
            self._followed = self._saved = int(place_file.read_text()) if place_file.exists() else 0
        top = ledger.last_place()
        rows = ledger.of_type("pictures.deleted", self._followed, MOST_ROWS)
        count = 0
        for _, device, payload in rows:
            data = from_wire(payload).event.data
            told = data.get("sha256")
            if isinstance(told, list) and str(data.get("why")) in GONE_FOR_GOOD:
                names = [name for name in told if isinstance(name, str) and _HASH.fullmatch(name)]
                self._gone.update((device, name) for name in names)
                count += sum(self.delete(device, name) for name in names)
        last = rows[-1][0] if rows else 0
        self._followed = last if len(rows) == MOST_ROWS else max(top, last)
        if rows or self._followed - self._saved > SAVE_EVERY:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write(place_file, str(self._followed).encode())
            self._saved = self._followed
        return count

    def _have(self, device: str, sha256: str) -> int:
        try:
            return self._path(device, sha256, "part").stat().st_size
        except FileNotFoundError:
            return 0

    def _append(self, device: str, sha256: str, part: bytes) -> int:
        path = self._path(device, sha256, "part")
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "ab") as file:
            file.write(part)
            file.flush()
            os.fsync(file.fileno())
        return len(part)

    def _finish(self, device: str, sha256: str, header: Mapping[str, Any]) -> JsonObject:
        """All parts are here: they are what the event names, or nothing."""
        part = self._path(device, sha256, "part")
        if hashlib.sha256(part.read_bytes()).hexdigest() != sha256:
            part.unlink()
            return {"sha256": sha256, "have": 0, "damaged": True}
        about = {name: value for name, value in header.items() if name != "offset"}
        _write(self._path(device, sha256, "json"), json_bytes(about))
        part.replace(self._path(device, sha256, "jpg"))
        flush_folder(part.parent)
        return {"sha256": sha256, "done": True}

    def _path(self, device: str, sha256: str, suffix: str) -> Path:
        topics = topics_of(device)  # its names hold no slash and no dot
        return self._folder / topics.tenant / topics.device / f"{sha256}.{suffix}"


def _is_named(ledger: Ledger, device: str, header: Mapping[str, Any], sha256: str) -> bool:
    """Whether the event that the header speaks of is here and refers to this picture."""
    epoch, seq = header.get("epoch"), header.get("seq")
    if not isinstance(epoch, str) or not isinstance(seq, int) or not 0 < seq < 1 << 62:
        return False
    payload = ledger.payload_at(device, epoch, Stream.ACCESS, seq)
    if payload is None:
        return False
    try:
        named = from_wire(payload).event.data.get("picture")
    except EnvelopeInvalid:
        return False
    return isinstance(named, dict) and named.get("sha256") == sha256


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all."""
    draft = path.with_name(f"{path.name}.new")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
