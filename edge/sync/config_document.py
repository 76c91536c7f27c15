"""What the platform asks for: one signed document, read strictly and checked whole. Pure.

The document is a compact JWS (type ``gh-config``) with the claims ``schema`` (1), ``aud``, ``rev``, ``hash``
(SHA-256 over the canonical JSON of ``sections``), ``prev``, ``issued`` (Unix seconds), ``confirm_s``,
``sections`` and, to go back to a lower revision, ``rollback: true``. It is always whole: a section that it
does not name comes from the file on the box.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from drivers.camera.address import shown
from edge.errors import EdgeError, Exit, SettingsError
from edge.jws import CONFIG_TYPE, JwsError, canonical, verify
from edge.records import JsonObject
from edge.settings import Settings
from edge.settings_file import TUNABLE_SECTIONS, with_sections

SCHEMA = 1
SIZE_LIMIT = 128 * 1024
CONFIRM_S_RANGE = (5, 600)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a document; ``path`` is a JSON pointer into ``sections``, or empty."""

    path: str
    code: str
    message: str


class DocumentRefused(EdgeError, ValueError):
    """A document that will not be tried; ``faults`` says why, all at once."""

    exit_code = Exit.DATA

    def __init__(self, *faults: Fault) -> None:
        super().__init__(faults[0].message)
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Document:
    """A signed configuration: signature verified and shape checked; the sections not yet.

    Attributes:
        rev, hash: Its revision, and the hash over its sections. prev: What it was made from, for people.
        issued_s: Unix seconds by the platform's clock. confirm_s: How long the trial may take.
        sections: Whole sections, as in the file. rollback: May have a lower revision than what runs.
    """

    rev: int
    hash: str
    prev: int
    issued_s: float
    confirm_s: int
    sections: JsonObject
    rollback: bool = False

    @property
    def key(self) -> tuple[int, str]:
        """What tells two documents apart."""
        return self.rev, self.hash


def sections_hash(sections: JsonObject) -> str:
    """The hash that a document carries over its sections."""
    return "sha256:" + hashlib.sha256(canonical(sections)).hexdigest()


def effective_hash(settings: Settings) -> str:
    """Hash over the tunable sections as they run, defaults included; differs when the file differs."""
    return sections_hash(settings.model_dump(mode="json", include=set(TUNABLE_SECTIONS)))


def read_document(raw: bytes, keys: Mapping[str, Ed25519PublicKey], audience: str) -> Document:
    """Verify signature, address and shape.

    Raises:
        DocumentRefused: It is forged, for somebody else, or not a document of this schema.
    """
    if len(raw) > SIZE_LIMIT:
        raise DocumentRefused(Fault("", "size", f"{len(raw)} bytes, at most {SIZE_LIMIT}"))
    try:
        claims = verify(raw, keys, typ=CONFIG_TYPE).claims
    except JwsError as error:
        raise DocumentRefused(Fault("", "signature", str(error))) from None
    if claims.get("aud") != audience:
        raise DocumentRefused(Fault("", "aud", f"meant for {claims.get('aud')!r}, this is {audience!r}"))
    if claims.get("schema") != SCHEMA:
        schema = claims.get("schema")
        raise DocumentRefused(Fault("", "schema", f"schema {schema!r}; this box reads {SCHEMA}"))
    faults = _shape_faults(claims)
    if faults:
        raise DocumentRefused(*faults)
    if claims["hash"] != sections_hash(claims["sections"]):
        raise DocumentRefused(Fault("", "hash", "hash does not match the sections"))
    return document_from_json(claims)


def settings_for(base: Settings, document: Document | None) -> Settings:
    """The configuration of the box with a document laid over its file.

    Raises:
        DocumentRefused: One fault per problem, with its path.
    """
    if document is None:
        return base
    try:
        return with_sections(base, document.sections)
    except SettingsError as error:
        raise DocumentRefused(*(_fault(line) for line in error.problems or (str(error),))) from None


def document_to_json(document: Document) -> dict[str, Any]:
    """The document as the claims that it came from."""
    claims = asdict(document)
    claims["issued"] = claims.pop("issued_s")
    return claims


def document_from_json(claims: JsonObject) -> Document:
    """The document from claims whose shape was checked."""
    return Document(
        rev=claims["rev"],
        hash=claims["hash"],
        prev=claims["prev"],
        issued_s=float(claims["issued"]),
        confirm_s=claims["confirm_s"],
        sections=claims["sections"],
        rollback=claims.get("rollback", False),
    )


_REQUIRED: Mapping[str, type | tuple[type, ...]] = {
    "rev": int,
    "hash": str,
    "prev": int,
    "issued": (int, float),
    "confirm_s": int,
    "sections": dict,
}


def _shape_faults(claims: JsonObject) -> list[Fault]:
    faults = [
        Fault("", name, f"{name} is missing or of the wrong type")
        for name, kinds in _REQUIRED.items()
        if not isinstance(claims.get(name), kinds) or isinstance(claims.get(name), bool)
    ]
    unknown = set(claims) - set(_REQUIRED) - {"aud", "schema", "rollback"}
    faults += [Fault("", name, f"{name} is not a member of schema {SCHEMA}") for name in sorted(unknown)]
    if not isinstance(claims.get("rollback", False), bool):
        faults.append(Fault("", "rollback", "rollback must be true or false"))
    if faults:
        return faults
    least, most = CONFIRM_S_RANGE
    if not least <= claims["confirm_s"] <= most:
        faults.append(Fault("", "confirm_s", f"confirm_s must be {least} to {most}"))
    if not 0 < claims["rev"] < 1 << 53:
        faults.append(Fault("", "rev", "rev must be from 1 to 2^53 - 1"))
    if not 0 <= claims["issued"] < 1 << 40:
        faults.append(Fault("", "issued", "issued must be Unix seconds"))
    return faults


def _fault(problem: str) -> Fault:
    """A line of ``SettingsError.problems`` (``lanes.gate.open.board: no board ...``) with a JSON pointer."""
    # Whoever reads reports need not know a camera's password.
    path, colon, message = shown(problem).partition(": ")
    if not colon or " " in path:
        return Fault("", "invalid", shown(problem))
    return Fault("/" + path.replace(".", "/"), "invalid", message)
