"""Signed commands about the box itself, and lanes that come and go live, with the whole daemon."""

import base64
import logging
from pathlib import Path

import cv2
import numpy as np
import pytest
from control_bench import AUDIENCE, ControlBench, door, draw_film, gate
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sync_bench import until

from edge.hatch import request
from edge.platform import ROOT_KEY_FILE, Signer, sign_key_set
from edge.sync.keys import load_public_keys

pytestmark = pytest.mark.mosquitto


def test_SAFE_2_the_kill_switch_stops_everything_remote_and_outlives_a_restart(tmp_path: Path) -> None:
    with ControlBench(tmp_path) as bench:
        bench.start()
        until(lambda: bench.phase("gate") == "closed")
        assert bench.send("hold", lane="door").result == "done"
        until(lambda: bench.phase("door") == "held")
        thrown = bench.send("kill-switch", on=True, why="drill", operator="desk-1")
        assert (thrown.result, thrown.data["by"], thrown.data["why"]) == ("done", "desk-1", "drill")
        until(lambda: bench.phase("door") == "locked", what="what was held remotely is let go")
        for name in ("open", "hold", "fleet"):
            refused = bench.send(name, lane="gate")
            assert (refused.result, refused.code) == ("rejected", "kill_switch")
        assert bench.send("release", lane="door").code != "kill_switch", "what lets go is always taken"
        until(lambda: "kill_switch.thrown" in bench.types())
        bench.stop()
        bench.start()
        assert bench.send("open", lane="gate").code == "kill_switch", "after a restart too"
        state_dir = bench.settings.device.state_dir
        status = request(state_dir, {"do": "status"})
        assert status is not None
        assert status["kill_switch"]["thrown"] is True
        assert "kill_switch.thrown" in {alarm["name"] for alarm in status["alarms"]}
        until(lambda: bench.phase("gate") == "closed")
        by_hand = request(state_dir, {"do": "ask", "lane": "gate", "ask": "open"})
        assert by_hand is not None
        assert by_hand["result"] == "done", "whoever stands at the box opens"
        assert bench.send("kill-switch", on="no").code == "usage"
        assert bench.send("kill-switch", on=False).result == "done"
        until(lambda: "kill_switch.released" in bench.types())
        assert bench.send("open", lane="door").result == "done"
        assert bench.send("kill-switch", on=False).detail.endswith("already")


def test_keys_are_rotated_live_under_the_root_and_the_old_key_ends(tmp_path: Path) -> None:
    with ControlBench(tmp_path) as bench:
        bench.start()
        root = tmp_path / "keys" / ROOT_KEY_FILE
        old, new = bench.platform.signer, Signer("platform-2", Ed25519PrivateKey.generate())
        first = dict(load_public_keys(tmp_path / "keys" / "platform_keys.json"))
        both = {**first, "platform-2": new._key.public_key()}
        rotated = bench.send("rotate-key", keys=sign_key_set(root, "park", 1, both).decode())
        assert (rotated.result, rotated.data["serial"]) == ("done", 1)
        bench.platform.signer = new
        assert bench.send("ping").result == "done"
        until(lambda: bench.known.info.get("keys_serial") in (0, 1))
        alone = {"platform-2": new._key.public_key()}
        bench.platform.publish_key_set(AUDIENCE, sign_key_set(root, "park", 2, alone))
        until(lambda: bench.known.info.get("keys_serial") == 2, what="retained, without any command")
        assert set(bench.known.info["keys"]) == {"platform-2"}
        bench.platform.signer = old
        assert bench.send("ping").code == "signature"
        bench.platform.signer = new
        forged = bench.send("rotate-key", keys=sign_key_set(root, "park", 1, both).decode())
        assert (forged.result, forged.code) == ("rejected", "keys_serial")
        bench.stop()
        bench.start()
        assert bench.send("ping").result == "done", "the set outlives a restart"


