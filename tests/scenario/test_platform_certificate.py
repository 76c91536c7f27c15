"""The platform's commands on a broker that asks for certificates, and snapshots over HTTPS."""

from pathlib import Path

import pytest
from certificates import Authority, Pair
from sync_bench import Bench

from edge.cli.app import main
from edge.errors import Exit
from edge.platform.broker import free_port

pytestmark = pytest.mark.mosquitto


def joined(pair: Pair, path: Path) -> Path:
    """Certificate and key in one file."""
    path.write_bytes(pair.certificate.read_bytes() + pair.key.read_bytes())
    return path


def test_a_command_shows_its_certificate_to_a_broker_that_asks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    authority = Authority(tmp_path)
    own = authority.issue("broker", "127.0.0.1")
    options = (
        "allow_anonymous true",
        f"cafile {authority.certificate}",
        f"certfile {own.certificate}",
        f"keyfile {own.key}",
        "require_certificate true",
    )
    mine = joined(authority.issue("platform"), tmp_path / "platform.pem")
    with Bench(tmp_path, options=options) as bench:
        url = bench.broker.url.replace("mqtt://", "mqtts://")
        there = [
            "--broker",
            url,
            "--folder",
            str(tmp_path / "platform"),
            "--ca-file",
            str(authority.certificate),
        ]
        watch = ["platform", "watch", *there, "--seconds", "0.5"]
        assert main([*watch, "--cert-file", str(mine)]) == Exit.OK
        served = joined(own, tmp_path / "server.pem")
        serve = ["platform", "serve-sets", *there, "--cert-file", str(mine), "--tenant", "park"]
        serve += ["--listen", f"127.0.0.1:{free_port()}", "--server-cert", str(served), "--seconds", "0.5"]
        capsys.readouterr()
        assert main(serve) == Exit.OK
        assert "https://127.0.0.1:" in capsys.readouterr().out
        assert main([*serve, "--server-cert", str(authority.certificate)]) == Exit.UNAVAILABLE
        assert main([*watch, "--cert-file", str(authority.certificate)]) == Exit.UNAVAILABLE
        assert "no certificate with its key in it" in capsys.readouterr().err
    plain = ["platform", "watch", "--broker", "mqtt://127.0.0.1:1", "--folder", str(tmp_path)]
    assert main([*plain, "--cert-file", str(mine)]) == Exit.USAGE
