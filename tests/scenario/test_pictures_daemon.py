"""The whole daemon keeps what its camera read, and brings it to the platform, whatever is cut on the way."""

import base64
import hashlib
import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from test_plate_push_daemon import LOCAL, push
from whole_box import AUDIENCE, WholeBox, until

from edge.access import Person
from edge.cli.app import main
from edge.clock import SystemClock
from edge.errors import Unavailable
from edge.platform.ledger import Ledger
from edge.platform.picture_collector import PictureCollector
from edge.platform.pictures import PictureShelf
from edge.records import JsonObject
from edge.sync.picture_upload import PART_BYTES
from edge.sync.session import Broker, Login

pytestmark = pytest.mark.mosquitto
OURS, STRANGE = "粤B12345", "苏A88888"


class Halting(PictureShelf):
    """Falls silent behind so many bytes of a picture; remembers the places that parts came for."""

    def __init__(self, folder: Path, silent_from: int = 1 << 30) -> None:
        super().__init__(folder)
        self.silent_from, self.offsets = silent_from, list[Any]()

    def take(self, device: str, header: Mapping[str, Any], part: bytes, ledger: Ledger) -> JsonObject:
        self.offsets.append(header["offset"])
        answer = super().take(device, header, part, ledger)
        if answer.get("have", 0) >= self.silent_from:
            raise Unavailable("the test cuts here")
        return answer


def collector(box: WholeBox, shelf: PictureShelf | None = None) -> PictureCollector:
    login = Login(Broker.parse(box.broker.url), "gh-pictures", clean=True)
    made = PictureCollector(login, box.folder / "keys", SystemClock(), reconnect_max_s=1.0)
    made.shelf = shelf or made.shelf
    made.start()
    return made


def noise(seed: int, side_px: int) -> bytes:
    """A real JPEG that does not shrink."""
    image = np.random.default_rng(seed).integers(0, 255, (side_px, side_px, 3), np.uint8)
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes()


def told(capsys: pytest.CaptureFixture[str], *words: object) -> list[dict[str, Any]]:
    """What a command says in JSON."""
    capsys.readouterr()
    assert main([*map(str, words), "--json"]) == 0
    return list(json.loads(capsys.readouterr().out))


def test_PRIV_1_a_car_passes_its_event_names_a_picture_and_the_picture_follows_through_cuts_and_kills(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server((LOCAL, 0)) as probe:
        port = probe.getsockname()[1]
    camera = {"type": "vzenith", "senders": [LOCAL], "listen": LOCAL, "port": port}
    pictures = {"plates": "refused", "upload": True}
    picture, small = noise(1, 226), noise(2, 60)
    assert 2 * PART_BYTES < len(picture) <= 40_000
    with WholeBox(tmp_path, cameras={"reader": camera}, pictures=pictures) as box:
        sets = box.sets()
        sets.put_person(Person("wang-li", "王丽", plates=(OURS,)))
        sets.close()
        listing = ("pictures", "list", "--config", box.config)
        halting = Halting(tmp_path / "keys", PART_BYTES)
        silent = collector(box, halting)
        box.start()
        for ready in (f"port {port}", "board relay is open", "board io is open", "connected to"):
            until(lambda: ready in box.log(), 60, ready)  # noqa: B023 - asked at once

        push(port, OURS, 1, imageFragmentFile=base64.b64encode(small).decode())
        push(port, STRANGE, 2, imageFragmentFile=base64.b64encode(picture).decode())
        decided = until(
            lambda: [d for d in box.journal("access.decided") if d["verdict"] == "deny"], 60, "a no"
        )
        named = decided[0]["picture"]
        assert named == {"sha256": hashlib.sha256(picture).hexdigest(), "bytes": len(picture)}
        assert all("picture" not in d for d in box.journal("access.decided") if d["verdict"] == "grant")

        until(lambda: 0 in halting.offsets, 60, "a part has come")
        box.kill()
        silent.close()
        shelf = Halting(tmp_path / "keys")
        assert list(shelf.stored()) == []
        taking = collector(box, shelf)
        try:
            box.start()
            (one,) = until(lambda: list(shelf.stored(AUDIENCE)), 60, "the picture has come")
            places = [place for place in shelf.offsets if place is not None]
            assert min(places) == PART_BYTES, "it went on where the platform was"
            assert one.path.read_bytes() == picture
            assert one.about["event"] in {event["id"] for event in box.stored()}
            until(lambda: [p["state"] for p in told(capsys, *listing)] == ["sent"], 60, "the box knows")

            held = b"".join(p.read_bytes() for p in (tmp_path / "state").rglob("*") if p.is_file())
            assert picture[100:132] not in held, "nowhere on the box in the open"
            out = tmp_path / "out.jpg"
            export = ["pictures", "export", named["sha256"][:12], str(out), "--config", str(box.config)]
            assert main(export) == 0
            assert out.read_bytes() == picture
            (there,) = told(capsys, "platform", "pictures", "-d", tmp_path / "keys")
            assert (there["sha256"], there["device"]) == (named["sha256"], AUDIENCE)

            answer = box.platform.send_command(
                AUDIENCE, "pictures-delete", {"sha256": [named["sha256"]]}, life_s=60.0
            )
            assert answer.data == {"deleted": 1, "asked": 1}
            assert told(capsys, *listing) == []
            until(lambda: box.journal("pictures.deleted"), 60, "the journal is told")
            assert box.stop() == 0
        finally:
            taking.close()
