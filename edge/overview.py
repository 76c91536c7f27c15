"""How lanes and boards do at this moment, as JSON can hold it: for the command line and the console."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from edge.clock import NS_PER_S, Clock
from edge.health import Alarms
from edge.lanes import BoardWorker, Lane
from edge.readers import Readers
from edge.records import JsonObject, Prompt
from edge.settings import Settings
from edge.signs import Signs
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
    """How each camera does, with the numbers of its picture (``edge.vision.gauge``)."""
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
                "reads": stats.stats.reads,
                "opened": stats.stats.opened,
                "runs": stats.runs,
                "sightings": stats.sightings,
                "rss_mb": stats.stats.rss_mb,
                "picture": dict(stats.stats.picture),
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
