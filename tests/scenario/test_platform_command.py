"""``gatehouse platform``, ``config`` and ``kill-switch`` as people type them, with a whole box behind."""

import json
from pathlib import Path

import pytest
from control_bench import AUDIENCE, ControlBench, gate
from sync_bench import Stranger, until
from whole_box import toml

from edge.cli.app import main
from edge.errors import Exit
from edge.platform import PRIVATE_KEY_FILE, PUBLIC_KEYS_FILE, ROOT_KEY_FILE, BrokerProcess

pytestmark = pytest.mark.mosquitto


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    """Type a command; returns its exit code and what it said."""
    code = main([str(argument) for argument in arguments])
    said = capsys.readouterr()
    return code, said.out + said.err


def write_sections(path: Path, **sections: object) -> Path:
    path.write_text("".join(f"{name} = {toml(body)}\n" for name, body in sections.items()), encoding="utf-8")
    return path


def test_a_configuration_is_rolled_out_and_a_box_that_takes_it_back_ends_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ControlBench(tmp_path) as bench:
        bench.start()
        there = ("--broker", bench.broker.url, "--folder", tmp_path / "keys")
        good = write_sections(tmp_path / "good.toml", decision={"deadline_ms": 1500})
        code, said = run(capsys, "platform", "rollout", good, *there, "--stage", "1,100%", "--wait-s", 2)
        assert (code, "1 boxes in stages of 1" in said) == (Exit.OK, True), said
        assert f"{AUDIENCE}  applied" in said
        assert bench.daemon._settings.decision.deadline_ms == 1500
        lane = gate(open={"board": "none", "channel": 1})
        bad = write_sections(tmp_path / "bad.toml", lanes={"gate": lane})
        code, said = run(capsys, "platform", "rollout", bad, *there, "--device", AUDIENCE)
        assert (code, "no board 'none'" in said, "已中止" in said) == (Exit.UNAVAILABLE, True, True), said
        foreign = write_sections(tmp_path / "foreign.toml", boards={})
        code, said = run(capsys, "platform", "rollout", foreign, *there)
        assert (code, "boards cannot be sent" in said) == (Exit.CONFIG, True), said
        code, said = run(capsys, "platform", "watch", *there, "--seconds", 1)
        assert code == Exit.OK
        assert AUDIENCE in said
        assert "ready" in said


def test_keys_are_made_joined_and_published(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with ControlBench(tmp_path) as bench:
        bench.start()
        second, stick = tmp_path / "second", tmp_path / "stick"
        assert run(capsys, "platform", "keys", "root", stick)[0] == Exit.OK
        assert (stick / ROOT_KEY_FILE).stat().st_mode & 0o077 == 0
        assert run(capsys, "platform", "keys", "new", second, "--kid", "platform-2")[0] == Exit.OK
        public = (tmp_path / "keys" / PUBLIC_KEYS_FILE, second / PUBLIC_KEYS_FILE)
        how = ("--tenant", "park", "--serial", 3, "--out", tmp_path / "set.jws")
        there = ("--broker", bench.broker.url, "--folder", tmp_path / "keys", "--device", AUDIENCE)
        run(capsys, "platform", "keys", "set", *public, "--root", stick / ROOT_KEY_FILE, *how)
        code, said = run(capsys, "platform", "keys", "publish", tmp_path / "set.jws", *there, "--wait-s", 2)
        assert (code, "does not say so yet" in said) == (Exit.UNAVAILABLE, True), (
            "a root that it does not know"
        )
        right = tmp_path / "keys" / ROOT_KEY_FILE
        code, said = run(capsys, "platform", "keys", "set", *public, "--root", right, *how)
        assert (code, "platform-1, platform-2" in said) == (Exit.OK, True), said
        code, said = run(capsys, "platform", "keys", "publish", tmp_path / "set.jws", *there)
        assert (code, "counts" in said) == (Exit.OK, True), said
        both = {"platform-1", "platform-2"}
        until(lambda: set(bench.known.info["keys"]) == both, what="its own word on it has come here too")


def test_the_kill_switch_and_an_override_by_a_technician_on_the_box(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ControlBench(tmp_path) as bench:
        here = ("--config", bench.write_config())
        code, said = run(capsys, "kill-switch", "status", *here)
        assert (code, "no daemon runs" in said) == (Exit.UNAVAILABLE, True)
        bench.start()
        assert "未启用" in run(capsys, "kill-switch", "status", *here)[1]
        code, said = run(capsys, "kill-switch", "on", "--why", "drill", *here)
        assert (code, "drill" in said) == (Exit.OK, True)
        assert bench.send("open", lane="gate").code == "kill_switch"
        assert run(capsys, "kill-switch", "off", *here)[0] == Exit.OK
        words = ("lanes.gate.dry_run=true", "decision.plate_margin=2.5")
        code, said = run(capsys, "config", "override", *words, "--for", "30min", "--why", "repair", *here)
        assert (code, "lanes.gate.dry_run, decision.plate_margin" in said) == (Exit.OK, True), said
        assert bench.daemon._settings.lanes["gate"].dry_run
        code, said = run(capsys, "config", "override", "lanes.gate.dry_rum=true", *here)
        assert (code, "did you mean 'dry_run'" in said) == (Exit.USAGE, True), said
        code, said = run(capsys, "config", "status", "--json", *here)
        assert json.loads(said)["override"]["paths"] == ["lanes.gate.dry_run", "decision.plate_margin"]
        assert run(capsys, "config", "end-override", *here)[0] == Exit.OK
        assert not bench.daemon._settings.lanes["gate"].dry_run
        assert (
            run(capsys, "config", "override", "lanes.gate.dry_run=true", "--for", "soon", *here)[0]
            == Exit.USAGE
        )


def test_the_platform_runs_makes_its_key_and_prints_rules(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "platform"
    with BrokerProcess(tmp_path) as broker:
        code, said = run(capsys, "platform", "run", "--broker", broker.url, "-d", folder, "--seconds", 1)
    assert (code, "made a signing key" in said) == (Exit.OK, True), said
    assert (folder / PRIVATE_KEY_FILE).exists()
    code, said = run(capsys, "platform", "acl", "park/gate-1", "park/gate-2=cn-2", "--home-assistant", "ha")
    assert code == Exit.OK
    assert "user cn-2\ntopic write gh/1/park/gate-2/state\n" in said
    assert "topic write ha/device/gh-park-gate-1/config\n" in said
    assert run(capsys, "platform", "acl", "gate-1")[0] == Exit.USAGE


def test_home_assistant_is_told_what_can_be_read_and_again_at_its_birth(tmp_path: Path) -> None:
    with ControlBench(tmp_path) as bench, Stranger(bench.broker, "homeassistant/#") as assistant:
        bench.start()
        topic = "homeassistant/device/gh-park-box/config"
        bench.send("ping")
        assert assistant.bodies(topic) == [], "off by default"
        bench.until_state(bench.configure({"sync": {**bench.link, "home_assistant": True}}), "applied")
        until(lambda: assistant.bodies(topic))
        (told,) = assistant.bodies(topic)
        assert {"gh-park-box-lane-gate", "gh-park-box-lane-door"} <= set(told["components"])
        assert "command" not in json.dumps(told), "nothing there moves a lane"
        assistant.say("homeassistant/status", b"online")
        until(lambda: len(assistant.bodies(topic)) == 2, what="it is told again")
        bench.until_state(
            bench.configure({"sync": {**bench.link, "home_assistant": True}, "lanes": {"gate": gate()}}),
            "applied",
        )
        until(lambda: "gh-park-box-lane-door" not in assistant.bodies(topic)[-1]["components"])
