"""Roster and sealed templates on disk, shared by two processes; consent first, and gone means gone."""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge.access import DenyEntry, DenyKind, Moment, Person, Roster, decide
from edge.clock import ManualClock
from edge.errors import JournalError, UsageError
from edge.records import Identity, Kind, Reason, Verdict
from edge.settings import DecisionSettings, DoorLane
from edge.store import Consent, SetStore, Vault
from edge.store.sets import Template

SET = "faces-dlib-v1"
VAULT = Vault(b"k" * 32)
CONSENT = Consent("Anna", 1_795_000_000, "2026-1", "kiosk")
DOOR = DoorLane.model_validate({"lock": {"board": "main", "channel": 1}})


def template(seed: int) -> Template:
    return np.random.default_rng(seed).normal(size=128).astype(np.float32)


@pytest.fixture
def store(tmp_path: Path, clock: ManualClock) -> Iterator[SetStore]:
    store = SetStore(tmp_path / "sets.db", VAULT, clock)
    yield store
    store.close()


def enrolled(store: SetStore, person_id: str, seed: int = 1, count: int = 1) -> None:
    store.put_person(Person(person_id, person_id.title()))
    store.put_consent(person_id, CONSENT)
    store.put_templates(person_id, SET, [template(seed + n) for n in range(count)])


def on_disk(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.glob("sets.db*")))


def sealed_rows(store: SetStore) -> list[bytes]:
    return [row[0] for row in store._database.execute("SELECT sealed FROM templates")]


def test_what_was_put_is_there_after_a_restart(store: SetStore, tmp_path: Path, clock: ManualClock) -> None:
    enrolled(store, "anna", count=2)
    store.put_person(Person("bert", "Bert", plates=("京A12345",)))
    store.put_deny(DenyEntry(DenyKind.PLATE, "粤B12345", "unpaid"))
    store.close()
    again = SetStore(tmp_path / "sets.db", VAULT, clock)
    snapshot = again.snapshot()
    again.close()
    assert snapshot.roster.persons.keys() == {"anna", "bert"}
    assert snapshot.roster.plates == {"京A12345"}
    assert snapshot.roster.denied_plates == {"粤B12345"}
    assert snapshot.rev == 5
    stored = [values.tolist() for person, values in snapshot.templates[SET] if person == "anna"]
    assert sorted(stored) == sorted(template(seed).tolist() for seed in (1, 2))
    assert snapshot.gallery(SET).match(template(2)).subject == "anna"
    assert snapshot.gallery("faces-other").size == 0
    assert snapshot.gallery(SET).size == 2
    with pytest.raises(JournalError):
        store.rev()


def test_PRIV_1_a_template_needs_a_recorded_consent(store: SetStore) -> None:
    store.put_person(Person("anna", "Anna"))
    with pytest.raises(UsageError, match="has not consented to face recognition"):
        store.put_templates("anna", SET, [template(1)])
    with pytest.raises(JournalError, match="FOREIGN KEY"):  # the tables themselves refuse it too
        store._database.execute("INSERT INTO templates VALUES ('t', 'anna', 'x', x'00', 0)")
    with pytest.raises(UsageError, match="must say who gave it"):
        store.put_consent("anna", Consent("", 1, "2026-1", "kiosk"))
    with pytest.raises(UsageError, match="no person 'nobody'"):
        store.put_consent("nobody", CONSENT)
    assert store.template_counts() == {}
    assert store.rev() == 1
    store.put_consent("anna", CONSENT)
    assert store.consent_of("anna") == CONSENT


def test_PRIV_1_a_template_is_sealed_on_the_disk(store: SetStore, tmp_path: Path) -> None:
    enrolled(store, "anna", seed=1, count=3)
    content = on_disk(tmp_path)
    for number in range(3):
        raw = template(1 + number).tobytes()
        for place in range(0, len(raw), 16):
            assert raw[place : place + 16] not in content
    assert all(sealed in content for sealed in sealed_rows(store))


