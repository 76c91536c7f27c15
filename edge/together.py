"""What the parts of a box that runs say and do together; ``edge.app`` makes, starts and stops them.

Its condition, its numbers, the way of its alarms into the journal, whom the sets name, the ear on the box.
"""

import logging
from collections.abc import Collection, Mapping
from importlib import metadata

from edge.access import LaneStanding, Person
from edge.by_hand import hatch_answers
from edge.crew import Crew
from edge.deciding import Decider
from edge.doctor import Finding
from edge.errors import EdgeError
from edge.following import Follower
from edge.hatch import Hatch
from edge.health import Alarm, Alarms, stalled
from edge.kill_switch import ALARM as KILL_ALARM
from edge.kill_switch import KillSwitch
from edge.lanes import ABOUT_PEOPLE, Boards, Lane
from edge.overview import beside, link_numbers, overview, parts, views
from edge.pictures import PictureDesk
from edge.prompting import Prompts
from edge.read_rate import ReadRate
from edge.readers import Readers
from edge.records import EventDraft, JsonObject, Stream
from edge.scope import admits_when_stale
from edge.self_test import examine_running
from edge.settings import Settings
from edge.signs import Signs
from edge.site import Site
from edge.store import Journal, SetStore
from edge.sync.desired import Desired
from edge.sync.keyring import Keyring
from edge.sync.set_desk import SetDesk
from edge.sync.uplink import Uplink
from edge.timekeeping import FlooredClock
from edge.vision import Eye
from edge.vision.pushed import PushedEye
from edge.worker import Worker

log = logging.getLogger(__name__)


