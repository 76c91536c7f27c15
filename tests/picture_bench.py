"""A journal, a store of pictures and the desk between them, turned by the test itself."""

from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from edge.access import Consent, Person
from edge.clock import SystemClock
from edge.health import Alarms
from edge.lanes.drafts import access_draft
from edge.pictures import PictureDesk
from edge.records import Decision, Event, Identity, Kind, Reason, Verdict, new_id
from edge.settings import PictureSettings
from edge.store import Journal, SetStore, Vault
from edge.store.media import MEDIA_FILE, MEDIA_FOLDER, Media
from edge.store.portraits import SUFFIX
from edge.sync.topics import Topics

TENANT, DEVICE = "park", "gate-7"
AUDIENCE = f"{TENANT}/{DEVICE}"
TOPICS = Topics(TENANT, DEVICE)
VAULT = Vault(bytes(range(32)))
PLATE, FACE = Kind.PLATE, Kind.FACE
ALL = PictureSettings(plates="always", faces="consented", upload=True)


def jpeg(number: int, size: int = 5000) -> bytes:
    """Something that begins and ends like a JPEG, different for each number."""
    body = (number.to_bytes(4) * (size // 4 + 1))[: size - 4]
    return b"\xff\xd8" + body + b"\xff\xd9"


def decision(
    picture: bytes,
    kind: Kind = PLATE,
    verdict: Verdict = Verdict.GRANT,
    subject: str | None = "粤B12345",
    **changes: Any,
) -> Decision:
    """A decision about something that was read, with its picture."""
    identity = Identity(
        *("north", "run-1", 1, new_id(), kind, subject, True, 0.99, 3.0, 4, 0, 0), crop_jpeg=picture
    )
    reason = Reason.PERMIT if verdict is Verdict.GRANT else Reason.UNKNOWN_PLATE
    made = Decision(
        new_id(),
        "in",
        verdict,
        reason,
        subject,
        subject or kind.value,
        identity,
        decided_ns=1,
        not_after_ns=2,
    )
    return replace(made, **changes)


class PictureBench:
    """``with PictureBench(folder) as bench: bench.pass_by(jpeg(1)) ...``."""

    def __init__(self, folder: Path, settings: PictureSettings = ALL, **media: Any) -> None:
        self.folder, self.settings, self._media_options = folder, settings, media
        self.clock = SystemClock()

    def __enter__(self) -> Self:
        clock, folder = self.clock, self.folder
        self.alarms = Alarms(clock)
        self.journal = Journal(
            folder / "events.db",
            clock,
            tenant=TENANT,
            device=DEVICE,
            boot_id="00000000-0000-4000-8000-000000000000",
            alarms=self.alarms,
        )
        self.journal.start()
        self.sets = SetStore(folder / "sets.db", VAULT, clock)
        self.media = Media(folder / MEDIA_FILE, VAULT, clock, leave_free_mb=0, **self._media_options)
        self.events: list[Event] = []
        self.journal.on_commit(self.events.extend)
        self.grounds = 0
        self.desk = PictureDesk(
            self.settings,
            self.media,
            self.journal,
            clock,
            self.alarms,
            topics=TOPICS,
            consents=self.sets.passage_consents,
            witness=self.sets.witness_passages,
            grounds=lambda: self.grounds,
        )
        self.desk.turn()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.desk.close()
        self.sets.close()
        self.journal.close()

    def consents_changed(self) -> None:
        """As after a new roster was loaded."""
        self.grounds += 1
        self.desk.turn()

    def agree(self, person: str, word: str = "send") -> None:
        """Somebody consents."""
        self.sets.put_person(Person(person, ""))
        self.sets.put_consent(person, Consent("Anna", 1_795_000_000, "v3", "paper", passage_pictures=word))
        self.consents_changed()

    def pass_by(self, picture: bytes, kind: Kind = PLATE, **changes: Any) -> Event:
        """Somebody is decided about; returns the event when the desk has seen to its picture."""
        event = self.decide(picture, kind, **changes)
        self.desk.turn()
        return event

    def decide(self, picture: bytes, kind: Kind = PLATE, **changes: Any) -> Event:
        """The same, and the desk has not turned yet."""
        chosen = self.desk.choose(decision(picture, kind, **changes))
        assert chosen.identity is not None
        assert chosen.identity.crop_jpeg == b"", "no picture goes further with the decision"
        return self.journal.append_now(access_draft(chosen, "accepted"))

    def files(self) -> list[Path]:
        """What lies in the folder."""
        return sorted((self.folder / MEDIA_FOLDER).glob(f"*{SUFFIX}"))

    def everything(self) -> bytes:
        """All bytes of all files."""
        return b"".join(path.read_bytes() for path in sorted(self.folder.rglob("*")) if path.is_file())

    def told(self, kind: str) -> list[Any]:
        """Data of journaled events of a type."""
        self.journal.flush()
        return [event.data for event in self.events if event.type == kind]