def test_PRIV_1_a_withdrawn_consent_leaves_no_template_and_a_receipt(store: SetStore, tmp_path: Path) -> None:
    enrolled(store, "anna", seed=1, count=3)
    enrolled(store, "bert", seed=9)
    gone = sealed_rows(store)
    store.put_person(Person("bert", "Bert", room="7"))
    store.close()
    reopened = SetStore(tmp_path / "sets.db", VAULT, ManualClock())
    try:
        receipt = reopened.withdraw_consent("anna")
        kept = sealed_rows(reopened)
        content = on_disk(tmp_path)
        assert (receipt.templates, receipt.why, receipt.text_version) == (3, "consent withdrawn", "2026-1")
        assert reopened.receipts() == (receipt,)
        assert len(kept) == 1
        for sealed in set(gone) - set(kept):
            # Not even a part: pages that held it are overwritten and the log is emptied.
            for place in range(0, len(sealed) - 32, 32):
                assert sealed[place : place + 32] not in content
        assert kept[0] in content
        assert reopened.consent_of("anna") is None
        assert reopened.snapshot().gallery(SET).persons == {"bert"}
        assert "anna" in reopened.snapshot().roster.persons  # the person stays, and passes in other ways
        with pytest.raises(UsageError, match="has not consented"):
            reopened.put_templates("anna", SET, [template(1)])
    finally:
        reopened.close()


def test_PRIV_1_templates_go_with_the_person_and_when_replaced(store: SetStore, tmp_path: Path) -> None:
    enrolled(store, "anna", seed=1, count=2)
    old = sealed_rows(store)
    store.put_templates("anna", SET, [template(5)])
    assert all(sealed[20:52] not in on_disk(tmp_path) for sealed in old)
    [new] = sealed_rows(store)
    receipt = store.remove_person("anna")
    assert receipt is not None
    assert receipt.templates == 1
    assert new[20:52] not in on_disk(tmp_path)
    assert store.snapshot().roster.persons == {}
    rev = store.rev()
    assert store.remove_person("anna") is None
    assert store.rev() == rev


def test_ACC_2_a_removed_person_is_refused_with_the_next_snapshot(
    store: SetStore, clock: ManualClock
) -> None:
    enrolled(store, "anna")

    def reason() -> Reason:
        snapshot = store.snapshot()
        found = snapshot.gallery(SET).match(template(1)).subject
        now_ns = clock.boot_ns()
        identity = Identity(
            "cam", "s", 1, "v", Kind.FACE, found, True, 1.0, 1.0, 2, now_ns, now_ns, {"outcome": "known"}
        )
        decision = decide(identity, snapshot.roster, "door", DOOR, DecisionSettings(), Moment.now(clock))
        assert (decision.verdict is Verdict.GRANT) == (decision.reason is Reason.PERMIT)
        return decision.reason

    assert reason() is Reason.PERMIT
    store.put_deny(DenyEntry(DenyKind.PERSON, "anna"))
    assert reason() is Reason.DENY_LISTED
    assert store.remove_deny(DenyKind.PERSON, "anna") is True
    assert store.remove_deny(DenyKind.PERSON, "anna") is False
    assert reason() is Reason.PERMIT
    store.remove_person("anna")
    assert reason() is Reason.UNKNOWN_FACE


def test_a_roster_document_replaces_persons_and_deny_list_whole_but_keeps_templates_of_who_stays(
    store: SetStore,
) -> None:
    enrolled(store, "anna", seed=1)
    enrolled(store, "bert", seed=2)
    store.put_deny(DenyEntry(DenyKind.PLATE, "粤B12345"))
    receipts = store.replace_roster(
        Roster.of(40, [Person("anna", "Anna", plates=("京A12345",)), Person("carl", "Carl")])
    )
    snapshot = store.snapshot()
    assert [(receipt.person, receipt.templates) for receipt in receipts] == [("bert", 1)]
    assert snapshot.roster.persons.keys() == {"anna", "carl"}
    assert snapshot.roster.deny == ()
    assert snapshot.gallery(SET).persons == {"anna"}
    assert snapshot.rev == 40
    store.replace_roster(Roster.of(3, []))
    assert store.rev() == 41


