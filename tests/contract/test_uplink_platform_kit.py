"""The counterpart as a process, and the brokers it can bring along."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from sync_bench import AUDIENCE, Bench, Stranger, until

from edge.errors import Unavailable
from edge.platform import PRIVATE_KEY_FILE, BrokerProcess, open_broker
from edge.platform.broker import free_port
from edge.sync.session import Protocol

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.mosquitto
def test_the_counterpart_runs_as_a_process_and_writes_its_status(tmp_path: Path) -> None:
    with Bench(tmp_path) as bench:
        status = tmp_path / "status.json"
        command = [sys.executable, "-m", "edge.platform", "--broker", bench.broker.url]
        command += ["--state-dir", str(tmp_path / "platform"), "--status", str(status), "--status-s", "0.1"]
        box = bench.box()
        box.happen(30)
        with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
            until(lambda: box.backlog() == 0, within_s=30)
            until(lambda: status.exists() and json.loads(status.read_text())["events"])
            until(lambda: json.loads(status.read_text())["acks"].get(AUDIENCE, {}).get("access") == 30)
            told = json.loads(status.read_text())
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0, process.stderr.read()
            process.stderr.close()
        assert told["events"][AUDIENCE]["access"] == 30
        assert told["devices"][AUDIENCE]["state"] == "ready"
        assert told["online"] is True


def test_the_counterpart_makes_its_keys_and_says_in_one_line_what_is_wrong(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "edge.platform", "--state-dir", str(tmp_path / "new"), "--broker"]
    wrong = subprocess.run([*command, "http://host"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert wrong.returncode == 64
    assert wrong.stderr.strip().splitlines()[-1].startswith("broker 'http://host': write mqtt://")
    assert (tmp_path / "new" / PRIVATE_KEY_FILE).exists()
    (tmp_path / "new" / PRIVATE_KEY_FILE).chmod(0o644)
    open_key = subprocess.run(
        [*command, "mqtt://127.0.0.1:1"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert open_key.returncode == 78
    assert "chmod 600" in open_key.stderr


@pytest.mark.parametrize("only_python", [False, True])
def test_a_broker_comes_goes_is_killed_and_comes_again(tmp_path: Path, only_python: bool) -> None:
    if only_python:
        pytest.importorskip("amqtt", reason="the demo extra is not installed")
    with BrokerProcess(tmp_path, only_python=only_python) as broker:
        assert broker.kind == ("amqtt" if only_python else "mosquitto")
        with Stranger(broker, "a/b", protocol=_protocol(broker)) as client:
            client.say("a/b", {"n": 1})
            until(lambda: client.bodies("a/b") == [{"n": 1}])
        pid = broker.pid
        broker.kill()
        assert _refuses(broker.port)
        broker.start()
        assert broker.pid != pid
    assert _refuses(broker.port)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def _protocol(broker: BrokerProcess) -> Protocol:
    return Protocol.V5 if broker.protocol == "auto" else Protocol.V311


def _refuses(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.mosquitto
def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(Unavailable, match=f"port {port}"):
            open_broker(tmp_path, port)
    assert free_port() > 1023
