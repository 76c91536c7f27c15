"""The daemon as a process whose whole world has another time of day, under everything that asks for it.

``tests/scenario/test_clock_jumps.py`` puts another clock into the daemon; here nothing in it knows, also not
SQLite, the MQTT client, the logging and what it starts (``other_time.c``, compiled and preloaded).
"""

import mmap
import shutil
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from whole_box import AUDIENCE, LOCK, WholeBox, until

from drivers.reader.cards import with_parity
from drivers.simulated.readers import SimulatedBridge
from edge.access import Person
from edge.hatch import request
from edge.store.envelope import verify_chain

pytestmark = pytest.mark.mosquitto

WITHIN_S = 60
SOURCE = Path(__file__).with_name("other_time.c")
DECADE_S = 3652 * 86_400
RESIDENTS = 12


class FakedBox:
    """A door with a card reader, and a file that says by how many seconds its world is off."""

    def __init__(self, folder: Path, library: Path) -> None:
        self._library = library
        self.bridge = SimulatedBridge(1, link=folder / "bridge")
        self._time = folder / "time"
        self._time.write_bytes(bytes(mmap.PAGESIZE))
        self._came = 0
        door = {
            "type": "door",
            "accepts": ["card"],
            "lock": {"board": "relay", "channel": LOCK, "pulse_ms": 0},
            "contact": {"board": "io", "channel": 7},
            "times": {"unlock_s": 1},
        }
        reader = {"type": "bridge", "port": str(folder / "bridge"), "lane": "door"}
        self.box = WholeBox(folder, cameras={}, lanes={"door": door}, readers={"front": reader})

    def prepare(self) -> None:
        sets = self.box.sets()
        for number in range(1, RESIDENTS + 1):
            sets.put_person(Person(f"resident-{number}", f"住户{number}", cards=(str(212 << 16 | number),)))
        sets.close()

    def put_time(self, off_s: int) -> None:
        """At once, in every process of that world."""
        with self._time.open("r+b") as file, mmap.mmap(file.fileno(), mmap.PAGESIZE) as shared:
            shared[:8] = struct.pack("@q", off_s)

    def start(self) -> None:
        before = self.box.log().count("board relay is open")
        self.box.start(LD_PRELOAD=str(self._library), GATEHOUSE_TEST_TIME=str(self._time))
        until(lambda: self.box.log().count("board relay is open") > before, WITHIN_S, "the board is there")
        until(self._reader_is_up, WITHIN_S, "the reader is up")
        until(self._is_live, WITHIN_S, "the platform sees it")

    def jump(self, off_s: int) -> None:
        before = len(self.box.journal("clock.stepped"))
        self.put_time(off_s)
        until(lambda: len(self.box.journal("clock.stepped")) > before, WITHIN_S, f"it notices {off_s} s")

    def is_let_in(self, what: str) -> None:
        until(lambda: self.box.edges(LOCK)[-1:] != [True], WITHIN_S, "the door is locked again")
        before = self.box.pulses(LOCK)
        self._came += 1
        self.bridge.present(1, with_parity(f"{212 << 16 | self._came:024b}"))
        until(lambda: self.box.pulses(LOCK) == before + 1, WITHIN_S, what)

    def remotely(self) -> str:
        until(lambda: self.box.edges(LOCK)[-1:] != [True], WITHIN_S, "the door is locked again")
        return str(
            self.box.platform.send_command(AUDIENCE, "open", {"lane": "door"}, timeout_s=WITHIN_S).result
        )

    def status(self) -> dict[str, list[dict[str, object]]]:
        return request(self.box.folder / "state", {"do": "status"}) or {"readers": [], "alarms": []}

    def stands(self, name: str) -> bool:
        return name in {alarm["name"] for alarm in self.status()["alarms"]}

    def _reader_is_up(self) -> bool:
        readers = self.status()["readers"]
        return bool(readers) and all(reader["is_up"] for reader in readers)

    def _is_live(self) -> bool:
        known = self.box.platform.devices().get(AUDIENCE)
        return known is not None and known.is_live


@pytest.fixture
def faked(tmp_path: Path) -> Iterator[FakedBox]:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler here")
    library = tmp_path / "other_time.so"
    command = [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", str(library), str(SOURCE)]
    subprocess.run(command, check=True)
    made = FakedBox(tmp_path, library)
    with made.bridge, made.box:
        made.prepare()
        yield made


def test_OPS_1_in_a_world_whose_time_jumps_cards_open_commands_count_and_nothing_is_lost(
    faked: FakedBox,
) -> None:
    faked.start()
    faked.is_let_in("today")
    assert faked.remotely() == "done"
    for off_s in (DECADE_S, -DECADE_S, DECADE_S):
        faked.jump(off_s)
        faked.is_let_in(f"off by {off_s} s")
    assert faked.remotely() == "expired", "what is signed now is ten years late there"
    assert faked.box.stop() == 0

    faked.put_time(20 - round(time.time()))  # 1970: a Pi without a clock, before the network has told it
    faked.start()
    until(lambda: faked.stands("clock.unset"), WITHIN_S, "it says that it knows no time")
    faked.is_let_in("a card needs no clock")
    faked.jump(0)
    until(lambda: not faked.stands("clock.unset"), WITHIN_S, "it knows the time again")
    faked.is_let_in("today again")
    assert faked.remotely() == "done"
    faked.box.wait_delivered(WITHIN_S)
    stored = faked.box.stored()
    decided = [event["data"]["subject"] or "" for event in stored if "access.decided" in event["type"]]
    came = [subject for subject in decided if subject.startswith("resident-")]
    assert came == [f"resident-{number}" for number in range(1, len(came) + 1)]
    assert len(came) == 6
    assert len({event["ghepoch"] for event in stored}) == 1
    assert verify_chain(faked.box.platform.ledger.payloads(AUDIENCE)) is None
    assert faked.box.stop() == 0
