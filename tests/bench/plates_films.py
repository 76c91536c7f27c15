"""Lane films with ground truth: is every visit read, nothing reported wrongly, nothing twice?

python tests/bench/plates_films.py [--arrivals 100] [--reader own] [--weights DIR] [--json out.json]

The films are drawn: day and night, single cars, a follower two seconds behind, cars that reverse out, and a
car that is parked beside the lane the whole time (so that two plates are in the picture at once). They go
frame by frame through the very loop, evidence and decision code of the daemon, on a clock that moves with the
film, so a slow machine measures the same. In contrast: one single read of each visit, at the first frame in
which its plate is 24 pixels high.
"""

import argparse
import json
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from drivers.camera import Frame
from edge.access import Person, Roster
from edge.clock import NS_PER_S, ManualClock
from edge.deciding import Decider
from edge.health import Alarms
from edge.known import Known
from edge.records import Decision, Sighting
from edge.settings_file import parse_settings
from edge.vision.loop import Lookout
from edge.vision.senses import PlateSense
from models.face import Gallery
from models.plate.decode import decode
from models.plate.evaluate import same_text
from models.plate.grammar import PlateKind, generate
from models.plate.reader import PlateReader, open_reader
from models.results import BgrImage
from models.training.car import build_car, put_car
from models.training.film import COLOURS, LaneFilm, Visit, VisitTruth
from models.training.plates import draw_plate, look_of
from models.training.scenery import gate_eye

SIZE_PX = (1280, 720)
FPS = 8.0
PARKED_AT_M = (-2.6, 6.5)
KINDS = (PlateKind.BLUE, PlateKind.BLUE, PlateKind.GREEN_SMALL, PlateKind.YELLOW, PlateKind.GREEN_LARGE)
SETTINGS = {
    "device": {"id": "box"},
    "cameras": {"cam": {"type": "replay", "source": "x", "looks_for": ["plate"]}},
    "boards": {"relay": {"type": "lcus", "port": "/dev/null"}},
    "lanes": {"entry": {"type": "barrier", "cameras": ["cam"], "open": {"board": "relay", "channel": 1}}},
}


@dataclass(slots=True)
class Count:
    """What became of the visits of one kind of film."""

    visits: int = 0
    right: int = 0
    wrong: int = 0
    twice: int = 0
    one_shot: int = 0
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Story:
    """One kind of film: how cars come."""

    name: str
    night: bool = False
    gap_s: float = 13.0
    stop_s: float = 3.0
    leave: str = "pass"
    pairs: bool = False
    parked: bool = False


STORIES = (
    Story("day"),
    Story("night", night=True),
    Story("rolling through", gap_s=9.0, stop_s=0.0),
    Story("follower 2 s behind", pairs=True, gap_s=24.0),
    Story("reverses out", leave="back", gap_s=30.0),
    Story("parked car beside", parked=True),
    Story("night, parked, follower", night=True, parked=True, pairs=True, gap_s=24.0),
)


def visits_of(story: Story, count: int, chance: random.Random) -> list[Visit]:
    """Plan the arrivals of one film."""
    visits: list[Visit] = []
    at_s = 1.0
    while len(visits) < count:
        for follower in range(2 if story.pairs else 1):
            kind = chance.choice(KINDS)
            leave = "back" if story.leave == "back" else "pass"
            visits.append(Visit(generate(kind, chance), kind, at_s + 2.0 * follower, story.stop_s, leave))
        at_s += story.gap_s
    return visits[:count]


def frames_of(film: LaneFilm, story: Story, parked_plate: str, seed: int) -> Iterator[BgrImage]:
    """The film's frames, with the parked car drawn beside the lane."""
    if not story.parked:
        yield from film.frames()
        return
    rng = np.random.default_rng(seed)
    plate = draw_plate(parked_plate, "blue", px_per_mm=0.8)
    car = build_car(plate, look_of("blue").layout.size_mm, COLOURS[seed % len(COLOURS)], rng)
    eye, (x_m, z_m) = gate_eye(SIZE_PX), PARKED_AT_M
    light = 0.22 if story.night else 1.0
    for picture in film.frames():
        put_car(picture, car, eye, z_m, x_m, light=light, plate_light=min(1.0, light * 2))
        yield picture


