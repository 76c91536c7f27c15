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
