"""The paper that a withdrawal leaves: a JSON file for each receipt, beside ``sets.db``, without a name."""

import json
import logging
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edge.store.salvage import flush_folder
from edge.store.set_tables import Receipt

log = logging.getLogger(__name__)

CONSENT_WITHDRAWN = "consent withdrawn"
PERSON_REMOVED = "person removed"
ROSTER_REPLACED = "roster replaced"
PLATFORM_REVOKED = "revoked by the platform"
_IN_CHINESE = {
    CONSENT_WITHDRAWN: "撤回同意",
    PERSON_REMOVED: "人员删除",
    ROSTER_REPLACED: "名单整体替换",
    PLATFORM_REVOKED: "平台撤销",
}


def receipt_to_json(receipt: Receipt) -> dict[str, Any]:
    """A receipt as files, events and answers to the platform write it."""
    moment = datetime.fromtimestamp(receipt.when_utc_s, UTC)
    return {
        "receipt": receipt.id,
        "person": receipt.person,
        "why": receipt.why,
        "why_zh": _IN_CHINESE.get(receipt.why, receipt.why),
        "when": f"{moment:%Y-%m-%dT%H:%M:%SZ}",
        "templates": receipt.templates,
        "pictures": receipt.pictures,
        "sha256": receipt.sha256,
        "text_version": receipt.text_version,
        "rev": receipt.rev,
    }


def receipt_path(folder: Path, receipt: Receipt) -> Path:
    """Where the paper of a receipt lies."""
    return folder / f"{receipt.id}.json"


def write_receipt(folder: Path, receipt: Receipt) -> Path:
    """Write the paper, whole or not at all. The receipt itself is safe in ``sets.db`` all the same."""
    path = receipt_path(folder, receipt)
    draft = path.with_suffix(".new")
    text = json.dumps(receipt_to_json(receipt), ensure_ascii=False, indent=2) + "\n"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        flush_folder(folder)
    except OSError as error:
        log.error("%s: the receipt cannot be written as a file: %s", path, error.strerror)
    return path
