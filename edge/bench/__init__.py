"""``gatehouse bench``: how fast this very machine is, measured with the product's own parts.

figures    percentiles, paces, and what they mean in cars and persons a minute; pure
films      the films that are watched: drawn here, or anybody's own
setting    the lane, the roster and the decider that belong to a film
stages     a film frame by frame as fast as it goes: milliseconds of each stage
play       a film in real time before a real vision process: shares of the processor, memory, delays
usage      what a process has used so far, from /proc
"""

from edge.bench.figures import Pace, Spread, visits_per_minute
from edge.bench.films import BenchFilm, draw_films
from edge.bench.play import Played, play
from edge.bench.setting import Setting, make_setting
from edge.bench.stages import Staged, run_stages

__all__ = [
    "BenchFilm",
    "Pace",
    "Played",
    "Setting",
    "Spread",
    "Staged",
    "draw_films",
    "make_setting",
    "play",
    "run_stages",
    "visits_per_minute",
]
