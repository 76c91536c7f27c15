"""A short lane film through the daemon's own loop, evidence and decisions, read by our own nets."""

import importlib.util
import random
from pathlib import Path
from types import ModuleType

import pytest

from models.plate.reader import open_reader, own_weights_present

BENCH = Path(__file__).resolve().parents[1] / "bench" / "plates_films.py"

pytestmark = pytest.mark.skipif(not own_weights_present(), reason="no weights of our own nets ship")


@pytest.fixture(scope="module")
def films() -> ModuleType:
    spec = importlib.util.spec_from_file_location("plates_films", BENCH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["day", "night, parked, follower"])
def test_every_visit_is_reported_once_and_nobody_is_made_up(films: ModuleType, name: str) -> None:
    (story,) = (one for one in films.STORIES if one.name == name)
    visits = films.visits_of(story, 2, random.Random(3))
    count, work = films.play(story, visits, open_reader("own"), seed=3)
    assert count.right == 2, count.notes
    assert count.wrong == 0, count.notes
    assert count.twice == 0, count.notes
    assert work["searched"] > 0
