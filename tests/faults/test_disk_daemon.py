"""The whole daemon on a real small disk that fills up or turns read-only: it does as configured.

A file system of its own in a file, mounted as the state folder; needs the right to mount, and is skipped with
its reason where there is none.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from whole_box import AUDIENCE, LOCK, WholeBox, until

from drivers.reader.cards import with_parity
from drivers.simulated.readers import SimulatedBridge
from edge.access import Person
from edge.errors import Exit
from edge.hatch import request
from edge.store.envelope import verify_chain

pytestmark = pytest.mark.mosquitto

WITHIN_S = 60
DISK_MB = 24
LEFT_FREE = 300 << 10
"""So little that the journal cannot write for long, and so much that the daemon starts."""


class SmallDisk:
    """ext4 in a file, mounted on a folder."""

    def __init__(self, folder: Path, image: Path) -> None:
        self.folder, self._image = folder, image
        self._ballast = folder / "ballast"

    def make(self) -> None:
        """Make and mount it; skips the test where that is not allowed."""
        tools = {
            tool: shutil.which(tool, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") for tool in TOOLS
        }
        missing = [tool for tool, path in tools.items() if path is None]
        if missing:
            pytest.skip(f"not installed: {', '.join(missing)}")
        with self._image.open("wb") as file:
            file.truncate(DISK_MB << 20)
        run("mkfs.ext4", "-q", "-F", "-m", "0", str(self._image))
        self.folder.mkdir(mode=0o700)
        self.mount()

    def mount(self) -> None:
        done = run("mount", "-o", "loop,errors=remount-ro", str(self._image), str(self.folder), check=False)
        if done.returncode:
            pytest.skip(f"no right to mount a file system here: {done.stderr.strip()}")

    def unmount(self) -> None:
        run("umount", str(self.folder), check=False)

    def repair(self) -> None:
        """What an installer does with such a card."""
        self.unmount()
        fixed = run("e2fsck", "-f", "-y", str(self._image), check=False)
        assert fixed.returncode in (0, 1), fixed.stdout
        self.mount()

    def fill(self, left: int = 0) -> None:
        """Take all room but so much."""
        size = max(0, shutil.disk_usage(self.folder).free - left)
        with suppress(OSError), self._ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, size)

    def free(self) -> None:
        """Give it back."""
        self._ballast.unlink()

    def turn_read_only(self) -> None:
        """As ext4 does by itself when the card reports an error; skips where that cannot be asked for."""
        device = next(
            line.split()[0]
            for line in Path("/proc/mounts").read_text().splitlines()
            if f" {self.folder} " in line
        )
        trigger = Path("/sys/fs/ext4") / Path(device).name / "trigger_fs_error"
        try:
            trigger.write_text("test")
        except OSError as error:
            pytest.skip(f"{trigger}: {error.strerror}")
        with pytest.raises(OSError, match="Read-only file system"):  # statvfs of new kernels does not say so
            (self.folder / "probe").touch()


TOOLS = ("mkfs.ext4", "mount", "umount", "e2fsck")


def run(*command: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
    """A tool of the system; Debian puts some where the PATH of a normal user does not look."""
    environ = {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin", "LC_ALL": "C"}
    return subprocess.run(command, capture_output=True, text=True, check=check, env=environ)


class Scene:
    """A door with a reader, five residents with a card each, and the state folder on a small disk."""

    def __init__(self, folder: Path, policy: str) -> None:
        self.disk = SmallDisk(folder / "state", folder / "disk.img")
        self.bridge = SimulatedBridge(1, link=folder / "bridge")
        door = {
            "type": "door",
            "accepts": ["card"],
            "lock": {"board": "relay", "channel": LOCK, "pulse_ms": 0},
            "contact": {"board": "io", "channel": 7},
            "times": {"unlock_s": 1},
        }
        self.box = WholeBox(
            folder,
            cameras={},
            lanes={"door": door},
            readers={"front": {"type": "bridge", "port": str(folder / "bridge"), "lane": "door"}},
            store={"reserve_mb": 0, "when_unwritable": policy},
        )
        self.residents = 0

    def prepare(self) -> None:
        """Everything that a box has written by its second day."""
        sets = self.box.sets()
        for number in range(1, 10):
            sets.put_person(Person(f"resident-{number}", f"住户{number}", cards=(str(212 << 16 | number),)))
        sets.close()

    def start(self) -> None:
        boards = ("board relay is open", "board io is open")
        before = [self.box.log().count(line) for line in boards]
        self.box.start()
        until(
            lambda: all(
                self.box.log().count(line) > count for line, count in zip(boards, before, strict=True)
            ),
            WITHIN_S,
            "the boards are there",
        )
        until(
            lambda: all(reader["is_up"] for reader in self.status()["readers"]), WITHIN_S, "the reader is up"
        )
        until(self.live, WITHIN_S, "the platform sees it")

    def status(self) -> dict[str, list[dict[str, object]]]:
        return request(self.box.folder / "state", {"do": "status"}) or {"readers": [{"is_up": False}]}

    def live(self) -> bool:
        return self.box.platform.devices()[AUDIENCE].is_live if self.box.platform.devices() else False

    def alarms(self) -> set[object]:
        return {alarm["name"] for alarm in self.status()["alarms"]}

    def somebody_comes(self) -> None:
        """Another resident each time, so that nobody is only a visit that goes on."""
        self.residents += 1
        self.bridge.present(1, with_parity(f"{212 << 16 | self.residents:024b}"))

    def is_let_in(self, what: str) -> None:
        until(lambda: self.box.edges(LOCK)[-1:] != [True], WITHIN_S, "the door is locked again")
        before = self.box.pulses(LOCK)
        self.somebody_comes()
        until(lambda: self.box.pulses(LOCK) == before + 1, WITHIN_S, what)

    def stays_outside(self) -> None:
        before, told = self.box.pulses(LOCK), self.box.log().count(NOTHING_MOVES)
        self.somebody_comes()
        until(lambda: self.box.log().count(NOTHING_MOVES) > told, WITHIN_S, "it says why not")
        assert self.box.pulses(LOCK) == before

    def comes(self, policy: str) -> None:
        """What is configured for a journal that takes nothing."""
        if policy == "open":
            self.is_let_in("permits go on, as configured")
        else:
            self.stays_outside()

    def wear_out(self) -> None:
        """Let the box write until the journal has no room."""
        for _ in range(400):
            if "journal.failed" in self.alarms():
                return
            self.box.platform.send_command(AUDIENCE, "ping", {}, timeout_s=WITHIN_S)
        raise AssertionError("the disk is never full")


NOTHING_MOVES = "nothing moves, because it cannot be journaled"


@pytest.fixture
def scene(tmp_path: Path, policy: str) -> Iterator[Scene]:
    made = Scene(tmp_path, policy)
    made.disk.make()
    try:
        with made.bridge, made.box:
            made.prepare()
            yield made
    finally:
        made.disk.unmount()


@pytest.mark.parametrize("policy", ["open"])  # "closed" passes too, and takes as long again
def test_OPS_1_a_full_disk_does_as_configured_and_when_there_is_room_all_is_delivered(
    scene: Scene, policy: str
) -> None:
    scene.start()
    scene.is_let_in("there is room")
    scene.box.stop()
    scene.disk.fill(LEFT_FREE)
    scene.start()
    scene.wear_out()
    scene.comes(policy)
    refused = scene.box.platform.send_command(AUDIENCE, "open", {"lane": "door"}, timeout_s=WITHIN_S)
    assert (refused.result, refused.code) == ("rejected", "journal"), "from afar never unwritten"
    scene.disk.free()
    until(lambda: "journal.failed" not in scene.alarms(), WITHIN_S, "it writes again by itself")
    scene.is_let_in("there is room again")
    scene.box.wait_delivered(WITHIN_S)
    decided = [event["data"]["subject"] for event in scene.box.stored() if "access.decided" in event["type"]]
    let_in = (1, 2, 3) if policy == "open" else (1, 3)
    assert decided == [f"resident-{number}" for number in let_in], "what waited in memory is there too"
    assert scene.box.platform.ledger.broken_chains() == []
    assert scene.box.stop() == 0


@pytest.mark.parametrize("policy", ["closed"])  # "open" passes too
def test_OPS_1_a_disk_that_turns_read_only_does_as_configured_and_once_mended_all_is_as_before(
    scene: Scene, policy: str
) -> None:
    scene.start()
    scene.is_let_in("it can be written")
    scene.box.wait_delivered(WITHIN_S)
    before = scene.box.stored()
    scene.disk.turn_read_only()
    scene.comes(policy)
    until(lambda: "journal.failed" in scene.alarms(), WITHIN_S, "the alarm")
    until(
        lambda: "journal.failed" in scene.box.platform.devices()[AUDIENCE].alarms,
        WITHIN_S,
        "and its platform",
    )
    scene.comes(policy)
    assert scene.box.is_alive
    assert scene.box.stop() == 0, "it ends in order all the same"
    assert "Traceback" not in scene.box.log()
    pulses = scene.box.pulses(LOCK)
    again = scene.box.command("run")
    assert (again.returncode, scene.box.pulses(LOCK)) == (Exit.IO, pulses), "and does not start unwritten"
    assert "Read-only file system" in again.stderr
    scene.disk.repair()
    scene.start()
    scene.is_let_in("the card was mended")
    scene.box.wait_delivered(WITHIN_S)
    # One run in about thirty: the disk has lost an event that it had called written, and the platform has it.
    # Then the box goes on in a new epoch (tests/contract/test_uplink_forks.py).
    stored = scene.box.stored()
    assert stored[: len(before)] == before
    assert len({event["id"] for event in stored}) == len(stored)
    assert verify_chain(scene.box.platform.ledger.payloads(AUDIENCE)) is None
    decided = [event["data"]["subject"] for event in stored if "access.decided" in event["type"]]
    assert decided[0] == "resident-1"
    assert decided[-1] == f"resident-{scene.residents}", "who came when the card was mended"
    assert scene.box.stop() == 0
