"""SIGKILL at each place where a picture is half kept, half deleted, or half sent; then a new start.

Whatever is left is whole: each row has its file, each file its row, nothing lies open, and the platform ends
with the picture once. ``python tests/faults/test_picture_kill.py FOLDER`` is the life that dies.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from picture_bench import ALL, AUDIENCE, FACE, TOPICS, PictureBench, jpeg  # noqa: E402

from edge.faults import ENV, PICTURE_POINTS  # noqa: E402
from edge.platform.ledger import Arrival, Ledger  # noqa: E402
from edge.platform.pictures import PictureShelf  # noqa: E402
from edge.store.media_tables import SENT  # noqa: E402
from edge.sync.picture_upload import ack_topic  # noqa: E402

PERSON, SENT_ONE = 1, 3


def live(folder: Path) -> None:
    """One life: keep three pictures, withdraw one, send one."""
    with PictureBench(folder, ALL) as bench:
        if not bench.events and not bench.media.pictures():
            bench.agree("anna")
            bench.pass_by(jpeg(PERSON), FACE, subject="anna")
            bench.pass_by(jpeg(SENT_ONE))
            bench.sets.withdraw_consent("anna")
        carry(bench, folder)


def carry(bench: PictureBench, folder: Path) -> None:
    """The platform takes what there is."""
    ledger, shelf = Ledger(folder / "ledger.db"), PictureShelf(folder / "platform")
    for row in bench.journal.pending(None, 0, 1000):
        ledger.take([Arrival(AUDIENCE, row.stream, row.payload)], now_ns=0, utc_ns=0)
        bench.journal.acknowledge(row.stream, row.epoch, row.seq)
    bench.desk.connected()
    for _ in range(8):
        bench.desk._sender.look_soon()
        bench.desk.turn()
        for _, payload in bench.desk.take_outgoing():
            line, _, part = payload.partition(b"\n")
            answer = shelf.take(AUDIENCE, json.loads(line), part, ledger)
            bench.desk.offer(ack_topic(TOPICS), json.dumps(answer).encode())
    bench.desk.turn()
    ledger.close()


@pytest.mark.parametrize("point", PICTURE_POINTS)
def test_PRIV_1_a_kill_at_any_place_leaves_whole_pictures_sealed_and_no_traces_of_withdrawn_ones(
    tmp_path: Path, point: str
) -> None:
    command = [sys.executable, __file__, str(tmp_path)]
    died = subprocess.run(
        command, env={**os.environ, ENV: point}, capture_output=True, timeout=120, check=False
    )
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    with PictureBench(tmp_path, ALL) as bench:
        assert len(bench.files()) == len(bench.media.pictures())
        for picture in bench.media.pictures():
            bench.media.read(picture.sha256)
        if "anna" not in bench.sets.passage_consents():
            assert bench.media.persons() == frozenset()
        carry(bench, tmp_path)
        assert all(picture.state == SENT for picture in bench.media.pictures())
        for number in (PERSON, SENT_ONE):
            own = [p for p in tmp_path.rglob("*") if p.is_file() and "platform" not in p.parts]
            assert all(jpeg(number)[2:34] not in path.read_bytes() for path in own)
        stored = {one.path.read_bytes() for one in PictureShelf(tmp_path / "platform").stored()}
        assert stored <= {jpeg(SENT_ONE), jpeg(PERSON)}
        if point in ("picture.struck", "picture.sent"):
            assert stored == {jpeg(SENT_ONE)}, "what was whole before the kill arrives"


if __name__ == "__main__":
    live(Path(sys.argv[1]))
