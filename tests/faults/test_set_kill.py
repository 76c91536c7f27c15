"""The thread ``sets`` killed at each of its fault points: who was revoked never comes back.

A whole desk with its stores is killed while it takes a revocation; after the next start the entry made on the
box is gone as well, and there is exactly one receipt for the face.
"""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from set_bench import CONSENT, FACE_SET, SCOPE, person, template
from set_wire import PERMITS, Platform
from sync_bench import make_settings

from edge.access import Roster
from edge.clock import ManualClock
from edge.faults import ENV, SET_POINTS
from edge.health import Alarms
from edge.platform import PUBLIC_KEYS_FILE
from edge.scope import Scope
from edge.store import SetStore, Vault
from edge.sync import load_public_keys
from edge.sync.set_desk import SetDesk

Said = list[tuple[str, bytes]]


class Desk:
    """The desk of one box, turned by hand, as one process has it."""

    def __init__(self, folder: Path, keys: Path) -> None:
        clock, vault = ManualClock(), Vault(bytes(32))
        settings = make_settings(folder)
        sets = type(settings.sets)(scope=SCOPE)
        settings = settings.model_copy(update={"sets": sets})
        self.local = SetStore(folder / "sets.db", vault, clock)
        self.scope = Scope(settings, vault, self.local, clock, FACE_SET)
        self.revoked: list[str] = []
        self.desk: SetDesk = self.scope.make_desk(
            load_public_keys(keys), Alarms(clock), lambda _name, ids: self.revoked.extend(ids)
        )

    def take(self, said: Said) -> None:
        for topic, raw in said:
            assert self.desk.offer(topic, raw)
        for _ in range(3):
            self.desk.turn()

    def close(self) -> None:
        self.desk.close()
        self.scope.close()
        self.local.close()


def live(folder: Path, keys: Path, said: Said, fault: str) -> None:
    """One process: take what is said, and die where told."""
    os.environ[ENV] = fault
    Desk(folder, keys).take(said)


def said_of(platform: Platform, persons: range) -> Said:
    """Permits and faces of so many persons, and nobody else."""
    publisher = platform.publisher
    publisher.replace_permits(SCOPE, Roster.of(0, [person(n) for n in persons]))
    wanted = {person(n).id for n in persons}
    known = set(publisher.table.entries(SCOPE, FACE_SET)) if persons.start else set()
    faces = {i: (CONSENT, [template(1)]) for i in wanted - known}
    publisher.publish_faces(SCOPE, FACE_SET, faces, sorted(known - wanted))
    return platform.said()


@pytest.fixture
def platform(tmp_path: Path, clock: ManualClock) -> Iterator[Platform]:
    made = Platform(tmp_path / "platform", clock)
    yield made
    made.close()


@pytest.mark.slow
@pytest.mark.parametrize("point", [*SET_POINTS, "sets.revoked:2", "sets.flipped:2", "sets.witnessed:3"])
def test_ACC_2_PRIV_1_killed_at_any_point_a_revocation_is_finished_at_the_next_start(
    tmp_path: Path, platform: Platform, point: str
) -> None:
    keys, box = tmp_path / "platform" / PUBLIC_KEYS_FILE, tmp_path / "box"
    box.mkdir()
    first = Desk(box, keys)
    first.local.put_person(person(0, room="entered here"))
    first.take(said_of(platform, range(3)))
    assert set(first.scope.store.index(PERMITS)) == {person(n).id for n in range(3)}
    first.close()

    said = said_of(platform, range(1, 3))
    process = multiprocessing.get_context("spawn").Process(target=live, args=(box, keys, said, point))
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL, f"{point} was not reached"

    after = Desk(box, keys)
    after.take(said)  # what the broker retains, and delivers again
    store = after.scope.store
    for name in (PERMITS, FACE_SET):
        assert set(store.index(name)) == {person(1).id, person(2).id}
        assert store.owed(name) == ()
    assert after.local.person(person(0).id) is None, "what was entered here goes too"
    receipts = [receipt.person for receipt in after.local.receipts() if receipt.sha256]
    assert receipts == [person(0).id], "one face, one receipt"
    after.close()
