"""The desk of a box: where pictures are kept, or were once and are still to be deleted in time."""

import logging
from collections.abc import Callable

from edge.clock import Clock
from edge.errors import EdgeError
from edge.health import Alarms
from edge.pictures.desk import FAILED, SUBJECT, PictureDesk
from edge.settings import Settings
from edge.store import Journal, ScopeLayer, SetStore, Vault
from edge.store.media import MEDIA_FILE, Media
from edge.sync.topics import Topics

log = logging.getLogger(__name__)

LEAST_FREE_MB = 16


def open_pictures(
    settings: Settings,
    vault: Vault,
    journal: Journal,
    sets: SetStore,
    layer: ScopeLayer | None,
    clock: Clock,
    alarms: Alarms,
    grounds: Callable[[], object],
) -> PictureDesk | None:
    """Open the store and make the desk; a box without pictures works like any other.

    Args:
        settings: The file's.
        vault: Seals them.
        journal: Names them.
        sets: Consents that were given here; receipts go there.
        layer: Consents that the platform publishes.
        clock: Boot time and UTC.
        alarms: ``pictures.failed`` when the store cannot be opened.
        grounds: Another object whenever roster or consents may have changed.

    Returns:
        None: none are kept, or none can be.
    """
    path = settings.device.state_dir / MEDIA_FILE
    if not settings.pictures.kinds and not path.exists():
        return None
    try:
        media = Media(
            path,
            vault,
            clock,
            quota_mb=settings.pictures.quota_mb,
            # The reserve twice: so much must be free for it to be held again after it was used up.
            leave_free_mb=max(2 * settings.store.reserve_mb, LEAST_FREE_MB),
            may_salvage=True,
        )
    except EdgeError as error:
        alarms.set(FAILED, SUBJECT, f"{error}; no picture is kept")
        return None

    def consents() -> dict[str, str]:
        mine = sets.passage_consents()
        return mine if layer is None else layer.passage_consents(mine)

    return PictureDesk(
        settings.pictures,
        media,
        journal,
        clock,
        alarms,
        topics=Topics(settings.device.tenant, settings.device.id),
        consents=consents,
        witness=sets.witness_passages,
        grounds=grounds,
    )
