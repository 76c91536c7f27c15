"""The box's own certificate: its end is told in time, and its replacement is noticed, whole pairs only."""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from certificates import Authority, Pair

from edge.clock import NS_PER_S, ClockState, ManualClock
from edge.doctor import Grade
from edge.doctor.broker import examine_brokers
from edge.health import Alarms
from edge.settings import SyncSettings
from edge.settings_file import parse_settings
from edge.sync import certificate
from edge.sync.certificate import CertificateWatch, is_due

DAY_S = 86_400.0


@dataclass
class Place:
    """Where a box has its certificate, and who signs others."""

    folder: Path
    authority: Authority
    clock: ManualClock
    alarms: Alarms

    @property
    def sync(self) -> SyncSettings:
        pair = {"cert_file": self.folder / "box.pem", "key_file": self.folder / "box.key"}
        return SyncSettings(brokers=("mqtts://127.0.0.1:1",), **pair)

    def put(self, pair: Pair, *, key: bool = True, certificate: bool = True) -> None:
        """Lay (half of) another pair in the place of the old one."""
        for wanted, source, name in (
            (certificate, pair.certificate, "box.pem"),
            (key, pair.key, "box.key"),
        ):
            if wanted:
                fresh = self.folder / f"{name}.new"
                shutil.copyfile(source, fresh)
                fresh.replace(self.folder / name)

    def alarm(self) -> str:
        return next((a.detail for a in self.alarms.standing() if a.name == certificate.ALARM), "")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "box").mkdir()
    clock = ManualClock(now_utc_ns=time.time_ns())
    return Place(tmp_path / "box", Authority(tmp_path), clock, Alarms(clock))


def test_another_pair_is_noticed_when_both_halves_have_come(place: Place) -> None:
    first, second = (place.authority.issue(name) for name in ("one", "two"))
    place.put(first)
    watch = CertificateWatch(place.clock, place.alarms)
    assert not watch.is_replaced(place.sync), "the first look is no news"
    place.put(second, key=False)
    place.clock.advance(30)
    assert not watch.is_replaced(place.sync), "a certificate without its key is not used"
    place.put(second)
    assert not watch.is_replaced(place.sync), "the files are looked at now and then only"
    place.clock.advance(30)
    assert watch.is_replaced(place.sync)
    place.clock.advance(30)
    assert not watch.is_replaced(place.sync), "told once"


def test_files_that_are_missing_and_other_settings_are_no_replacement(place: Place, tmp_path: Path) -> None:
    watch = CertificateWatch(place.clock, place.alarms)
    assert not watch.is_replaced(place.sync)
    assert watch.info() == {}
    place.put(place.authority.issue("one"))
    place.clock.advance(30)
    assert not watch.is_replaced(place.sync), "the first pair of all"
    assert watch.info()["certificate_ends"].endswith("Z")
    other = place.authority.issue("two")
    assert not watch.is_replaced(
        SyncSettings(brokers=("mqtts://127.0.0.1:1",), cert_file=other.certificate, key_file=other.key)
    )
    assert not watch.is_replaced(SyncSettings(brokers=("mqtt://127.0.0.1:1",)))
    assert watch.info() == {}


def test_the_end_is_told_a_third_of_its_life_before_and_only_by_a_clock_that_is_set(place: Place) -> None:
    place.put(place.authority.issue("one"))  # from yesterday to the day after tomorrow
    watch = CertificateWatch(place.clock, place.alarms)
    watch.is_replaced(place.sync)
    assert place.alarm() == ""
    place.clock.advance(1.5 * DAY_S)
    place.clock.now_state = ClockState.UNSET
    watch.is_replaced(place.sync)
    assert place.alarm() == "", "without a clock there is no telling"
    place.clock.now_state = ClockState.SYNCED
    place.clock.advance(30)
    watch.is_replaced(place.sync)
    assert "box.pem ends at" in place.alarm()
    assert is_due((0.0, 365 * DAY_S), 336 * DAY_S)
    assert not is_due((0.0, 365 * DAY_S), 334 * DAY_S), "a year's is told thirty days before"


def test_the_doctor_says_how_long_it_is_good_for(place: Place) -> None:
    pair = place.authority.issue("one")

    def asked() -> list[Grade]:
        document = {"brokers": [], "enabled": False}
        settings = parse_settings({"device": {"id": "box"}, "sync": document})
        sync = SyncSettings.model_construct(
            enabled=True, brokers=(), cert_file=pair.certificate, key_file=pair.key
        )
        settings = settings.model_copy(update={"sync": sync})
        return [finding.grade for finding in examine_brokers(settings, place.clock)]

    assert asked() == [Grade.GOOD]
    place.clock.now_utc_ns += round(1.5 * DAY_S * NS_PER_S)
    assert asked() == [Grade.DOUBTFUL]
    place.clock.now_utc_ns += round(DAY_S * NS_PER_S)
    assert asked() == [Grade.BAD]
    pair.certificate.write_text("none")
    assert asked() == [Grade.BAD]
