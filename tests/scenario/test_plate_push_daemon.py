"""A plate camera that pushes what it reads, at the whole daemon with its simulated gate."""

import http.client
import json
import socket
from pathlib import Path

from whole_box import OPEN, WholeBox, until

LOCAL = "127.0.0.1"


def push(port: int, license_: str, number: int, **fields: int) -> int:
    plate = {
        "license": license_,
        "type": 1,
        "colorType": 1,
        "confidence": 97,
        "plateid": number,
        "isoffline": 0,
        "timeStamp": {"Timeval": {"sec": 1_763_884_800 + number, "usec": 0}},
        **fields,
    }
    body = json.dumps({"AlarmInfoPlate": {"serialno": "a1", "result": {"PlateResult": plate}}})
    connection = http.client.HTTPConnection(LOCAL, port, timeout=30)
    try:
        connection.request("POST", "/plate", body.encode())
        reply = connection.getresponse()
        assert json.loads(reply.read())["Response_AlarmInfoPlate"]["info"] == "no"
        return reply.status
    finally:
        connection.close()


def test_a_pushed_plate_opens_the_lane_once_and_what_was_stored_offline_only_reaches_the_journal(
    tmp_path: Path,
) -> None:
    with socket.create_server((LOCAL, 0)) as probe:
        port = probe.getsockname()[1]
    camera = {"type": "vzenith", "senders": [LOCAL], "listen": LOCAL, "port": port}
    with WholeBox(tmp_path, cameras={"reader": camera}) as box:
        added = box.command("roster", "add", "wang-li", "--name", "王丽", "--plate", "粤B12345")
        assert added.returncode == 0, added.stderr
        box.start()
        for ready in (f"port {port}", "board relay is open", "board io is open"):
            until(lambda: ready in box.log(), 60, ready)  # noqa: B023 - asked at once

        assert push(port, "苏A88888", 1, isoffline=1) == 200
        (late,) = until(lambda: box.journal("plate.reported_late"), 60, "the stored result is journaled")
        assert late["text"] == "苏A88888"

        assert push(port, "粤B12345", 2) == 200
        assert push(port, "粤B12345", 2) == 200  # sent again
        until(lambda: box.pulses(OPEN), 60, "the boom is opened")
        decisions = until(lambda: box.journal("access.decided"), 60, "the decision is journaled")
        assert [(d["verdict"], d["credential"]) for d in decisions] == [("grant", "粤B12345")]
        assert len(box.journal("plate.reported_late")) == 1
        assert box.stop() == 0