class Together:
    """The half of ``edge.app.Daemon`` that begins when everything was started.

    Thread: ``main``, except where a method says otherwise; each part has its own.
    """

    alarms: Alarms
    prompts: Prompts
    _clock: FlooredClock
    _settings: Settings
    _journal: Journal
    _sets: SetStore
    _face_set: str
    _follower: Follower
    _keys: Keyring
    _kill_switch: KillSwitch
    _desired: Desired
    _boards: Boards
    _signs: Signs
    _readers: Readers
    _read_rate: ReadRate
    _site: Site
    _lanes: Mapping[str, Lane]
    _eyes: Mapping[str, Eye | PushedEye]
    _decider: Decider
    _set_desk: SetDesk | None
    _pictures: PictureDesk | None
    _uplink: Uplink | None
    _crew: Crew

    def _note(self, draft: EventDraft) -> None:
        """Journal what a board tells about itself; it must not die of a disk that refuses."""
        try:
            self._journal.append(draft)
        except EdgeError as error:
            log.error("%s of %s cannot be journaled: %s", draft.type, draft.subject, error)

    def _journal_alarm(self, alarm: Alarm, raised: bool) -> None:
        data = {"name": alarm.name, "detail": alarm.detail}
        kind = "alarm.raised" if raised else "alarm.cleared"
        try:
            self._journal.append(EventDraft(Stream.ALARM, kind, alarm.subject, data))
        except EdgeError as error:
            # The disk is what alarms are about here; the log has the alarm itself.
            log.error("alarm %s %s cannot be journaled: %s", alarm.name, alarm.subject, error)

    def _hear_of(self, draft: EventDraft) -> None:
        """What lanes write is shown on displays, and counted."""
        self._signs.note(draft)
        self._read_rate.note(draft)

    def _person(self, person_id: str) -> Person | None:
        return self._follower.known.roster.persons.get(person_id)

    def _standing(self, lane: str) -> LaneStanding:
        has_fault = self._site.has_fault(lane)
        is_stale = self._set_desk is not None and self._set_desk.is_stale()
        minds, admits = admits_when_stale(self._settings, lane, is_stale=is_stale)
        killed = self._kill_switch.is_thrown
        return LaneStanding(has_fault, minds, stale_admits=admits, is_killed=killed)

    def _revoke(self, set_name: str, ids: tuple[str, ...]) -> None:
        self._follower.revoke(set_name, ids, self._decider.swap_known)

    def _follow_the_sets(self) -> None:
        """Take over what anybody changed in roster or gallery; what cannot be read leaves the old one."""
        try:
            if self._follower.has_changed():
                self._follower.load(self._settings.decision, self._decider.swap_known, self._settings.lanes)
            self.alarms.clear("roster.unreadable", "roster")
        except EdgeError as error:
            self.alarms.set("roster.unreadable", "roster", f"{error}; the last one that was read stays")
        try:
            self._follower.tell_journal()
        except EdgeError as error:
            log.debug("the journal is told of changes of the roster later: %s", error)

    def _by_name(self, apart: Collection[str] = ()) -> dict[str, Worker]:
        workers = (self._journal, *self._crew.all())
        return {worker.name: worker for worker in workers if worker.name not in apart}

    def _problems(self) -> tuple[str, ...]:
        """What does not work now, for the trial of a configuration."""
        standing = [a for a in self.alarms.standing() if a.name.partition(".")[2] not in ABOUT_PEOPLE]
        standing = [alarm for alarm in standing if alarm.name != KILL_ALARM]
        alarms = [f"{alarm.name} {alarm.subject}: {alarm.detail}" for alarm in standing]
        stuck = (f"{name} makes no progress" for name in stalled(self._by_name()))
        return (*stuck, *self._site.blind(), *alarms)

    def _summary(self) -> str:
        return f"{len(self._lanes)} lanes, {len(self._eyes)} cameras, {len(self._boards)} boards"

    def _info(self) -> JsonObject:
        return {
            **parts(self._settings, self._boards, self._signs, self._readers),
            "version": metadata.version("gatehouse"),
            "cameras": {name: list(eye.stats.models) for name, eye in self._eyes.items()},
            "clock": self._clock.state().value,
            "roster_rev": self._sets.rev(),
            "face_set": self._face_set,
            "faces": self._follower.known.expected(),
            "config_rev": self._desired.revision,
            "keys_serial": self._keys.serial,
            "sets": self._set_desk.info() if self._set_desk is not None else {},
        }

    def _measured(self) -> dict[str, JsonObject]:
        """Numbers for the platform's curves; in the thread ``uplink``."""
        held = {"pictures": self._pictures.numbers()} if self._pictures is not None else {}
        if self._uplink is not None:
            state_dir = self._settings.device.state_dir
            held["link"] = link_numbers(self._journal, self._uplink.status, state_dir)
        return held | {
            "cameras": views(self._settings, self._eyes),
            "lanes": {
                "read_rate": self._read_rate.numbers(),
                "phases": {name: lane.status.phase for name, lane in self._lanes.items()},
            },
        }

    def _reads_plates(self, name: str) -> bool:
        lane = self._settings.lanes.get(name)
        return lane is not None and lane.type == "barrier" and "plate" in lane.accepts and bool(lane.cameras)

    def _examine(self) -> list[Finding]:
        return examine_running(self._settings, self._eyes, self._boards, self.alarms, self._clock)

    def _open_hatch(self, settings: Settings) -> None:
        """Let people on the box look and ask; a gate works without."""

        def status() -> JsonObject:
            prompts = self.prompts.standing()
            return {
                **overview(self._settings, self._lanes, self._boards, self.alarms, self._clock, prompts),
                "kill_switch": self._kill_switch.status,
                **beside(self._signs, self._readers),
                **views(self._settings, self._eyes),
                "read_rate": self._read_rate.numbers(),
            }

        try:
            hatch = Hatch(
                settings.device.state_dir,
                self._lanes,
                status,
                self._clock,
                self._readers.last_card,
                self._site.relearn,
                more=hatch_answers(self._kill_switch, self._desired, self._clock),
            )
        except EdgeError as error:
            log.warning("%s; gatehouse lane status will not work", error)
            return
        self._crew.start(hatch)