def play(story: Story, visits: list[Visit], reader: PlateReader, seed: int) -> tuple[Count, dict[str, int]]:
    """Run one film through the daemon's own parts and compare with its truth."""
    film = LaneFilm(visits, fps=FPS, size_px=SIZE_PX, seed=seed, night=story.night)
    parked_plate = generate(PlateKind.BLUE, random.Random(seed + 77))
    clock = ManualClock()
    began_ns = clock.boot_ns()
    told: list[tuple[float, Decision]] = []

    def submit(_lane: str, decision: Decision) -> bool:
        told.append(((clock.boot_ns() - began_ns) / NS_PER_S, decision))
        return True

    settings = parse_settings(SETTINGS)
    # Half of the cars are known: a grant and a refusal both report what was read.
    people = [Person(f"p{i}", f"P{i}", plates=(v.plate,)) for i, v in enumerate(visits) if i % 2]
    known = Known(Roster.of(1, people), Gallery.build("faces-dlib-resnet", []))
    lookouts: list[Lookout] = []
    decider = Decider(
        settings,
        known,
        clock,
        Alarms(clock),
        submit=submit,
        settle=lambda sighting: lookouts[0].settle(sighting.track_id),
    )
    waiting: list[Sighting] = []
    camera = settings.cameras["cam"]
    sense = PlateSense(reader, camera.min_plate_px)  # type: ignore[union-attr]
    lookouts.append(Lookout("cam", "s", camera, [sense], waiting.append, clock.boot_ns))  # type: ignore[arg-type]
    count = Count(len(visits))
    first_frames = {t.readable_from_frame: t for t in film.truth.visits if t.readable_from_frame is not None}
    for number, picture in enumerate(frames_of(film, story, parked_plate, seed)):
        clock.now_boot_ns = began_ns + round(number / FPS * NS_PER_S)
        lookouts[0].step(Frame("cam", number + 1, clock.boot_ns(), picture))
        for sighting in waiting:
            decider.take(sighting)
        waiting.clear()
        if (truth := first_frames.get(number)) is not None:
            count.one_shot += one_shot(reader, picture, truth)
    judge(count, film.truth.visits, told, parked_plate if story.parked else "")
    return count, {"frames": lookouts[0].looked, "searched": lookouts[0].searched}


def one_shot(reader: PlateReader, picture: BgrImage, truth: VisitTruth) -> bool:
    """Whether a single read of that frame contains the plate."""
    return any(same_text(decode(r.lattice).text, truth.plate) for r in reader.read(picture))


def judge(
    count: Count, visits: tuple[VisitTruth, ...], told: list[tuple[float, Decision]], parked: str
) -> None:
    """Compare what was decided with who came."""
    ids: dict[str, set[str]] = {}
    for at_s, decision in told:
        text = decision.credential or ""
        ids.setdefault(text, set()).add(decision.identity.visit if decision.identity else "")
        if text != parked and not any(same_text(text, visit.plate) for visit in visits):
            count.wrong += 1
            count.notes.append(f"{at_s:.1f} s: {text!r} was nobody's")
    for visit in visits:
        seen = [ids[text] for text in ids if same_text(text, visit.plate)]
        count.right += bool(seen)
        count.twice += max(0, len(seen[0]) - 1) if seen else 0
        if not seen:
            count.notes.append(f"{visit.plate} was not reported")
    if parked and len(ids.get(parked, ())) > 1:
        count.twice += 1
        count.notes.append(f"the parked {parked} was reported {len(ids[parked])} times")


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--arrivals", type=int, default=100)
    parser.add_argument("--per-film", type=int, default=8)
    parser.add_argument("--reader", default="auto")
    parser.add_argument("--weights", type=Path, help="folder with other weights of our own nets")
    parser.add_argument("--stories", nargs="+", help="names of stories; default: all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    wanted = parser.parse_args()
    if wanted.weights:
        from models.plate.lattice_reader import OwnPlateReader

        reader: PlateReader = OwnPlateReader(weights=wanted.weights)
    else:
        reader = open_reader(wanted.reader)
    stories = [s for s in STORIES if not wanted.stories or s.name in wanted.stories]
    chance = random.Random(wanted.seed)
    films: list[tuple[Story, list[Visit]]] = []
    left = wanted.arrivals
    while left > 0:
        story = stories[len(films) % len(stories)]
        films.append((story, visits_of(story, min(wanted.per_film, left), chance)))
        left -= len(films[-1][1])
    totals: dict[str, Count] = {}
    work: Counter[str] = Counter()
    for number, (story, visits) in enumerate(
        track(films, description=f"films: {reader.name}", transient=True)
    ):
        found, spent = play(story, visits, reader, wanted.seed * 1000 + number)
        work.update(spent)
        total = totals.setdefault(story.name, Count())
        for name in ("visits", "right", "wrong", "twice", "one_shot"):
            setattr(total, name, getattr(total, name) + getattr(found, name))
        total.notes += found.notes
    table = Table("film", "visits", "right", "wrong", "twice", "one single read right")
    whole = Count()
    for name, total in totals.items():
        table.add_row(name, *map(str, (total.visits, total.right, total.wrong, total.twice, total.one_shot)))
        for key in ("visits", "right", "wrong", "twice", "one_shot"):
            setattr(whole, key, getattr(whole, key) + getattr(total, key))
    table.add_row("all", *map(str, (whole.visits, whole.right, whole.wrong, whole.twice, whole.one_shot)))
    console = Console(width=100)
    console.print(table)
    for name, total in totals.items():
        for note in total.notes:
            console.print(f"{name}: {note}", markup=False)
    if wanted.json:
        figures: dict[str, Any] = {
            name: {
                key: getattr(total, key) for key in ("visits", "right", "wrong", "twice", "one_shot", "notes")
            }
            for name, total in totals.items()
        }
        wanted.json.write_text(
            json.dumps({"reader": reader.name, "work": work, "films": figures}, ensure_ascii=False, indent=1),
            "utf-8",
        )


if __name__ == "__main__":
    main()
