"""Box and platform do not know the same: a disk that has lost what was sent, a card or a ledger put back."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from sync_bench import AUDIENCE, PROTOCOLS, TOPICS, Bench, Box, Stranger, numbers, until

from edge.platform import Counterpart
from edge.platform.counterpart import LEDGER_FILE
from edge.records import Stream
from edge.store.envelope import from_wire, verify_chain

pytestmark = pytest.mark.mosquitto

LOST = 20


def delivered(box: Box, what: str) -> None:
    until(lambda: box.backlog() == 0, what=what)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("again", [1, LOST, 90])
def test_DEL_2_a_card_put_back_to_an_older_state_loses_and_doubles_nothing(
    tmp_path: Path, protocol: str, again: int
) -> None:
    with Bench(tmp_path, protocol=protocol) as bench:
        platform, box = bench.platform(), bench.box()
        box.happen(30)
        delivered(box, "the first day")
        epoch = box.journal.epoch
        box.close()
        kept = tmp_path / "yesterday.db"
        shutil.copy(box.journal.path, kept)
        box = bench.box()
        box.happen(LOST)
        delivered(box, "what the card will not know")
        box.close()
        for path in box.journal.path.parent.glob("events.db*"):
            path.unlink()
        shutil.copy(kept, box.journal.path)

        box = bench.new_box()
        box.happen(again)  # under the sequences of what was lost
        box.start()
        until(lambda: box.journal.epoch != epoch, what="it notices")
        delivered(box, "all of the third day")
        box.happen(5)
        delivered(box, "and it goes on")
        wanted = [*range(30), *range(LOST), *range(again + 5)]
        assert numbers(platform) == wanted, "each once, in the order of its day"
        assert verify_chain(platform.ledger.payloads(AUDIENCE)) is None
        assert "the platform has" in box.alarm("journal.forked")
        [told] = platform.events(AUDIENCE, Stream.ALARM)
        assert "journal.forked" in told["type"]
        assert told["data"]["left"] == epoch
        rows = box.journal.tail(0, limit=1000)
        assert verify_chain(row.payload for row in rows) is None, "what is on the box is whole, too"
        again_seqs = [from_wire(row.payload).event.seq for row in rows if row.stream is Stream.ACCESS]
        assert again_seqs == list(range(1, 30 + again + 6)), "an epoch goes on counting"


def test_DEL_1_who_forges_an_acknowledgement_settles_nothing_and_costs_one_epoch_at_most(
    tmp_path: Path,
) -> None:
    with Bench(tmp_path) as bench:
        box = bench.box()
        box.happen(50)
        first = box.journal.epoch
        body = {"stream": "access", "epoch": first, "upto": 1 << 40}
        with Stranger(bench.broker, TOPICS.event(Stream.ACCESS)) as stranger:  # or the broker takes nothing
            until(lambda: box.uplink.status.online, what="online")
            stranger.say(TOPICS.ack, body)
            box.happen(1)
            until(lambda: box.uplink.status.in_flight > 0, what="sending")
            assert box.journal.epoch == first, "without a hash it is no history"
            stranger.say(TOPICS.ack, body | {"digest": "ab" * 16})
            until(lambda: box.journal.epoch != first, what="a new epoch")
            second = box.journal.epoch
            until(lambda: box.uplink.status.online and box.uplink.status.in_flight > 0, what="sending again")
            for upto in (1, 7, 1 << 40):
                stranger.say(TOPICS.ack, body | {"epoch": second, "upto": upto, "digest": "ab" * 16})
        platform = bench.platform()
        delivered(box, "all of it")
        assert box.journal.epoch == second, "not twice in ten minutes"
        assert numbers(platform) == list(range(51))
        assert verify_chain(platform.ledger.payloads(AUDIENCE)) is None


@pytest.mark.parametrize("stays", [True, False], ids=["the box stays", "the box starts anew"])
def test_DEL_1_a_platform_that_was_put_back_to_its_backup_gets_again_what_it_had(
    tmp_path: Path, stays: bool
) -> None:
    with Bench(tmp_path) as bench:
        platform, box = bench.platform(), bench.box()
        box.happen(30)
        box.happen(5, Stream.SYS)
        delivered(box, "before the backup")
        put_back = backup(platform, tmp_path)
        platform = bench.platform()
        box.happen(20)
        box.happen(3, Stream.BARRIER)
        delivered(box, "what the backup will not know")
        epoch = box.journal.epoch
        if not stays:
            box.close()
        platform.close()
        put_back()
        platform = bench.platform()
        if not stays:
            box = bench.box()
        until(lambda: len(numbers(platform)) == 50, what="what it had is there again")
        box.happen(4)
        delivered(box, "and it goes on")
        assert len(numbers(platform)) == 54
        assert len(numbers(platform, Stream.BARRIER)) == 3
        assert [event["ghseq"] for event in platform.events(AUDIENCE, Stream.ACCESS)] == list(range(1, 55))
        assert verify_chain(platform.ledger.payloads(AUDIENCE)) is None
        assert platform.ledger.broken_chains() == []
        assert box.journal.epoch == epoch


def test_DEL_1_what_a_box_has_deleted_since_is_left_out_of_the_put_back_table_and_the_stream_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Bench(tmp_path) as bench:
        platform, box = bench.platform(), bench.box()
        box.happen(10)
        delivered(box, "before the backup")
        put_back = backup(platform, tmp_path)
        platform = bench.platform()
        box.happen(10)
        delivered(box, "what is going to be nowhere")
        in_nine_days_ns = box.clock.utc_ns() + 9 * 86_400 * 10**9
        assert box.journal.retention(in_nine_days_ns) == 20
        box.happen(5)
        delivered(box, "what is still on the box")
        platform.close()
        put_back()
        platform = bench.platform()
        until(lambda: len(numbers(platform)) == 15, what="what there still is")
        box.happen(2)
        delivered(box, "and it goes on")
        seqs = [event["ghseq"] for event in platform.events(AUDIENCE, Stream.ACCESS)]
        assert seqs == [*range(1, 11), *range(21, 28)]
        assert "10 events of access are nowhere any more" in caplog.text
        assert platform.ledger.broken_chains() == []


def backup(platform: Counterpart, folder: Path) -> Callable[[], None]:
    """Close the platform and keep its ledger as it is now; returns what puts that one back."""
    platform.close()
    ledger, kept = folder / "platform" / LEDGER_FILE, folder / "ledger.bak"
    shutil.copy(ledger, kept)

    def put_back() -> None:
        for path in ledger.parent.glob(f"{LEDGER_FILE}*"):
            path.unlink()
        shutil.copy(kept, ledger)

    return put_back
