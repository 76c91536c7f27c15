"""What is decided with follows what is stored: withdrawals first, person by person; the journal is told."""

import gc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge.access import Consent, Person
from edge.clock import ManualClock
from edge.following import Follower, LiveGallery
from edge.known import Known
from edge.records import Stream
from edge.settings import DecisionSettings
from edge.store import Journal, SetStore, Vault, from_wire

SET = "faces-dlib-resnet"
CONSENT = Consent("Anna", 1_795_000_000, "v3", "kiosk")
DECISION = DecisionSettings()


def template(seed: int) -> np.ndarray:
    values = np.random.default_rng(seed).normal(size=128)
    return (values / np.linalg.norm(values)).astype(np.float32)


def pairs(*seeds: int, per_person: int = 2) -> list[tuple[str, np.ndarray]]:
    return [(f"p{seed}", template(100 * seed + n)) for seed in seeds for n in range(per_person)]


def test_the_gallery_takes_up_who_is_new_or_changed_and_lets_go_of_who_is_gone() -> None:
    live = LiveGallery(SET)
    gallery, lost = live.follow(pairs(*range(30)))
    assert (len(gallery.names), gallery.size, lost) == (30, 60, False)
    same, lost = live.follow(pairs(*range(30)))
    assert same is gallery
    assert not lost
    fewer, lost = live.follow(pairs(*range(1, 31)))
    assert lost
    assert fewer.persons == {f"p{n}" for n in range(1, 31)}
    assert fewer.match(template(0)).subject != "p0"
    changed = [
        (name, template(9999) if name == "p5" else values)
        for name, values in pairs(*range(1, 31), per_person=1)
    ]
    now, lost = live.follow(changed)
    assert lost, "templates of persons who stay are gone"
    assert now.size == 30
    assert now.match(template(9999)).subject == "p5"
    assert now.match(template(500)).distance > 0.5
    empty, lost = live.follow([])
    assert (empty.size, lost) == (0, True)
    assert empty.match(template(1)).subject is None


def test_step_by_step_gives_the_same_answers_as_building_anew() -> None:
    live = LiveGallery(SET)
    live.follow(pairs(*range(40)))
    everybody = [*range(3, 40), 50, 51]
    stepped, _ = live.follow(pairs(*everybody))
    built, _ = LiveGallery(SET).follow(pairs(*everybody))
    assert stepped is not built
    for probe in [template(100 * n + 7) for n in range(60)]:
        one, other = stepped.match(probe), built.match(probe)
        assert one.subject == other.subject
        assert one.score == pytest.approx(other.score, abs=1e-4)


@pytest.fixture
def parts(tmp_path: Path, clock: ManualClock) -> Iterator[tuple[SetStore, Journal, Follower]]:
    journal = Journal(tmp_path / "events.db", clock, tenant="t", device="d", boot_id="0" * 36)
    journal.start()
    sets = SetStore(tmp_path / "sets.db", Vault(b"k" * 32), clock)
    yield sets, journal, Follower(sets, journal, SET)
    sets.close()
    journal.close()


def enrol(sets: SetStore, person: str, seed: int) -> None:
    sets.enrol(person, CONSENT, SET, [template(seed)], person=Person(person, ""), note={"by": "test"})


def events(journal: Journal) -> list[tuple[str, str, dict[str, object]]]:
    journal.flush()
    found = [from_wire(row.payload).event for row in journal.tail(0, [Stream.AUDIT])]
    return [(event.type, event.subject, dict(event.data)) for event in found]


def test_PRIV_1_who_withdraws_is_unknown_before_the_rule_is_made_anew(
    parts: tuple[SetStore, Journal, Follower],
) -> None:
    sets, _, follower = parts
    for number in range(3):
        enrol(sets, f"p{number}", number)
    before = follower.load(DECISION)
    swapped: list[Known] = []
    sets.withdraw_consent("p1")
    after = follower.load(DECISION, swapped.append)
    assert len(swapped) == 2
    assert swapped[0].rule is before.rule
    assert swapped[0].gallery.persons == {"p0", "p2"}
    assert swapped[1] is after is follower.known
    assert after.rule.persons == 2
    assert before.gallery.persons == {"p0", "p1", "p2"}, "a snapshot never changes"


def test_PRIV_1_the_gallery_of_before_is_overwritten_when_its_last_reader_lets_go(
    parts: tuple[SetStore, Journal, Follower],
) -> None:
    sets, _, follower = parts
    for number in range(3):
        enrol(sets, f"p{number}", number)
    known = follower.load(DECISION)
    held = known.gallery.templates_of("p1")
    assert held.any()
    rows = known.gallery._points
    values = [
        value for value in (getattr(rows, name) for name in rows.__slots__) if isinstance(value, np.ndarray)
    ]
    faces = [value for value in values if value.dtype == np.float32 and value.ndim == 2]
    assert any(value.any() for value in faces)
    del known
    sets.withdraw_consent("p1")
    follower.load(DECISION)
    gc.collect()
    assert all(not value.any() for value in faces)


def test_notes_become_audit_events_once_without_a_name_a_template_or_a_picture(
    parts: tuple[SetStore, Journal, Follower],
) -> None:
    sets, journal, follower = parts
    enrol(sets, "p0", 0)
    receipt = sets.withdraw_consent("p0")
    follower.load(DECISION)
    for _ in range(3):
        follower.tell_journal()
    told = [event for event in events(journal) if event[0].startswith("face.")]
    assert [(kind, subject) for kind, subject, _ in told] == [
        ("face.enrolled", "p0"),
        ("face.withdrawn", "p0"),
    ]
    assert told[0][2] == {"set": SET, "templates": 1, "pictures_kept": 0, "by": "test"}
    assert told[1][2]["receipt"] == receipt.id
    assert told[1][2]["sha256"] == receipt.sha256
    assert sets.notes() == ()


def test_more_notes_than_fit_one_turn_are_told_over_several(
    parts: tuple[SetStore, Journal, Follower],
) -> None:
    sets, journal, follower = parts
    for number in range(45):
        enrol(sets, f"p{number:02}", number)
    follower.load(DECISION)
    follower.tell_journal()
    assert len(sets.notes(100)) == 25
    for _ in range(3):
        follower.tell_journal()
    assert len([event for event in events(journal) if event[0] == "face.enrolled"]) == 45
