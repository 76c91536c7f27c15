"""The ``gatehouse`` command as people meet it: what it does, and one clear line for what is wrong."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from whole_box import TENANT, WholeBox, until

from edge.cli import main
from edge.errors import Exit
from edge.settings_file import load_settings

ROOT = Path(__file__).resolve().parents[2]


class Said:
    """Runs the command in this process and keeps what it said."""

    def __init__(self, capsys: pytest.CaptureFixture[str], config: Path) -> None:
        self._capsys, self.config = capsys, config
        self.out = self.err = ""

    def __call__(self, *words: str, config: bool = True) -> int:
        self._capsys.readouterr()
        code = main([*words, *(("--config", str(self.config)) if config else ())])
        self.out, self.err = self._capsys.readouterr()
        return code

    @property
    def last(self) -> str:
        """The last line on standard error."""
        return self.err.strip().splitlines()[-1] if self.err.strip() else ""


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Iterator[Said]:
    text = (ROOT / "config" / "demo.toml").read_text("utf-8").replace("/run/gatehouse-demo", str(tmp_path))
    config = tmp_path / "gatehouse.toml"
    config.write_text(text, "utf-8")
    return Said(capsys, config)


# What it does


def test_it_says_its_version_and_explains_itself(said: Said) -> None:
    assert said("--version", config=False) == 0
    assert said.out.startswith("gatehouse 0.")
    assert said("--help", config=False) == 0
    for word in ("run", "check", "demo", "enroll", "roster", "events", "send", "safe", "Exit codes"):
        assert word in said.out
    assert said(config=False) == 0


@pytest.mark.parametrize("command", ["run", "check", "demo", "enroll", "events", "send", "safe", "schema"])
def test_every_command_has_help_in_both_languages(said: Said, command: str) -> None:
    assert said(command, "--help", config=False) == 0
    assert any("一" <= sign <= "鿿" for sign in said.out)


def test_check_shows_the_whole_configuration_with_secrets_masked(said: Said, tmp_path: Path) -> None:
    text = said.config.read_text("utf-8").replace(
        f"{tmp_path}/door.avi", "rtsp://admin:secret-word@10.0.0.7/1"
    )
    said.config.write_text(text, "utf-8")
    assert said("check", str(said.config), config=False) == 0
    assert "lanes.entry.times.pass_timeout_s = 25.0" in said.out
    assert 'cameras.door.source = "rtsp://***@10.0.0.7/1"' in said.out
    assert "secret-word" not in said.out


def test_persons_are_added_changed_listed_denied_and_removed(said: Said) -> None:
    added = ("roster", "add", "wang-li", "--name", "王丽", "--room", "3-2-1201", "--plate", "粤B·12345")
    assert said(*added) == 0
    assert said("roster", "add", "wang-li", "--to", "2030-01-01", "--lane", "entry") == 0
    assert said("roster", "list", "--json") == 0
    (person,) = json.loads(said.out)["persons"]
    assert (person["name"], person["plates"], person["lanes"]) == ("王丽", ["粤B12345"], ["entry"])
    assert person["valid_to"] > 1_800_000_000
    assert said("roster", "add", "wang-li", "--plate", "粤B54321", "--to", "never") == 0
    assert said("roster", "remove", "wang-li", "--plate", "粤B12345") == 0
    assert said("roster", "list", "--json") == 0
    (person,) = json.loads(said.out)["persons"]
    assert person["plates"] == ["粤B54321"]
    assert "valid_to" not in person
    assert said("roster", "deny", "粤b99999", "--reason", "stolen") == 0
    assert said("roster", "list") == 0
    assert "粤B99999" in said.out
    assert "王丽" in said.out
    assert said("roster", "allow", "粤B99999") == 0
    assert said("roster", "remove", "wang-li") == 0
    assert "receipt" in said.out
    assert said("roster", "list", "--json") == 0
    assert json.loads(said.out)["persons"] == []


def test_a_roster_file_replaces_the_whole_roster(said: Said, tmp_path: Path) -> None:
    file = tmp_path / "roster.json"
    persons = [{"id": "a", "plates": ["粤B12345"]}, {"id": "b"}]
    file.write_text(json.dumps({"persons": persons, "deny": []}), "utf-8")
    assert said("roster", "import", str(file)) == 0
    file.write_text(json.dumps({"persons": [{"id": "b"}, {"id": "c", "plates": ["nonsense"]}]}), "utf-8")
    assert said("roster", "import", str(file)) == Exit.USAGE
    assert "no plate under GA 36" in said.last
    assert said("roster", "list", "--json") == 0
    assert [p["id"] for p in json.loads(said.out)["persons"]] == ["a", "b"], "nothing half done"


# What is wrong


def test_a_missing_configuration_is_one_line(said: Said, tmp_path: Path) -> None:
    for command in ("run", "check", "events", "safe"):
        words = ("check", str(tmp_path / "none.toml")) if command == "check" else (command,)
        said.config = tmp_path / "none.toml"
        assert said(*words, config=command != "check") == Exit.CONFIG
        assert said.err.count("\n") == 1
        assert "no such configuration file" in said.last


def test_an_unknown_key_is_named_with_what_was_meant(said: Said) -> None:
    said.config.write_text(said.config.read_text("utf-8").replace("agreeing_reads", "agreing_reads"), "utf-8")
    assert said("run") == Exit.CONFIG
    assert "decision.agreing_reads: unknown option; did you mean 'agreeing_reads'?" in said.last
    assert said("check", str(said.config), config=False) == Exit.CONFIG
    assert "did you mean 'agreeing_reads'?" in said.err


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (("roster", "add", "x", "--plate", "ABC"), Exit.USAGE, "plate 'ABC' is no plate under GA 36"),
        (("roster", "add", "x y"), Exit.USAGE, "person id 'x y' is not"),
        (("roster", "add", "x", "--lane", "entri"), Exit.USAGE, "there is no lane 'entri'"),
        (("roster", "add", "x", "--to", "soon"), Exit.USAGE, "--to 'soon' is not a date"),
        (("roster", "remove", "nobody"), Exit.USAGE, "no person 'nobody'"),
        (("roster", "allow", "粤B12345"), Exit.USAGE, "is not on the deny list"),
        (("roster", "remove", "nobody", "--plate", "粤B12345"), Exit.USAGE, "no person 'nobody'"),
        (("roster", "deny", "ghost", "--person"), Exit.USAGE, "no person 'ghost' on the roster"),
        (("send", "open", "--password-file", "none"), Exit.UNAVAILABLE, "none: cannot be read"),
        (("send", "open", "--password-file", "/dev/null"), Exit.USAGE, "its first line is empty"),
        (("roster", "import", "none.json"), Exit.UNAVAILABLE, "none.json: cannot be read"),
        (("enroll", "nobody", "x.png", "--consent", "v3"), Exit.USAGE, "no person 'nobody' on the roster"),
        (("enroll", "nobody", "--consent", "v3"), Exit.USAGE, "give pictures, or --camera NAME"),
        (("events",), Exit.IO, "no journal here yet"),
        (("send", "open", "lane=entry", "--keys", "nowhere"), Exit.CONFIG, "nowhere"),
        (("send", "open", "entry"), Exit.CONFIG, "platform_key.json"),
        (("schema", "lane"), Exit.USAGE, "no section 'lane'"),
        (("rostr",), Exit.USAGE, "rostr"),
        (("run", "--confg", "x"), Exit.USAGE, "--confg"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)  # fmt: skip
def test_wrong_input_is_one_clear_line_with_its_code(
    said: Said, words: tuple[str, ...], code: int, line: str
) -> None:
    with_config = words[0] not in ("schema", "rostr") and "--confg" not in words
    assert said(*words, config=with_config) == code
    assert line in said.last
    assert said.last.startswith("gatehouse: ")
    assert "Traceback" not in said.err


def test_debug_gives_the_trace(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "edge", "--debug", "run", "--config", str(tmp_path / "none.toml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == Exit.CONFIG
    assert "Traceback" in run.stderr
    assert run.stderr.strip().splitlines()[-1].startswith("gatehouse: ")


def test_a_port_that_does_not_exist_degrades_and_recovers_when_it_appears(tmp_path: Path) -> None:
    camera = {"type": "replay", "source": str(tmp_path / "none.avi"), "looks_for": ["plate"]}
    with WholeBox(tmp_path, cameras={"lane": camera}) as box:
        box.site.close()
        box.start()
        until(lambda: any(e["name"] == "board.lost" for e in box.journal("alarm.raised")), 10, "board.lost")
        (lost, *_) = [e for e in box.journal("alarm.raised") if e["name"] == "board.lost"]
        assert "no such port" in lost["detail"]
        lost_camera = [e for e in box.journal("alarm.raised") if e["name"] == "camera.lost"]
        until(lambda: any(e["name"] == "camera.lost" for e in box.journal("alarm.raised")), 15, "camera.lost")
        lost_camera = [e for e in box.journal("alarm.raised") if e["name"] == "camera.lost"]
        assert "none.avi" in lost_camera[0]["detail"]
        box.site.start()
        until(lambda: any(e["name"] == "board.lost" for e in box.journal("alarm.cleared")), 15, "it is back")
        assert box.stop() == 0


def test_a_port_in_use_is_named_and_the_daemon_waits_for_it(tmp_path: Path) -> None:
    camera = {"type": "replay", "source": str(tmp_path / "none.avi"), "looks_for": ["plate"]}
    with WholeBox(tmp_path, cameras={"lane": camera}) as box:
        hold = (
            "import sys,time; from drivers.link import SerialLink; l=SerialLink(sys.argv[1], 9600); l.open();"
        )
        hold += "print('held', flush=True); time.sleep(60)"
        port = os.path.realpath(tmp_path / "lcus")
        with subprocess.Popen([sys.executable, "-c", hold, port], stdout=subprocess.PIPE) as holder:
            try:
                assert isinstance(holder.stdout, io.BufferedReader)
                assert holder.stdout.readline() == b"held\n"
                box.start()
                taken = until(
                    lambda: [e for e in box.journal("alarm.raised") if e["subject"] == "relay"],
                    10,
                    "it is named",
                )
                assert "taken" in taken[0]["detail"] or "in use" in taken[0]["detail"]
            finally:
                holder.kill()
        until(lambda: "board relay is open" in box.log(), 15, "it opens once the port is free")
        assert box.stop() == 0


def test_a_second_daemon_on_the_same_box_is_refused(tmp_path: Path) -> None:
    camera = {"type": "replay", "source": str(tmp_path / "none.avi"), "looks_for": ["plate"]}
    with WholeBox(tmp_path, cameras={"lane": camera}) as box:
        box.start()
        second = box.command("run")
        assert second.returncode == Exit.IO
        assert "another" in second.stderr
        assert second.stderr.count("\n") == 1
        assert box.stop() == 0


# Signed commands through the platform kit


def test_send_opens_the_boom_and_the_roster_changes_over_mqtt(tmp_path: Path) -> None:
    camera = {"type": "replay", "source": str(tmp_path / "none.avi"), "looks_for": ["plate"]}
    with WholeBox(tmp_path, cameras={"lane": camera}) as box:
        box.start()
        keys = ("--keys", str(tmp_path / "keys"))
        until(box.platform.devices, 15, "the platform knows the box")
        opened = box.command("send", "open", "lane=entry", "operator=desk-1", *keys)
        assert opened.returncode == 0, opened.stderr + opened.stdout
        assert "done" in opened.stdout
        until(lambda: box.site.barrier.angle_deg > 80, 10, "the boom is up")
        (event,) = until(box.heard, 10, "the access event")
        assert (event["verdict"], event["reason"], event["operator"]) == ("grant", "staff_command", "desk-1")
        person = json.dumps({"id": "li-na", "name": "李娜", "plates": ["粤B00001"]})
        assert box.command("send", "roster-put", f"person={person}", *keys).returncode == 0
        until(lambda: [e for e in box.journal("roster.loaded") if e["persons"] == 1], 5, "it is loaded live")
        assert box.command("send", "roster-remove", "id=li-na", *keys).returncode == 0
        refused = box.command("send", "open", "lane=back-door", *keys)
        assert refused.returncode == Exit.REFUSED
        assert "not_allowed" in refused.stdout
        wrong = tmp_path / "wrong-keys"
        wrong.mkdir()
        from edge.platform import make_keys

        make_keys(wrong)
        forged = box.command("send", "open", "lane=entry", "--keys", str(wrong))
        assert forged.returncode == Exit.REFUSED
        assert "signature" in forged.stdout
        assert box.pulses(1) == 1
        assert load_settings(box.config).device.tenant == TENANT
        assert box.stop() == 0


def test_the_platform_reconfigures_a_running_lane_and_a_bad_document_changes_nothing(tmp_path: Path) -> None:
    camera = {"type": "replay", "source": str(tmp_path / "none.avi"), "looks_for": ["plate"]}
    with WholeBox(tmp_path, cameras={"lane": camera}) as box:
        box.start()
        audience = f"{TENANT}/{box.settings.device.id}"
        until(lambda: audience in box.platform.devices(), 15, "the platform knows the box")

        def reported() -> dict[str, object]:
            return dict(box.platform.devices()[audience].reported)

        # The film that is not there counts against no document: it was missing before.
        until(lambda: box.journal("alarm.raised"), 15, "camera.lost stands")
        box.platform.publish_desired(audience, {"decision": {"agreeing_reads": 3, "deadline_ms": 1500}})
        until(lambda: (reported().get("rev"), reported().get("state")) == (1, "applied"), 30, "applied")
        box.platform.publish_desired(audience, {"decision": {"agreeing_reads": 1}})
        until(lambda: reported().get("state") == "rejected", 15, "rejected")
        assert "agreeing_reads" in json.dumps(reported().get("errors"))
        assert box.stop() == 0


def test_a_configuration_is_tried_out_with_simulated_boards(tmp_path: Path) -> None:
    """No port and no hardware: the daemon brings its own barrier, which even fails on order."""
    script = tmp_path / "script.json"
    fault = {"kind": "fault", "board": "lcus", "fault": "unplug", "during": [6, 8]}
    script.write_text(json.dumps([fault]), "utf-8")
    boards = {
        "relay": {"type": "simulated", "part": "relays", "dialect": "binary", "script": str(script)},
        "io": {"type": "simulated", "part": "inputs"},
    }
    camera = {"type": "replay", "source": str(tmp_path / "none.avi"), "looks_for": ["plate"]}
    with WholeBox(tmp_path, cameras={"lane": camera}, boards=boards) as box:
        box.start()
        keys = ("--keys", str(tmp_path / "keys"))
        until(box.platform.devices, 15, "the platform knows the box")
        until(lambda: "board relay is open" in box.log(), 10, "the simulated board is found")
        assert box.command("send", "open", "lane=entry", *keys).returncode == 0
        until(lambda: box.journal("barrier.raised"), 10, "the simulated boom is up")
        until(lambda: box.journal("alarm.raised"), 15, "the fault of the script is noticed")
        until(
            lambda: any(e["name"] == "board.lost" for e in box.journal("alarm.cleared")), 20, "and it is back"
        )
        assert box.pulses(1) == 0, "nothing real moved"
        assert box.stop() == 0
        assert box.command("safe").returncode == 0
