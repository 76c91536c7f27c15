"""The rules that ``gatehouse platform acl`` writes, on a real mosquitto: each box only what is its own."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sync_bench import Stranger

from edge.platform import BrokerProcess
from edge.platform.acl import acl_file
from edge.records import Stream
from edge.sync.topics import Topics

pytestmark = pytest.mark.mosquitto

MINE, BESIDE, ABROAD = Topics("park", "gate-1"), Topics("park", "gate-2"), Topics("other", "gate-1b")
BOXES = (MINE, BESIDE, ABROAD)
GREEDY = ("#", "gh/#", "+/+/+/+/#", "gh/1/+/+/#", "gh/1/park/#", "$share/x/#", "$share/x/gh/1/park/+/cmd/+")


def up(box: Topics) -> tuple[str, ...]:
    named = (box.state, f"{box.base}/info", box.reported, box.result("open"))
    return (
        *named,
        *(box.event(stream) for stream in Stream),
        f"{box.base}/tm/lanes",
        f"{box.base}/sync/s/req",
        f"{box.base}/pic/up",
    )


def down(box: Topics) -> tuple[str, ...]:
    below = (f"{box.base}/sync/s/res", f"{box.base}/pic/ack")
    return (box.ack, box.desired, box.keys, box.command("open"), *below)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[BrokerProcess]:
    tool = shutil.which("mosquitto_passwd")
    if tool is None:
        pytest.skip("mosquitto_passwd is not installed")
    passwords, rules = tmp_path / "passwords", tmp_path / "acl"
    passwords.touch(mode=0o600)
    for user in ("platform", *(box.device for box in BOXES)):
        subprocess.run([tool, "-b", str(passwords), user, "secret"], check=True, capture_output=True)
    rules.write_text(acl_file(BOXES, "platform"), encoding="utf-8")
    rules.chmod(0o600)
    options = ("allow_anonymous false", f"password_file {passwords}", f"acl_file {rules}")
    with BrokerProcess(tmp_path, options=options) as running:
        yield running


def client(broker: BrokerProcess, user: str, *topics: str) -> Stranger:
    return Stranger(broker, *topics, username=user, password="secret")


def heard(client: Stranger, quiet_s: float = 0.4) -> list[tuple[str, bytes]]:
    """What has come, when nothing has come any more for a moment."""
    count = -1
    while count != len(client.messages):
        count = len(client.messages)
        until_s = time.monotonic() + quiet_s
        while time.monotonic() < until_s:
            client._turn()
    return [(message.topic, message.payload) for message in client.messages]


def test_no_box_writes_what_is_anothers_or_the_platforms(broker: BrokerProcess) -> None:
    with (
        client(broker, "platform", "gh/1/#") as platform,
        client(broker, BESIDE.device, "#") as beside,
        client(broker, MINE.device) as mine,
    ):
        for box in BOXES:
            for topic in (*up(box), *down(box)):
                mine.say(topic, f"{topic}".encode())
        mine.say("gh/1/park/_scope/site/permits/d", b"x")
        mine.say("homeassistant/device/x/config", b"x")
        own = [(topic, topic.encode()) for topic in up(MINE)]
        assert sorted(heard(platform)) == sorted(own)
        assert heard(beside) == []


def test_no_box_hears_what_is_anothers_however_it_asks(broker: BrokerProcess) -> None:
    with (
        client(broker, "platform") as platform,
        client(broker, BESIDE.device) as beside,
        client(broker, MINE.device, *GREEDY, *down(BESIDE), *up(BESIDE)) as greedy,
        client(broker, ABROAD.device, *GREEDY) as abroad,
    ):
        for topic in up(BESIDE):
            beside.say(topic, b"theirs")
        for box in BOXES:
            for topic in down(box):
                platform.say(topic, box.audience.encode(), retain=topic == box.desired)
        platform.say("gh/1/park/_scope/site/permits/d", b"park")
        platform.say("gh/1/other/_scope/site/permits/d", b"other")
        told = heard(greedy)
        assert {payload for _, payload in told} == {b"park/gate-1", b"park"}
        assert {topic for topic, _ in told} == {*down(MINE), "gh/1/park/_scope/site/permits/d"}
        assert {payload for _, payload in heard(abroad)} == {b"other/gate-1b", b"other"}
    with client(broker, BESIDE.device, *GREEDY, MINE.desired) as late:
        assert {topic for topic, _ in heard(late)} == {BESIDE.desired}, "nor what is retained"
