"""The state machine of the configuration; a crash at each of its rows leaves the old or the new (CFG-1)."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from sync_bench import AUDIENCE, DEVICE, TENANT, make_settings

from edge.clock import ManualClock
from edge.errors import JournalError
from edge.jws import CONFIG_TYPE, sign
from edge.platform.signer import Signer
from edge.records import EventDraft, Stream
from edge.settings import Settings
from edge.store.journal import Journal
from edge.sync.config_document import Document, DocumentRefused, Fault, read_document, sections_hash
from edge.sync.config_state import (
    ConfigState,
    Phase,
    advanced,
    after_start,
    applied,
    failed,
    is_news,
    received,
    state_from_json,
    state_to_json,
)
from edge.sync.desired import Desired

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SIGNER = Signer("k1", KEY)
KEYS = {"k1": KEY.public_key()}
ROWS = 7  # received, verified, staged, trial, healthy, confirmed, applied


class PowerCut(JournalError):
    """Stands for the end of the process at this row."""


class CuttableJournal(Journal):
    """The real journal, in which the power fails before or after the so-manieth row of the configuration."""

    cut_at = 0
    after_commit = False

    def put_state(self, key: str, value: object, draft: EventDraft | None = None) -> None:
        self.cut_at -= 1
        if self.cut_at == 0 and not self.after_commit:
            raise PowerCut("before the row")
        super().put_state(key, value, draft)
        if self.cut_at == 0:
            raise PowerCut("after the row")


class Daemon:
    """Desired on a real journal; ``settings`` is what the lanes run with."""

    def __init__(self, folder: Path, clock: ManualClock) -> None:
        self.clock = clock
        self.sick = False
        self.journal = CuttableJournal(
            folder / "events.db", clock, tenant=TENANT, device=DEVICE, boot_id="boot"
        )
        self.journal.start()
        base = make_settings(folder)
        self.desired = Desired(
            self.journal,
            clock,
            KEYS,
            base,
            apply=self._apply,
            health=lambda: ("lane in: fault",) if self.sick else (),
            settle_s=3.0,
        )
        self.applied: list[int] = []
        self.settings = self.desired.restore()

    def _apply(self, settings: Settings, _rev: int) -> None:
        self.settings = settings
        self.applied.append(settings.decision.deadline_ms)

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds * 4)):
            self.clock.advance(0.25)
            self.desired.tick()

    def close(self) -> None:
        self.journal.close()


@pytest.fixture
def start(tmp_path: Path, clock: ManualClock) -> Iterator[type[Daemon]]:
    daemons: list[Daemon] = []

    def begin() -> Daemon:
        daemons.append(Daemon(tmp_path, clock))
        return daemons[-1]

    yield begin
    for daemon in daemons:
        daemon.close()


def document(deadline_ms: int, rev: int, **options: object) -> bytes:
    options = {"issued_s": 1_790_000_000 + rev, "confirm_s": 30, **options}
    return SIGNER.document(AUDIENCE, {"decision": {"deadline_ms": deadline_ms}}, rev=rev, **options)


@pytest.mark.parametrize("after_commit", [False, True])
@pytest.mark.parametrize("row", range(1, ROWS + 1))
def test_CFG_1_a_power_cut_at_any_row_leaves_the_old_or_the_new_and_the_new_wins_in_the_end(
    start: type[Daemon], row: int, after_commit: bool
) -> None:
    daemon = start()
    daemon.desired.receive(document(1500, 1))
    daemon.run(5)
    daemon.journal.cut_at, daemon.journal.after_commit = row, after_commit
    with pytest.raises(PowerCut):  # noqa: PT012 - it comes from whichever of the two is at that row
        daemon.desired.receive(document(1700, 2))
        daemon.run(10)
    daemon.close()
    again = start()
    assert again.settings.decision.deadline_ms in (1500, 1700)
    in_trial = again.desired.is_on_trial or again.desired.report()["running_rev"] == 2
    assert again.settings.decision.deadline_ms == (1700 if in_trial else 1500)
    again.desired.receive(document(1700, 2))  # the broker retains it
    again.run(10)
    assert again.settings.decision.deadline_ms == 1700
    report = again.desired.report()
    assert (report["state"], report["rev"], report["running_rev"]) == ("applied", 2, 2)


@pytest.mark.parametrize("row", range(1, ROWS + 1))
def test_CFG_1_a_row_that_cannot_be_written_is_tried_again_in_the_same_run(
    start: type[Daemon], row: int
) -> None:
    daemon = start()
    daemon.journal.cut_at = row
    with pytest.raises(PowerCut):  # noqa: PT012
        daemon.desired.receive(document(1700, 1))
        daemon.run(10)
    daemon.run(20)
    assert daemon.desired.report()["state"] == "applied"
    assert daemon.settings.decision.deadline_ms == 1700


@pytest.mark.parametrize("after_commit", [False, True])
def test_CFG_1_a_power_cut_while_rolling_back_ends_rolled_back(
    start: type[Daemon], after_commit: bool
) -> None:
    daemon = start()
    daemon.desired.receive(document(1500, 1))
    daemon.run(5)
    daemon.desired.receive(document(1700, 2))
    daemon.sick = True
    daemon.run(20)
    assert daemon.desired.is_on_trial
    daemon.journal.cut_at, daemon.journal.after_commit = 1, after_commit
    with pytest.raises(PowerCut):
        daemon.run(20)
    daemon.close()
    again = start()
    again.sick = True
    again.run(40)
    assert again.settings.decision.deadline_ms == 1500
    assert again.desired.report()["state"] == "rolled_back"
    assert again.desired.revision == 1


def test_CFG_1_health_must_last_and_a_relapse_starts_it_anew(start: type[Daemon]) -> None:
    daemon = start()
    daemon.desired.receive(document(1700, 1))
    daemon.run(2)
    daemon.sick = True
    daemon.run(1)
    daemon.sick = False
    daemon.run(2.5)
    assert daemon.desired.is_on_trial
    daemon.run(2)
    assert daemon.desired.report()["state"] == "applied"


def test_a_document_that_comes_during_a_trial_waits_and_only_the_newest_counts(start: type[Daemon]) -> None:
    daemon = start()
    daemon.desired.receive(document(1500, 1))
    daemon.desired.receive(document(1600, 2))
    daemon.desired.receive(document(1700, 3))
    daemon.run(20)
    assert daemon.applied == [1500, 1700]
    assert daemon.desired.revision == 3


def test_the_report_is_news_only_when_it_says_something_new(start: type[Daemon]) -> None:
    daemon = start()
    assert daemon.desired.news()["state"] == "applied"
    assert daemon.desired.news() is None
    daemon.desired.receive(document(1500, 1))
    assert daemon.desired.news()["state"] == "trial"
    daemon.run(5)
    assert daemon.desired.news()["state"] == "applied"
    assert daemon.desired.news() is None
    daemon.desired.receive(document(1500, 1))
    assert daemon.desired.news()["rev"] == 1, "whoever sends it again wants to know"
    daemon.desired.tell_again()
    assert daemon.desired.news() is not None


def test_an_empty_message_only_clears_the_topic(start: type[Daemon]) -> None:
    daemon = start()
    daemon.desired.receive(b"")
    assert daemon.desired.report()["state"] == "applied"
    assert daemon.applied == []


def test_forgeries_do_not_fill_the_journal(start: type[Daemon]) -> None:
    daemon = start()
    before = len(daemon.journal.tail(0))
    for number in range(50):
        daemon.desired.receive(b"forged %d" % number)
    daemon.journal.append_now(EventDraft(Stream.AUDIT, "test.ended", "test", {}))
    assert len(daemon.journal.tail(0)) - before == 2
    assert daemon.desired.report()["state"] == "rejected"


def raw(**changes: object) -> bytes:
    sections = {"decision": {"deadline_ms": 1500}}
    claims = {
        "schema": 1,
        "aud": AUDIENCE,
        "rev": 3,
        "hash": sections_hash(sections),
        "prev": 2,
        "issued": 1_790_000_000,
        "confirm_s": 120,
        "sections": sections,
    } | changes
    return sign({k: v for k, v in claims.items() if v is not ...}, kid="k1", key=KEY, typ=CONFIG_TYPE)


def test_a_document_is_read() -> None:
    document = read_document(raw(), KEYS, AUDIENCE)
    assert (document.rev, document.prev, document.confirm_s, document.rollback) == (3, 2, 120, False)


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("aud", {"aud": "park/other"}),
        ("schema", {"schema": 2}),
        ("rev", {"rev": "3"}),
        ("rev", {"rev": 0}),
        ("rev", {"rev": True}),
        ("hash", {"hash": "sha256:00"}),
        ("hash", {"sections": {"decision": {"deadline_ms": 1501}}}),
        ("sections", {"sections": []}),
        ("issued", {"issued": ...}),
        ("issued", {"issued": -5}),
        ("confirm_s", {"confirm_s": 100_000}),
        ("rollback", {"rollback": 1}),
        ("extra", {"extra": 1}),
    ],
)
def test_a_malformed_document_is_refused_with_the_member_that_is_wrong(code: str, changes: dict) -> None:
    with pytest.raises(DocumentRefused) as raised:
        read_document(raw(**changes), KEYS, AUDIENCE)
    assert raised.value.faults[0].code == code


@given(st.binary(max_size=300))
def test_no_bytes_make_reading_a_document_fail_otherwise(data: bytes) -> None:
    with pytest.raises(DocumentRefused):
        read_document(data, KEYS, AUDIENCE)


def doc(rev: int, word: str = "", issued_s: float = 0.0, *, rollback: bool = False) -> Document:
    return Document(rev, f"h{rev}{word}", rev - 1, issued_s or float(rev), 30, {"decision": {}}, rollback)


def test_revisions_only_rise_unless_a_newer_rollback_is_signed() -> None:
    state = applied(advanced(received(ConfigState(), doc(5)), Phase.TRIAL))
    assert is_news(state, doc(6)) is True
    assert is_news(state, doc(5)) is False
    for older, code in (
        (doc(5, "other", 9.0), "rev"),
        (doc(4, issued_s=9.0), "rev"),
        (doc(9, issued_s=4.0), "issued"),
        (doc(4, rollback=True, issued_s=5.0), "issued"),
    ):
        with pytest.raises(DocumentRefused) as raised:
            is_news(state, older)
        assert raised.value.faults[0].code == code
    assert is_news(state, doc(4, rollback=True, issued_s=6.0)) is True


def test_what_failed_is_not_tried_again_but_may_come_with_a_higher_revision() -> None:
    trial = advanced(received(ConfigState(), doc(5)), Phase.TRIAL)
    state = failed(trial, Phase.ROLLED_BACK, (Fault("", "health", "x"),))
    assert is_news(state, doc(5)) is False
    assert is_news(state, replace(doc(6), hash="h5")) is True


@pytest.mark.parametrize("phase", list(Phase)[:7])
def test_a_start_means_something_at_every_phase(phase: Phase) -> None:
    state = advanced(received(ConfigState(running=doc(4)), doc(5)), phase)
    if phase is Phase.APPLIED:
        state = applied(state)
    after = after_start(state_from_json(state_to_json(state)))
    if phase is Phase.TRIAL:
        assert (after.candidate, after.starts) == (doc(5), 1)
        twice = after_start(after)
        assert (twice.candidate, twice.running, twice.phase) == (None, doc(4), Phase.ROLLED_BACK)
        return
    assert after.candidate is None
    assert after.running == (doc(5) if phase in tuple(Phase)[4:7] else doc(4))
    assert after.phase is Phase.APPLIED


def test_the_row_survives_being_stored() -> None:
    state = failed(
        advanced(received(ConfigState(running=doc(4)), doc(5, rollback=True)), Phase.TRIAL),
        Phase.ROLLED_BACK,
        (Fault("/decision/deadline_ms", "invalid", "too small"),),
    )
    assert state_from_json(state_to_json(state)) == state
    assert state_from_json(None) == ConfigState()
