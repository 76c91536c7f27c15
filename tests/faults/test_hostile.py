"""Short form of ``hostile.py``."""

import logging
import random
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hostile import Mill, Opener, _desk, storm, wire

from edge.clock import ManualClock
from edge.platform.requests import Request, Requests

SEED = 20_261_123


def test_CMD_1_thousands_of_hostile_messages_move_nothing_and_the_good_ones_between_them_do(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, record_property: Any
) -> None:
    with caplog.at_level(logging.CRITICAL):
        found = storm(tmp_path, count=2500, seed=SEED)
    record_property("figures", found)
    assert found["pulses_by_hostile"] == 0
    assert found["wrong"] == []
    assert found["hostile"] == 2500
    assert found["good"] > 3, "a desk that refuses everything shows nothing"
    assert len(found["kinds"]) >= 20
    assert min(found["kinds"].values()) > 50
    assert len(found["answers"]) >= 13, "each check has had its turn"


@pytest.mark.mosquitto
def test_CMD_1_hostile_messages_over_a_broker_move_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.CRITICAL):
        found = wire(tmp_path, count=150, seed=SEED)
    assert found["hostile"] == 150
    assert found["good"] == 3
    assert found["pulses_by_hostile"] == 0


def test_SAFE_3_a_command_delivered_again_after_a_crash_is_not_signed_again_by_its_sender(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The box obeyed, died before it could say so, and is back: whoever hears "nonce" signs again."""
    clock, opener, key = ManualClock(), Opener(), Ed25519PrivateKey.generate()
    mill = Mill(random.Random(SEED), lambda: clock.now_utc_ns / 1e9, lambda: "1" * 32, key)
    journal, desk = _desk(tmp_path, clock, key, opener)
    raw = mill.good().raw
    desk.take("open", raw, retained=False, nonce="1" * 32)
    assert len(opener.pulses) == 1
    journal.close()
    journal, desk = _desk(tmp_path, clock, key, opener)
    try:
        with caplog.at_level(logging.CRITICAL):
            [again] = desk.take("open", raw, retained=False, nonce="2" * 32)
            [unknown] = desk.take("open", mill.signed(), retained=False, nonce="2" * 32)
    finally:
        journal.close()
    assert (again.body["code"], again.body["result"]) == ("journal", "done")
    assert unknown.body["code"] == "nonce", "this one was never obeyed, and may be signed again"
    assert len(opener.pulses) == 1
    requests = Requests()
    request = Request("park/gate-7", "open", {}, 10.0, 1 << 62, Future())
    requests.sent(request, str(again.body["jti"]), "1" * 32)
    assert requests.answered(again.body) is None
    assert request.done.result(0).result == "done"
    assert requests.sendable({"park/gate-7": "2" * 32}) == []
