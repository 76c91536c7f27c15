"""What stands beside a lane, at the whole daemon: a display with a voice, card readers, a keypad."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_plate_push_daemon import push
from whole_box import AUDIENCE, LOCK, OPEN, WholeBox, until

from drivers.reader.cards import with_parity
from drivers.simulated.readers import SimulatedBridge
from drivers.simulated.signboards import SimulatedFkCard
from edge.access import Person
from edge.clock import NS_PER_S
from edge.hatch import request
from edge.presenting import REPEAT_NS

LOCAL = "127.0.0.1"
CARD, STRANGERS = (with_parity(f"{number:024b}") for number in (212 << 16 | 7041, 99 << 16 | 1))
WITHIN_S = 60
AGAIN_S = REPEAT_NS / NS_PER_S + 0.5


class Scene:
    """A box with a barrier and its sign, and a door with its reader."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server((LOCAL, 0)) as probe:
            self.port = probe.getsockname()[1]
        self.sign = SimulatedFkCard(link=folder / "sign", drop_faster_than_ms=5)
        self.bridge = SimulatedBridge(1, link=folder / "bridge")
        camera = {"type": "vzenith", "senders": [LOCAL], "listen": LOCAL, "port": self.port}
        relay, io = "relay", "io"
        entry = {
            "type": "barrier",
            "cameras": ["eye"],
            "accepts": ["plate"],
            "open": {"board": relay, "channel": OPEN, "pulse_ms": 400},
            "open_limit": {"board": io, "channel": 1},
            "closed_limit": {"board": io, "channel": 2},
            "presence": {"board": io, "channel": 3},
        }
        door = {
            "type": "door",
            "accepts": ["card"],
            "lock": {"board": relay, "channel": LOCK, "pulse_ms": 0},
            "contact": {"board": io, "channel": 7},
            "times": {"unlock_s": 1},
        }
        self.box = WholeBox(
            folder,
            cameras={"eye": camera},
            lanes={"entry": entry, "front-door": door},
            displays={"sign": {"type": "fk", "port": str(folder / "sign"), "lanes": ["entry"], "show_s": 60}},
            readers={"front": {"type": "bridge", "port": str(folder / "bridge"), "lane": "front-door"}},
        )
        self.plates = 0

    def command(self, *arguments: str) -> str:
        done = self.box.command(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def knows(self, person: Person) -> None:
        sets = self.box.sets()
        sets.put_person(person)
        sets.close()

    def start(self) -> None:
        self.box.start()
        ready = (f"port {self.port}", "board relay is open", "board io is open")
        until(lambda: all(line in self.box.log() for line in ready), WITHIN_S, "camera and boards")
        until(lambda: self.sign.texts[:2] == ("一车一杆", "减速慢行"), WITHIN_S, "the idle text")

    def drives_up(self, plate: str) -> None:
        self.plates += 1
        push(self.port, plate, self.plates)

    def shows(self, *texts: str) -> None:
        until(lambda: self.sign.texts[: len(texts)] == texts, WITHIN_S, f"{texts}, not {self.sign.texts}")

    def alarms(self) -> list[str]:
        kinds = {"alarm.raised": "+", "alarm.cleared": "-"}
        return [
            f"{kinds[event['type']]}{event['name']}" for event in self.box.journal() if event["type"] in kinds
        ]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    with made.sign, made.bridge, made.box:
        yield made


def test_a_display_tells_drivers_what_was_decided_and_is_missed_without_harm_to_the_lane(
    scene: Scene,
) -> None:
    ends_utc_s = int(time.time()) + 30 * 86_400 - 3600
    scene.knows(Person("wang-li", "王丽", plates=("粤B12345",), valid_to_utc_s=ends_utc_s))
    scene.knows(Person("li-ming", "李明", plates=("粤B67890",)))
    scene.start()

    told = scene.box.platform.send_command(AUDIENCE, "spaces", {"lane": "entry", "free": 0})
    assert told.result == "done", told
    scene.shows("车位已满", "请稍候")

    scene.drives_up("粤B12345")
    until(lambda: scene.box.pulses(OPEN) == 1, WITHIN_S, "the boom is opened")
    scene.shows("粤B12345", "欢迎光临", "剩余30天")
    assert scene.sign.spoken == ("粤B12345,欢迎光临",)

    scene.drives_up("粤B99999")
    scene.shows("粤B99999", "车牌未登", "记", "")
    until(lambda: scene.sign.spoken[-1] == "粤B99999,车牌未登记", WITHIN_S, "said why")
    assert scene.box.pulses(OPEN) == 1

    # Unplugged: named, and nobody stands before a closed boom because of it.
    scene.sign.unplug()
    until(lambda: "+display.lost" in scene.alarms(), WITHIN_S, "the alarm")
    scene.drives_up("粤B67890")
    until(lambda: scene.box.pulses(OPEN) == 2, WITHIN_S, "the boom is opened without a display")
    scene.sign.replug()
    until(lambda: "-display.lost" in scene.alarms(), WITHIN_S, "the alarm is over")
    scene.shows("粤B67890", "欢迎光临")

    folder = scene.box.settings.device.state_dir

    def rows() -> list[str]:
        state = request(folder, {"do": "status"}) or {"displays": []}
        return [row["text"] for shown in state["displays"] for row in shown["rows"]]

    until(lambda: rows()[:2] == ["粤B67890", "欢迎光临"], WITHIN_S, "the status says what it shows")

    assert scene.box.stop() == 0


def test_a_known_card_opens_the_door_and_nothing_else_does(scene: Scene) -> None:
    box, bridge = scene.box, scene.bridge
    scene.knows(Person("wang-li", "王丽"))
    scene.command("roster", "card", "add", "wang-li", "212,07041")
    scene.start()
    status = {"do": "status"}
    folder = box.settings.device.state_dir

    def is_up() -> bool:
        state = request(folder, status)
        return state is not None and all(reader["is_up"] for reader in state["readers"])

    until(is_up, WITHIN_S, "the reader is up")
    bridge.present(1, STRANGERS)
    until(lambda: bridge.feedback == [(1, "R")], WITHIN_S, "a stranger's card is refused")
    for key in "123456#":
        bridge.present(1, f"{'0123456789*#'.index(key):04b}")
    until(lambda: bridge.feedback == [(1, "R"), (1, "R")], WITHIN_S, "a PIN alone is refused")
    assert box.pulses(LOCK) == 0

    bridge.present(1, CARD)
    until(lambda: box.pulses(LOCK) == 1, WITHIN_S, "the door is unlocked")
    until(lambda: bridge.feedback[-1] == (1, "G"), WITHIN_S, "green")
    until(lambda: len(box.journal("access.decided")) == 3, WITHIN_S, "three decisions are journaled")
    assert [(d["verdict"], d["reason"], d["subject"]) for d in box.journal("access.decided")] == [
        ("deny", "unknown_card", None),
        ("deny", "pin_alone", None),
        ("grant", "permit", "wang-li"),
    ]

    # The card that was refused is given to somebody by holding it there once more; the other is taken away.
    bridge.present(1, STRANGERS)
    last = {"do": "last-card", "reader": "front"}
    until(lambda: (request(folder, last) or {}).get("number") == "6488065", WITHIN_S, "it is heard")
    assert "0006488065" in scene.command("roster", "card", "add", "wang-li", "--reader", "front")
    scene.command("roster", "card", "remove", "wang-li", "212,07041")
    until(lambda: box.log().count("roster 4") > 0, WITHIN_S, "the daemon has noticed")
    time.sleep(AGAIN_S)  # held again sooner, a card is still the showing that was refused
    bridge.present(1, STRANGERS)
    until(lambda: box.pulses(LOCK) == 2, WITHIN_S, "its holder is let in")
    bridge.present(1, CARD)
    until(lambda: bridge.feedback[-1] == (1, "R"), WITHIN_S, "a card that was taken away is refused")

    bridge.set_tampered(1, True)
    until(lambda: "+reader.tampered" in scene.alarms(), WITHIN_S, "the opened housing")
    bridge.unplug()
    until(lambda: "+reader.lost" in scene.alarms(), WITHIN_S, "the lost reader")
    bridge.replug()
    until(lambda: "-reader.lost" in scene.alarms(), WITHIN_S, "the reader is back")

    # Neither numbers nor PINs stand in what leaves the box or lies on its disk for others to read.
    told = box.log() + str(box.journal())
    assert str(212 << 16 | 7041) not in told
    assert "123456" not in told
    assert box.stop() == 0
