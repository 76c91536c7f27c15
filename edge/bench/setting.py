"""The lane, the roster and the decider that belong to a film: all but the relay is what the daemon has."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from edge.access import Person, Roster
from edge.bench.films import BenchFilm
from edge.clock import Clock
from edge.deciding import Decider
from edge.face_models import face_set, open_face_detector, open_face_embedder, pair_distances
from edge.health import Alarms
from edge.known import Known, face_rule
from edge.records import Decision, Kind, Sighting
from edge.settings import ModelSettings, ReplayCamera, Settings
from edge.settings_file import parse_settings
from models.face import Gallery, load_picture, single_face

CAMERA, LANE, PERSON = "bench", "bench", "known"
MAX_FPS = 30.0
_LOOKS_FOR: Mapping[Kind, Literal["face", "plate"]] = {Kind.FACE: "face", Kind.PLATE: "plate"}


@dataclass(frozen=True, slots=True)
class Setting:
    """What stands around a film.

    Attributes:
        film: The film.
        camera: The section of the camera that plays it.
        settings: A configuration with one camera and one lane.
        known: Roster and gallery: one known visitor, or nobody.
        cache_dir: Where converted networks are kept.
    """

    film: BenchFilm
    camera: ReplayCamera
    settings: Settings
    known: Known
    cache_dir: Path


@dataclass(slots=True)
class Told:
    """What the decider said."""

    decisions: list[Decision] = field(default_factory=list)

    def submit(self, _lane: str, decision: Decision) -> bool:
        """Stand in for the lane."""
        self.decisions.append(decision)
        return True


def make_setting(film: BenchFilm, models: ModelSettings, cache_dir: Path) -> Setting:
    """Make the configuration for a film, and enrol who is known in it.

    Args:
        film: Drawn or given.
        models: This box's networks.
        cache_dir: Where converted networks are kept; the first use converts, which takes a second or more.

    Raises:
        ModelError: A network or its weights are missing.
    """
    camera = ReplayCamera(source=str(film.path), looks_for=(_LOOKS_FOR[film.kind],), max_fps=MAX_FPS)
    settings = parse_settings(_document(film)).model_copy(
        update={"models": models, "cameras": {CAMERA: camera}}
    )
    roster = Roster.of(1, [Person(PERSON, PERSON, plates=(film.plate,) if film.plate else ())])
    entries = []
    if film.portrait is not None:
        detector = open_face_detector(models, cache_dir, upsample=1)
        embedder = open_face_embedder(models, cache_dir, thorough=True)
        portrait = load_picture(film.portrait)
        entries.append((PERSON, embedder.embed(portrait, [single_face(portrait, detector)])[0]))
    gallery = Gallery.build(face_set(models), entries)
    rule = face_rule(gallery, settings.decision, pair_distances(models))
    return Setting(film, camera, settings, Known(roster, gallery, rule), cache_dir)


def make_decider(setting: Setting, clock: Clock, told: Told, settle: Callable[[Sighting], None]) -> Decider:
    """The thread's work without the thread: ``take`` and ``turn`` are called by whoever measures."""
    alarms = Alarms(clock)
    return Decider(setting.settings, setting.known, clock, alarms, submit=told.submit, settle=settle)


def _document(film: BenchFilm) -> dict[str, object]:
    lane: dict[str, object] = {"cameras": [CAMERA], "accepts": [film.kind.value]}
    if film.kind is Kind.FACE:
        # Faces are never the only way in; nothing of this is ever opened.
        staff = {"other_ways": ["staff"], "hold_key": {"board": "inputs", "channel": 1}}
        lane |= {"type": "door", "lock": {"board": "relay", "channel": 1}, **staff}
    else:
        lane |= {"type": "barrier", "open": {"board": "relay", "channel": 1}}
    camera = {"type": "replay", "source": str(film.path), "looks_for": [film.kind.value]}
    return {
        "device": {"id": "bench"},
        "boards": {
            "relay": {"type": "lcus", "port": "/dev/null"},
            "inputs": {"type": "modbus", "profile": "lc", "port": "/dev/zero", "outputs": 0, "inputs": 8},
        },
        "cameras": {CAMERA: camera},
        "lanes": {LANE: lane},
    }