def test_a_running_daemon_sees_what_another_process_changed(store: SetStore, tmp_path: Path) -> None:
    before = store.snapshot()
    assert not store.has_changed()
    script = (
        "import sys, pathlib; from edge.access import Person; from edge.clock import SystemClock;"
        "from edge.store import SetStore, Vault;"
        "s = SetStore(pathlib.Path(sys.argv[1]), Vault(b'k' * 32), SystemClock());"
        "s.put_person(Person('dora', 'Dora', plates=('京A12345',))); s.close()"
    )
    subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "sets.db")],
        check=True,
        cwd=Path(__file__).parents[2],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        timeout=60,
    )
    assert store.has_changed()
    after = store.snapshot()
    assert (before.rev, after.rev) == (0, 1)
    assert after.roster.plates == {"京A12345"}
    assert before.roster.persons == {}
    assert not store.has_changed()


def test_two_writers_take_turns_and_lose_nothing(store: SetStore, tmp_path: Path, clock: ManualClock) -> None:
    other = SetStore(tmp_path / "sets.db", VAULT, clock)
    try:
        for number in range(20):
            (store, other)[number % 2].put_person(Person(f"p{number}", ""))
        assert store.rev() == other.rev() == 20
        assert len(store.snapshot().roster.persons) == 20
        assert not store.has_changed()
        other.put_person(Person("last", ""))
        assert store.has_changed()
        store.snapshot()
        store.put_person(Person("own", ""))
        assert store.has_changed()
    finally:
        other.close()


def test_a_withdrawal_while_somebody_reads_is_purged_as_soon_as_they_are_done(
    store: SetStore, tmp_path: Path, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    enrolled(store, "anna")
    [sealed] = sealed_rows(store)
    reader = SetStore(tmp_path / "sets.db", VAULT, clock)
    try:
        store._database.execute("PRAGMA busy_timeout = 50")
        with reader._database.snapshot():
            reader.rev()
            with caplog.at_level(logging.CRITICAL):
                store.withdraw_consent("anna")
            assert store.snapshot().gallery(SET).size == 0
            assert sealed[20:52] in on_disk(tmp_path)
        store.has_changed()
        assert sealed[20:52] not in on_disk(tmp_path)
    finally:
        reader.close()


def test_a_template_that_does_not_open_leaves_the_others_in_place(
    store: SetStore, tmp_path: Path, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    enrolled(store, "anna", seed=1)
    enrolled(store, "bert", seed=2)
    # Somebody gives Anna's row to Bert: bound to the person, it opens for nobody.
    store._database.execute(
        "UPDATE templates SET sealed = (SELECT sealed FROM templates WHERE person = 'anna')"
        " WHERE person = 'bert'"
    )
    with caplog.at_level(logging.CRITICAL):
        snapshot = store.snapshot()
    assert snapshot.gallery(SET).persons == {"anna"}
    assert snapshot.unreadable == 1
    store.close()
    stolen = SetStore(tmp_path / "sets.db", Vault(b"z" * 32), clock)
    with caplog.at_level(logging.CRITICAL):
        elsewhere = stolen.snapshot()
    stolen.close()
    assert elsewhere.gallery(SET).size == 0
    assert elsewhere.unreadable == 2
    assert elsewhere.roster.persons.keys() == {"anna", "bert"}


def test_a_stored_person_that_no_longer_passes_the_rules_is_left_out_alone(
    store: SetStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.put_person(Person("anna", "Anna"))
    store._database.execute("INSERT INTO persons VALUES ('odd', ?)", ('{"id": "odd", "shoes": 44}',))
    with caplog.at_level(logging.CRITICAL):
        assert store.snapshot().roster.persons.keys() == {"anna"}


def test_a_person_who_breaks_a_rule_is_refused_and_a_plate_is_stored_in_its_one_form(store: SetStore) -> None:
    with pytest.raises(UsageError, match="'ABC' is no plate under GA 36"):
        store.put_person(Person("odd", "", plates=("ABC",)))
    with pytest.raises(UsageError, match="is no plate"):
        store.replace_roster(Roster.of(5, [Person("anna", ""), Person("odd", "", plates=("ABC",))]))
    assert store.snapshot().roster.persons == {}
    store.put_person(Person("anna", "", plates=("京a·12345",)))
    assert store.snapshot().roster.plates == {"京A12345"}


def test_a_template_with_a_number_that_is_not_finite_is_refused(store: SetStore) -> None:
    store.put_person(Person("anna", "Anna"))
    store.put_consent("anna", CONSENT)
    broken = template(1)
    broken[5] = np.nan
    with pytest.raises(UsageError, match="not a row of finite numbers"):
        store.put_templates("anna", SET, [broken])
