"""Sets over a real broker: what the platform publishes is what the box decides with, proven first."""

from pathlib import Path

import pytest
from set_bench import CONSENT, FACE_SET, SCOPE, SetBench, person, roster, template
from sync_bench import PROTOCOLS, until

from edge.access import consent_from_json
from edge.errors import KeyRefused
from edge.platform import roster as publishing
from edge.platform.set_files import SnapshotServer
from edge.platform.set_table import SetTable


@pytest.fixture(params=PROTOCOLS)
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_ACC_2_permits_come_change_and_go_and_a_revocation_is_the_first_to_act(
    tmp_path: Path, protocol: str
) -> None:
    with SetBench(tmp_path, protocol=protocol) as bench:
        publisher = bench.publisher()
        box = bench.set_box()
        rev = publisher.replace_permits(SCOPE, roster(range(40)))
        box.reaches(rev)
        assert len(box.ids()) == 40
        assert box.known.roster.persons["p-000007"] == person(7)
        assert box.known.roster.set_revs == {"permits": rev}

        rev = publisher.replace_permits(SCOPE, roster(range(1, 41), p_000007=person(7, room="9-999")))
        until(lambda: "p-000000" not in box.ids(), what="the revoked one is out, before anything is loaded")
        assert box.known.roster.by_plate.get("京A00000") is None
        box.reaches(rev)
        assert (len(box.ids()), box.known.roster.persons["p-000007"].room) == (40, "9-999")
        assert not box.standing_of_sets()


def test_faces_come_sealed_are_opened_here_and_leave_a_receipt(tmp_path: Path) -> None:
    with SetBench(tmp_path) as bench:
        publisher = bench.publisher()
        box = bench.set_box()
        publisher.replace_permits(SCOPE, roster(range(3)))
        faces = {f"p-{n:06}": (CONSENT, [template(n)]) for n in range(3)}
        rev = publisher.publish_faces(SCOPE, FACE_SET, faces)
        box.reaches(rev, FACE_SET)
        until(lambda: box.follow() or len(box.known.gallery.names) == 3, what="the key has come")
        assert template(1).tobytes() not in (tmp_path / "box" / "scope_sets.db").read_bytes()

        rev = publisher.publish_faces(SCOPE, FACE_SET, {}, ["p-000001"])
        until(lambda: "p-000001" not in box.known.gallery.names, what="the face is out")
        box.reaches(rev, FACE_SET)
        receipts = box.sets.receipts()
        assert [(r.person, r.why, r.templates) for r in receipts] == [
            ("p-000001", "revoked by the platform", 1)
        ]


@pytest.mark.parametrize("way", ["http", "mqtt"])
def test_a_whole_set_comes_over_http_and_in_chunks_and_is_there_after_a_restart(
    tmp_path: Path, protocol: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "SNAPSHOT_FROM", 10)
    server = SnapshotServer(tmp_path / "platform" / "snapshots")
    try:
        with SetBench(tmp_path, protocol=protocol) as bench:
            publisher = bench.publisher(url=server.url)
            rev = publisher.replace_permits(SCOPE, roster(range(600)))
            assert publisher.flush()
            box = bench.set_box(snapshot=way, take=("permits",))
            box.reaches(rev)
            assert box.ids() == {person(n).id for n in range(600)}
            box.close()

            rev = publisher.replace_permits(SCOPE, roster(range(590)))  # while it is away
            box = bench.set_box(snapshot=way, take=("permits",), starts=False)
            assert len(box.ids()) == 600  # as it was, at once
            box.start().reaches(rev)
            assert box.ids() == {person(n).id for n in range(590)}
            assert not box.standing_of_sets()
    finally:
        server.close()


def test_whoever_the_platform_revokes_leaves_the_box_with_what_was_enrolled_here(tmp_path: Path) -> None:
    with SetBench(tmp_path) as bench:
        publisher = bench.publisher()
        box = bench.set_box(take=("permits",))
        box.sets.put_person(person(1, room="here"))
        box.sets.put_person(person(2))
        box.sets.put_consent("p-000001", consent_from_json(CONSENT, "p-000001", 1_800_000_000))
        box.sets.put_templates("p-000001", FACE_SET, [template(1)])
        box.reaches(publisher.replace_permits(SCOPE, roster(range(2))))
        assert box.known.roster.persons["p-000001"] == person(1)  # the platform's word counts
        box.reaches(publisher.replace_permits(SCOPE, roster(range(1))))
        until(lambda: box.sets.person("p-000001") is None, what="the local entry is gone")
        box.follow()
        assert box.ids() == {"p-000000", "p-000002"}
        assert not box.known.gallery.names
        assert [receipt.person for receipt in box.sets.receipts()] == ["p-000001"]


def test_a_box_that_shows_another_key_than_before_gets_no_content_key(tmp_path: Path) -> None:
    table = SetTable(tmp_path / "sets.db")
    table.trust("park/gate-7", bytes(32))
    table.trust("park/gate-7", bytes(32))
    with pytest.raises(KeyRefused, match="another key"):
        table.trust("park/gate-7", b"x" * 32)
    table.forget("park/gate-7")
    table.trust("park/gate-7", b"x" * 32)
    table.close()


def test_a_damaged_file_of_sets_is_fetched_again_and_nobody_else_is_kept_out(tmp_path: Path) -> None:
    with SetBench(tmp_path) as bench:
        publisher = bench.publisher()
        box = bench.set_box(take=("permits",))
        box.sets.put_person(person(500))
        rev = publisher.replace_permits(SCOPE, roster(range(20)))
        box.reaches(rev)
        box.close()
        path = tmp_path / "box" / "scope_sets.db"
        path.write_bytes(b"x" * 8192)
        box = bench.set_box(take=("permits",))
        assert box.ids() == {"p-000500"}
        assert "sets.damaged" in box.raised
        box.reaches(rev)
        assert len(box.ids()) == 21
        until(lambda: not box.standing_of_sets(), what="the alarm is over")
