"""How lanes and boards do at this moment, as JSON can hold it: for the command line and the console."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from edge.clock import NS_PER_S, Clock
from edge.errors import JournalError
from edge.health import Alarms
from edge.lanes import BoardWorker, Lane
from edge.readers import Readers
from edge.records import JsonObject, Prompt
from edge.settings import Settings
from edge.signs import Signs
from edge.store import Journal
from edge.sync import UplinkStatus
from edge.vision import Eye
from edge.vision.pushed import PushedEye


def overview(
    settings: Settings,
    lanes: Mapping[str, Lane],
    boards: Mapping[str, BoardWorker],
    alarms: Alarms,
    clock: Clock,
    prompts: Sequence[Prompt] = (),
) -> JsonObject:
    """Everything there is to say about the hardware now.

    Times are ages in seconds, because whoever reads this has another clock in mind.
    """
    now_ns = clock.boot_ns()
    return {
        "device": f"{settings.device.tenant}/{settings.device.id}",
        "lanes": [
            asdict(status) | {"for_s": round((now_ns - status.since_ns) / NS_PER_S, 1)}
            for status in (lane.status for lane in lanes.values())
        ],
        "boards": [
            asdict(board.status) | {"type": settings.boards[name].type, "port": settings.boards[name].port}
            for name, board in boards.items()
        ],
        "alarms": [
            {
                "name": alarm.name,
                "subject": alarm.subject,
                "detail": alarm.detail,
                "for_s": round((now_ns - alarm.since_ns) / NS_PER_S, 1),
            }
            for alarm in alarms.standing()
        ],
        "prompts": [
            {
                "lane": prompt.lane,
                "step": prompt.step.value,
                "en": prompt.en,
                "zh": prompt.zh,
                "for_s": round((prompt.until_ns - now_ns) / NS_PER_S, 1),
            }
            for prompt in prompts
        ],
    }


def views(settings: Settings, eyes: Mapping[str, Eye | PushedEye]) -> JsonObject:
    """How each camera does, with the numbers of its picture (``edge.vision.gauge``), and whom it has seen.

    ``tracks`` are followed now; ``counts`` are since the daemon started: who came into view, who of them was
    read, and who crossed the camera's line.
    """
    cameras = []
    for name, eye in eyes.items():
        stats = eye.stats
        cameras.append(
            {
                "name": name,
                "type": settings.cameras[name].type,
                "is_seeing": stats.is_seeing,
                "fps": stats.fps,
                "frames": stats.stats.frames,
                "dropped": stats.dropped,
                "searched": stats.stats.searched,
                "reads": stats.stats.reads,
                "tracks": stats.stats.tracks,
                "opened": stats.stats.opened,
                "runs": stats.runs,
                "sightings": stats.sightings,
                "rss_mb": stats.stats.rss_mb,
                "picture": dict(stats.stats.picture),
                "counts": {what: round(count) for what, count in stats.counts.items()},
            }
        )
    return {"cameras": cameras}


def beside(signs: Signs, readers: Readers) -> JsonObject:
    """What stands beside the lanes: displays with their text, and readers."""
    return {
        "displays": [asdict(card.status) for card in signs.cards.values()],
        "readers": [asdict(status) for status in readers.statuses],
    }


def parts(
    settings: Settings, boards: Mapping[str, BoardWorker], signs: Signs, readers: Readers
) -> JsonObject:
    """What this box is made of, for its birth certificate."""
    return {
        "lanes": {
            name: {"type": lane.type, "direction": lane.direction} for name, lane in settings.lanes.items()
        },
        "boards": {name: board.status.detail for name, board in boards.items()},
        "displays": {name: card.status.type for name, card in signs.cards.items()},
        "readers": {status.name: {"type": status.type, "lane": status.lane} for status in readers.statuses},
    }


def link_numbers(journal: Journal, status: UplinkStatus, state_dir: Path) -> JsonObject:
    """How journal and link do, for whoever watches thousands of boxes; None for what cannot be had now."""
    times = journal.commit_times()
    try:
        backlog: int | None = sum(journal.backlog().values())
    except JournalError:  # its own alarm stands
        backlog = None
    try:
        free_mb: int | None = shutil.disk_usage(state_dir).free >> 20
    except OSError:
        free_mb = None
    return {
        "backlog": backlog,
        "in_flight": status.in_flight,
        "acknowledged": status.acknowledged,
        "conn": status.conn,
        "commit_p50_ms": round(times.median_ms, 3),
        "commit_p99_ms": round(times.p99_ms, 3),
        "disk_free_mb": free_mb,
    }
