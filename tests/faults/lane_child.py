"""A daemon in small, made to be killed: boards, journal and one lane on ports that outlive it.

    python tests/faults/lane_child.py KIND FOLDER DECISION_ID

Submits one permit to the lane (see ``lane_sites``), writes FOLDER/up before and FOLDER/unfinished at the
start, then stays up until it is killed or told to end by a line on standard input.
"""

import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "faults")]

from lane_rig import CLOCK, grant  # noqa: E402
from lane_sites import SITES  # noqa: E402

from edge.health import Alarms  # noqa: E402
from edge.lanes import Boards, Lane  # noqa: E402
from edge.store.journal import Journal  # noqa: E402


def main(kind: str, folder: Path, decision_id: str) -> None:
    site = SITES[kind]
    settings = site.settings(folder)
    alarms = Alarms(CLOCK)
    journal = Journal(
        folder / "events.db", CLOCK, tenant="home", device="test-box", alarms=alarms, boot_id="boot-1"
    )
    (folder / "unfinished").write_text(" ".join(journal.unfinished_actuations()))
    journal.start()
    boards = Boards(settings, CLOCK, alarms)
    for board in boards.values():
        board.start()
    lane = Lane(site.lane, settings, boards, journal, CLOCK, alarms)
    lane.start()
    while not all(board.is_up for board in boards.values()) or not site.is_ready(lane.status):
        time.sleep(0.005)
    time.sleep(site.settles_s)
    (folder / "up").write_text("up")
    lane.submit(grant(site.lane, id=decision_id, visit=decision_id, lives_s=120.0))
    sys.stdin.readline()
    lane.close()
    for board in boards.values():
        board.close()
    journal.close()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
