"""The configuration under the hands of platform and technician: link, override, no lock-out (CFG-1)."""

import subprocess
import sys
from pathlib import Path

import pytest
from control_bench import ControlBench
from sync_bench import until

from edge.hatch import request

pytestmark = pytest.mark.mosquitto
FAULTS = Path(__file__).resolve().parents[1] / "faults"


def run_bench(name: str, *arguments: str) -> str:
    ran = subprocess.run(
        [sys.executable, str(FAULTS / name), *arguments],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_CFG_1_a_death_at_each_step_leaves_the_old_or_the_new_and_never_a_mixture() -> None:
    assert run_bench("config_kill.py", "--times", "1").rstrip().endswith("old or new, always")


def test_CFG_1_documents_that_would_lock_the_box_out_are_taken_back_and_reported() -> None:
    told = run_bench(
        "config_lockout.py", "--only", "a wrong password", "--only", "a lane on a board that is not there"
    )
    assert "a wrong password: rolled_back" in told
    assert "a lane on a board that is not there: rejected" in told


def test_CFG_1_another_link_is_kept_only_when_the_platform_was_heard_over_it(tmp_path: Path) -> None:
    with ControlBench(tmp_path) as bench:
        bench.start()
        conn = bench.known.conn
        rev = bench.configure({"sync": {**bench.link, "keepalive_s": 17}})
        until(
            lambda: bench.known.reported.get("awaits_confirm") is True,
            what="it waits for the platform's word",
        )
        bench.until_state(rev, "applied")
        assert bench.known.conn > conn, "it has dialled anew"
        assert bench.daemon._uplink is not None
        assert bench.daemon._uplink._sync.keepalive_s == 17
        assert bench.send("ping").result == "done"
        assert bench.send("config-confirm", rev=rev).result == "done"
        assert bench.send("config-confirm", rev=rev + 1).code == "other_revision"
        bench.stop()
        bench.start()
        assert bench.daemon._uplink is not None
        assert bench.daemon._uplink._sync.keepalive_s == 17, "the next start dials so at once"


def test_a_technician_overrides_for_some_time_and_the_platform_sees_where(tmp_path: Path) -> None:
    with ControlBench(tmp_path) as bench:
        bench.start()
        folder = bench.settings.device.state_dir
        before = bench.known.reported["effective_hash"]
        options = {"lanes": {"gate": {"dry_run": True}}, "decision": {"plate_margin": 2.5}}
        told = request(folder, {"do": "override", "options": options, "for_s": 3600, "why": "boom repair"})
        assert told is not None
        assert bench.daemon._settings.lanes["gate"].dry_run
        assert bench.send("open", lane="gate").code == "dry_run"
        until(lambda: bench.known.reported.get("override"), what="it is reported")
        override = bench.known.reported["override"]
        assert override["paths"] == ["lanes.gate.dry_run", "decision.plate_margin"]
        assert override["by"].startswith("local:")
        assert bench.known.reported["effective_hash"] != before
        rev = bench.configure({"decision": {"deadline_ms": 1500}})
        bench.until_state(rev, "applied")
        assert bench.daemon._settings.decision.deadline_ms == 1500
        assert bench.daemon._settings.decision.plate_margin == 2.5, "a document does not end it"
        for wrong, words in (
            ({"sync": {"brokers": []}}, "cannot be overridden"),
            ({"lanes": {"gate": {"dry_rum": True}}}, "did you mean 'dry_run'"),
        ):
            with pytest.raises(ValueError, match=words):
                request(folder, {"do": "override", "options": wrong, "for_s": 60})
        bench.stop()
        bench.start()
        assert bench.daemon._settings.lanes["gate"].dry_run, "it outlives a restart"
        request(folder, {"do": "override", "options": {"lanes": {"gate": {"dry_run": True}}}, "for_s": 1})
        until(lambda: not bench.daemon._settings.lanes["gate"].dry_run, what="it ends by itself")
        until(lambda: bench.known.reported.get("override") is None)
        assert bench.daemon._settings.decision.plate_margin == 1.0
        until(lambda: {"config.overridden", "config.override_ended"} <= set(bench.types()))
