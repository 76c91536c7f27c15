"""A daemon in small, made to be killed: boards, journal and one lane on ports that outlive it.

    python tests/faults/lane_child.py FOLDER DECISION_ID

Submits one permit, writes ``done`` or ``unknown`` or ... to FOLDER/result when its end is known, then stays
up until it is killed or told to end by a line on standard input.
"""

import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from lane_rig import CLOCK, grant, settings_for  # noqa: E402

from edge.health import Alarms  # noqa: E402
from edge.lanes import Boards, Lane  # noqa: E402
from edge.store.journal import Journal  # noqa: E402


def main(folder: Path, decision_id: str) -> None:
    settings = settings_for(str(folder / "relays"), str(folder / "inputs"), folder)
    alarms = Alarms(CLOCK)
    journal = Journal(
        folder / "events.db", CLOCK, tenant="home", device="test-box", alarms=alarms, boot_id="boot-1"
    )
    (folder / "unfinished").write_text(" ".join(journal.unfinished_actuations()))
    journal.start()
    boards = Boards(settings, CLOCK, alarms)
    for board in boards.values():
        board.start()
    lane = Lane("gate", settings, boards, journal, CLOCK, alarms)
    lane.start()
    while not all(board.is_up for board in boards.values()) or lane.status.phase != "closed":
        time.sleep(0.005)
    (folder / "up").write_text("up")
    lane.submit(grant(id=decision_id, visit=decision_id, lives_s=5.0))
    sys.stdin.readline()
    lane.close()
    for board in boards.values():
        board.close()
    journal.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
