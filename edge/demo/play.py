"""The play that the demo gives: who comes when, as films for the cameras and as a script for the concrete.

lane    a resident's car: read, boom up, passes, boom down; a strange car: refused, turns back
door    an enrolled portrait steps up and walks in; a stranger steps up and is refused
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import cv2

from edge.demo.portraits import ASTRONAUT, HOPPER, Appearance, draw_face_film, portrait_path
from edge.errors import Unavailable
from models.training.film import FilmTruth, LaneFilm, Visit

RESIDENT_PLATE = "粤B12345"
STRANGE_PLATE = "苏E60K8D"
RESIDENT_ID = "eileen-collins"
RESIDENT_NAME = "Eileen Collins"
CAR_OWNER_ID = "wang-li"
CAR_OWNER_NAME = "王丽"

LANE_SIZE_PX = (1280, 720)
LANE_FPS = 12.5
LEAD_S = 5.0
"""The lane stays empty for this long, while the daemon loads its networks."""
VISITS = (
    Visit(RESIDENT_PLATE, "blue", arrive_s=LEAD_S, stop_s=6.0, leave="pass"),
    Visit(STRANGE_PLATE, "blue", arrive_s=LEAD_S + 18.5, stop_s=3.0, leave="back"),
)
RESIDENT_AT_DOOR_S = (LEAD_S + 8.0, LEAD_S + 13.0)
STRANGER_AT_DOOR_S = (LEAD_S + 19.0, LEAD_S + 24.0)
END_S = LEAD_S + 31.0
"""When everything has been decided and moved; the strange car still reverses then."""
STRANGER = "陌生人"
EXPECTED = (
    ("plate", CAR_OWNER_ID, "grant"),
    ("plate", STRANGE_PLATE, "deny"),
    ("face", RESIDENT_ID, "grant"),
    ("face", STRANGER, "deny"),
)
"""Kind, who, and verdict of each visit."""

FILM_SEED = 20261123


@dataclass(frozen=True, slots=True)
class Play:
    """Where the films and the script lie, and how long it all takes."""

    lane_film: Path
    door_film: Path
    script: Path
    duration_s: float
    truth: FilmTruth


def write_play(folder: Path, progress: Callable[[float], None]) -> Play:
    """Draw both films and write the script into ``folder``; ``progress`` hears how far it is, 0 to 1.

    Raises:
        Unavailable: A portrait is missing, or the folder cannot be written.
    """
    film = LaneFilm(VISITS, fps=LANE_FPS, size_px=LANE_SIZE_PX, seed=FILM_SEED)
    truth = film.truth
    lane_film, door_film, script = folder / "lane.avi", folder / "door.avi", folder / "script.json"
    _write_lane_film(film, lane_film, progress)
    draw_face_film(
        door_film,
        (
            Appearance(portrait_path(ASTRONAUT), *RESIDENT_AT_DOOR_S),
            Appearance(portrait_path(HOPPER), *STRANGER_AT_DOOR_S),
        ),
        END_S,
    )
    script.write_text(json.dumps(site_script(truth), indent=1), encoding="utf-8")
    return Play(lane_film, door_film, script, END_S, truth)


def site_script(truth: FilmTruth) -> list[dict[str, Any]]:
    """What loop, beam and door leaf do, to match the films; a car waits for the boom, as drivers do."""
    entries: list[dict[str, Any]] = [
        {"kind": "car", "loop": visit.loop_s, "beam": visit.beam_s, "only_if_up": True}
        for visit in truth.visits
        if visit.loop_s is not None and visit.beam_s is not None
    ]
    comes_s = RESIDENT_AT_DOOR_S[0] + 1.0
    entries.append({"kind": "person", "at": comes_s, "open_for_s": 1.5, "patience_s": 6.0})
    return entries


def _write_lane_film(film: LaneFilm, path: Path, progress: Callable[[float], None]) -> None:
    writer = cv2.VideoWriter(
        str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"MJPG"), film.truth.fps, film.truth.size_px
    )
    if not writer.isOpened():
        raise Unavailable(f"{path}: cannot write a film there")
    frames = round(END_S * film.truth.fps)
    try:
        for index, frame in enumerate(islice(film.frames(), frames)):
            writer.write(frame)
            progress((index + 1) / frames)
    finally:
        writer.release()
