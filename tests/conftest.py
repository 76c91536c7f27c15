"""Fixtures that every ring of tests shares."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import mqtt_version
import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from edge.clock import ManualClock

# Nothing fails because a machine was slow.
hypothesis_settings.register_profile("gatehouse", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("gatehouse")

ROOT = Path(__file__).resolve().parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    """One version of MQTT throughout."""
    parser.addoption("--mqtt", choices=mqtt_version.BOTH, help="speak only this version of MQTT")


def pytest_configure(config: pytest.Config) -> None:
    """Before any test module asks which versions there are."""
    if config.getoption("--mqtt"):
        mqtt_version.speak_only(config.getoption("--mqtt"))


@pytest.fixture
def clock() -> ManualClock:
    """A clock that moves only when told to."""
    return ManualClock()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real pictures, which is no part of the project; skips with the reason when absent."""
    folder = Path(os.environ.get("GATEHOUSE_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "README.md").is_file():
        pytest.skip(f"real pictures are not here: no {folder} (set GATEHOUSE_SHARED_DATA)")
    return folder


@pytest.fixture(autouse=True)
def no_stray_threads() -> Iterator[None]:
    """A test that leaves a thread of ours running has failed."""
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(timeout=5.0)
    stray = [t.name for t in set(threading.enumerate()) - before if t.is_alive() and not t.daemon]
    assert not stray, f"threads left behind: {stray}"