def test_a_picture_the_log_a_self_test_and_a_restart_from_afar(tmp_path: Path) -> None:
    draw_film(tmp_path / "film")
    cameras = {
        name: {
            "type": "replay",
            "source": str(tmp_path / "film"),
            "fps": 5,
            "repeat": True,
            "looks_for": ["qr"],
        }
        for name in ("front", "back")
    }
    lanes = {"door": door(cameras=["front"], accepts=["qr"])}
    more = {
        "remote": {"snapshots": ["front"]},
        "passes": {"keys": str(tmp_path / "keys" / "platform_keys.json")},
    }
    with ControlBench(tmp_path, lanes, cameras=cameras, **more) as bench:
        bench.start()
        until(lambda: bench.daemon._eyes["front"].stats.is_seeing, what="the camera sees")
        shot = bench.send("snapshot", camera="front")
        assert shot.result == "done", shot
        raw = np.frombuffer(base64.b64decode(shot.data["jpeg"]), np.uint8)
        picture = cv2.imdecode(raw, cv2.IMREAD_COLOR)
        assert picture.shape == (480, 640, 3)
        assert abs(int(picture[200, 250, 2]) - 240) < 30
        assert bench.send("snapshot", camera="back").code == "refused"
        logging.getLogger("edge.test").warning("opened rtsp://admin:hunter2@10.0.0.7/1 password=hunter2")
        told = bench.send("logs", lines=500)
        assert told.result == "done"
        assert any("edge.test: opened rtsp://***@10.0.0.7/1" in line for line in told.data["lines"])
        assert "hunter2" not in str(told.data)
        assert bench.send("logs", lines=0).code == "usage"
        test = bench.send("self-test")
        parts = {finding["part"]: finding["grade"] for finding in test.data["findings"]}
        assert (parts["camera front"], parts["board relays"]) == ("good", "good"), parts
        assert {"clock", f"broker {bench.broker.url}"} <= set(parts)
        again = bench.send("restart")
        assert again.result == "done"
        bench.wait_ended()
        assert bench.codes == [0]


def test_what_the_file_does_not_allow_is_no_command_here(tmp_path: Path) -> None:
    with ControlBench(tmp_path, remote={"logs": False, "restart": False}) as bench:
        bench.start()
        for name in ("snapshot", "logs", "restart"):
            assert bench.send(name).code == "unknown_command"


def test_lanes_and_cameras_come_and_go_live_and_the_others_do_not_notice(tmp_path: Path) -> None:
    draw_film(tmp_path / "film")
    passes = {"keys": str(tmp_path / "keys" / "platform_keys.json")}
    with ControlBench(tmp_path, passes=passes) as bench:
        bench.start()
        until(lambda: bench.phase("gate") == "closed")
        assert bench.send("open", lane="gate").result == "done"
        until(lambda: bench.phase("gate") == "open_wait", what="a car is let in")
        lane = bench.daemon._lanes["gate"]
        film = {"type": "replay", "source": str(tmp_path / "film"), "fps": 5, "repeat": True}
        seen = {"cameras": ["side"], "accepts": ["qr"]}
        side = door(lock={"board": "relays", "channel": 3}, contact={"board": "inputs", "channel": 8}, **seen)
        lanes = {"gate": gate(), "side": side}
        rev = bench.configure({"lanes": lanes, "cameras": {"side": {**film, "looks_for": ["qr"]}}})
        report = bench.until_state(rev, "applied", 150)
        assert report["running_rev"] == rev
        assert set(bench.daemon._lanes) == {"gate", "side"}
        assert bench.daemon._lanes["gate"] is lane, "it was not touched"
        assert bench.send("open", lane="door").code == "not_allowed", "it is gone"
        eye = bench.daemon._eyes["side"]
        until(lambda: eye.stats.is_seeing, what="the new camera sees")
        assert bench.send("open", lane="side").result == "done"
        passage = {"board": "inputs", "channel": 8}
        other = {
            "type": "turnstile",
            "pass_in": {"board": "relays", "channel": 3},
            "passage": passage,
            **seen,
        }
        narrower = {**film, "looks_for": ["qr"], "region": [0.1, 0.1, 0.9, 0.9]}
        rev = bench.configure({"lanes": {"gate": gate(), "side": other}, "cameras": {"side": narrower}})
        bench.until_state(rev, "applied", 150)
        assert bench.daemon._lanes["side"].status.kind == "turnstile", "a lane may become another"
        assert bench.daemon._eyes["side"] is eye, "a region is taken by the running process"
        rev = bench.configure({})
        bench.until_state(rev, "applied")
        assert (set(bench.daemon._lanes), set(bench.daemon._eyes)) == ({"gate", "door"}, set())
        until(lambda: not eye.is_alive())
        assert bench.daemon._lanes["gate"] is lane
