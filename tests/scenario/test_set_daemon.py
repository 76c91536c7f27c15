"""The whole daemon with a published set: a permit opens the lane, its revocation closes it."""

import json
import socket
import time
from pathlib import Path

from test_plate_push_daemon import LOCAL, push
from whole_box import OPEN, TENANT, WholeBox, until

from edge.cli.app import main
from edge.clock import SystemClock
from edge.platform.roster import SetPublisher
from edge.sync.session import Broker, Login

SCOPE = "north"
PERSONS = [
    {"id": "wang-li", "name": "王丽", "plates": ["粤B12345"]},
    {"id": "li-na", "name": "李娜", "plates": ["粤B23456"]},
]


def decisions(box: WholeBox) -> list[tuple[str, str, str]]:
    return [(d["credential"], d["verdict"], d["reason"]) for d in box.journal("access.decided")]


def publish(box: WholeBox, persons: list[dict[str, object]], max_stale_h: float = 0) -> None:
    """By the command that an operator runs."""
    roster = box.folder / "roster.json"
    roster.write_text(json.dumps({"persons": persons}), encoding="utf-8")
    folder = box.folder / "keys"
    given = ["platform", "publish-set", roster, "--broker", box.broker.url, "--folder", folder]
    given += ["--tenant", TENANT, "--scope", SCOPE, "--max-stale-h", max_stale_h]
    assert main([str(word) for word in given]) == 0


def test_ACC_2_a_published_permit_opens_the_lane_and_its_revocation_closes_it(tmp_path: Path) -> None:
    with socket.create_server((LOCAL, 0)) as probe:
        port = probe.getsockname()[1]
    camera = {"type": "vzenith", "senders": [LOCAL], "listen": LOCAL, "port": port}
    sets = {"scope": SCOPE, "take": ["permits"]}
    with WholeBox(tmp_path, cameras={"reader": camera}, sets=sets, decision={"visit_gap_s": 1.0}) as box:
        login = Login(Broker.parse(box.broker.url), "gh-sets", clean=True)
        server = SetPublisher(login, tmp_path / "keys", SystemClock(), tenant=TENANT)
        server.start()
        try:
            box.start()
            for ready in (f"port {port}", "board relay is open", "board io is open", "connected to"):
                until(lambda: ready in box.log(), 60, ready)  # noqa: B023 - asked at once
            publish(box, PERSONS)
            until(lambda: "set permits: revision 1 counts, 2 items" in box.log(), 60, "the set counts")
            until(lambda: "roster 0: 2 persons" in box.log(), 60, "it is decided with")
            push(port, "粤B12345", 2)
            until(lambda: box.pulses(OPEN), 60, "the boom is opened")
            until(lambda: ("粤B12345", "grant", "permit") in decisions(box), 60, "it is journaled")
            (granted,) = [d for d in box.journal("access.decided") if d["verdict"] == "grant"]
            assert (granted["sets"], granted["model"]) == ({"permits": 1}, "vzenith")

            publish(box, PERSONS[1:])
            until(lambda: "set permits: revision 2 counts, 1 items" in box.log(), 60, "it is revoked")
            before = box.pulses(OPEN)
            numbers = iter(range(3, 1000))

            def refused() -> bool:
                time.sleep(1.5)  # after a pause it is another visit
                push(port, "粤B12345", next(numbers))
                return ("粤B12345", "deny", "unknown_plate") in decisions(box)

            until(refused, 60, "it is refused")
            assert box.pulses(OPEN) == before
            assert box.stop() == 0
        finally:
            server.close()
