"""The doctor's checks that need no hands, of a box whose daemon runs: what it holds is asked, not opened."""

from collections.abc import Iterator, Mapping

from edge.clock import Clock
from edge.doctor import Finding, Grade, examine_brokers, examine_clock, examine_disk, examine_machine
from edge.health import Alarms
from edge.lanes import BoardWorker
from edge.settings import Settings
from edge.vision import Eye
from edge.vision.pushed import PushedEye


def examine_running(
    settings: Settings,
    eyes: Mapping[str, Eye | PushedEye],
    boards: Mapping[str, BoardWorker],
    alarms: Alarms,
    clock: Clock,
) -> list[Finding]:
    """Look at everything; nothing moves and no session is taken away. Blocks for seconds (disk, brokers)."""
    return [
        *examine_machine(),
        examine_clock(clock),
        *examine_disk(settings.device.state_dir),
        *_cameras(eyes),
        *_boards(boards),
        *_alarms(alarms),
        *examine_brokers(settings, clock),
    ]


def _cameras(eyes: Mapping[str, Eye | PushedEye]) -> Iterator[Finding]:
    for name, eye in eyes.items():
        part, stats = f"camera {name}", eye.stats
        if isinstance(eye, PushedEye):
            yield Finding(part, Grade.UNASKED, "it sends its readings by itself, when a car comes")
        elif stats.film_ended:
            yield Finding(part, Grade.UNASKED, "its film has ended")
        elif stats.is_seeing:
            networks = ", ".join(network for _, network in stats.models) or "no network yet"
            yield Finding(part, Grade.GOOD, f"{stats.fps:.1f} pictures a second for {networks}")
        else:
            advice = "gatehouse doctor on the box says why"
            yield Finding(part, Grade.BAD, "no pictures come", advice, "请在设备上运行 gatehouse doctor")


def _boards(boards: Mapping[str, BoardWorker]) -> Iterator[Finding]:
    for name, board in boards.items():
        status = board.status
        grade = Grade.GOOD if status.is_up else Grade.BAD
        yield Finding(f"board {name}", grade, status.detail)


def _alarms(alarms: Alarms) -> Iterator[Finding]:
    for alarm in alarms.standing():
        yield Finding(f"alarm {alarm.name}", Grade.DOUBTFUL, f"{alarm.subject}: {alarm.detail}")
