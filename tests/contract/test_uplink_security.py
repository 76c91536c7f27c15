"""TLS, passwords, and brokers of the older protocol: what works, and the one line when it does not."""

import logging
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest
from certificates import Authority
from sync_bench import AUDIENCE, DEVICE, PROTOCOLS, Bench, numbers, until

pytestmark = pytest.mark.mosquitto


def _tls_options(authority: Authority, folder: Path, *more: str) -> tuple[str, ...]:
    pair = authority.issue("broker", "127.0.0.1")
    return (
        "allow_anonymous true",
        f"cafile {authority.certificate}",
        f"certfile {pair.certificate}",
        f"keyfile {pair.key}",
        *more,
    )


def _secure(url: str) -> str:
    return url.replace("mqtt://", "mqtts://")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_events_go_through_TLS_with_a_certificate_on_both_sides(tmp_path: Path, protocol: str) -> None:
    authority = Authority(tmp_path)
    device, platform = authority.issue(DEVICE), authority.issue("platform")
    options = _tls_options(authority, tmp_path, "require_certificate true", "use_identity_as_username true")
    with Bench(tmp_path, protocol=protocol, options=options) as bench:
        context = ssl.create_default_context(cafile=str(authority.certificate))
        context.load_cert_chain(platform.certificate, platform.key)
        counterpart = bench.platform(url=_secure(bench.broker.url), tls=context)
        box = bench.box(
            url=_secure(bench.broker.url),
            sync={
                "ca_file": str(authority.certificate),
                "cert_file": str(device.certificate),
                "key_file": str(device.key),
            },
        )
        box.happen(50)
        until(lambda: box.backlog() == 0)
        assert numbers(counterpart) == list(range(50))


def test_a_broker_of_an_unknown_authority_is_not_trusted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = Authority(tmp_path, "other authority")
    with Bench(tmp_path, options=_tls_options(Authority(tmp_path), tmp_path)) as bench:
        box = bench.new_box(url=_secure(bench.broker.url), sync={"ca_file": str(other.certificate)})
        with caplog.at_level(logging.WARNING):
            box.start()
            until(lambda: "its certificate is not trusted" in box.alarm("platform.unreachable"))
        assert "check sync.ca_file" in box.alarm("platform.unreachable")
        assert not box.uplink.status.online
        assert len([r for r in caplog.records if r.name == "edge.sync.uplink"]) == 1


def test_a_certificate_for_another_host_is_not_trusted(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("broker", "10.9.8.7")
    options = ("allow_anonymous true", f"certfile {pair.certificate}", f"keyfile {pair.key}")
    with Bench(tmp_path, options=options) as bench:
        box = bench.box(url=_secure(bench.broker.url), sync={"ca_file": str(authority.certificate)})
        until(lambda: "IP address mismatch" in box.alarm("platform.unreachable"))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_broker_that_wants_a_certificate_refuses_a_box_without(tmp_path: Path, protocol: str) -> None:
    authority = Authority(tmp_path)
    options = _tls_options(authority, tmp_path, "require_certificate true")
    with Bench(tmp_path, protocol=protocol, options=options) as bench:
        box = bench.box(url=_secure(bench.broker.url), sync={"ca_file": str(authority.certificate)})
        until(lambda: "sync.cert_file" in box.alarm("platform.unreachable"))
        assert not box.uplink.status.online


def test_plain_words_to_a_TLS_port_end_in_one_clear_line(tmp_path: Path) -> None:
    with Bench(tmp_path, options=_tls_options(Authority(tmp_path), tmp_path)) as bench:
        box = bench.box(sync={"protocol": "3.1.1"})
        until(lambda: "closed the connection" in box.alarm("platform.unreachable"))


def _password_options(folder: Path, **users: str) -> tuple[str, ...]:
    tool = shutil.which("mosquitto_passwd")
    if tool is None:
        pytest.skip("mosquitto_passwd is not installed")
    path = folder / "passwords"
    path.touch()
    for user, password in users.items():
        subprocess.run([tool, "-b", str(path), user, password], check=True, capture_output=True)
    return "allow_anonymous false", f"password_file {path}"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_user_and_password_from_a_file_open_the_broker(tmp_path: Path, protocol: str) -> None:
    options = _password_options(tmp_path, gate="säsame 芝麻", platform="p")
    secret = tmp_path / "secret"
    secret.write_text("säsame 芝麻\nsecond line\n", encoding="utf-8")
    with Bench(tmp_path, protocol=protocol, options=options) as bench:
        platform = bench.platform(username="platform", password="p")
        box = bench.box(sync={"username": "gate", "password_file": str(secret)})
        box.happen(3)
        until(lambda: box.backlog() == 0)
        assert numbers(platform) == [0, 1, 2]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_wrong_password_gives_one_line_an_alarm_and_the_longest_pause(
    tmp_path: Path, protocol: str, caplog: pytest.LogCaptureFixture
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("wrong\n")
    with Bench(tmp_path, protocol=protocol, options=_password_options(tmp_path, gate="right")) as bench:
        sync = {"username": "gate", "password_file": str(secret), "reconnect_max_s": 60.0}
        box = bench.new_box(sync=sync)
        with caplog.at_level(logging.WARNING):
            box.start()
            until(lambda: "check sync.username" in box.alarm("platform.unreachable"))
        wait_s = (box.uplink._dial_at_ns - box.clock.boot_ns()) / 1e9
        assert wait_s > 25, "nobody repairs a password in a second"
        assert len([r for r in caplog.records if r.name == "edge.sync.uplink"]) == 1
        assert "wrong" not in caplog.text


def test_a_new_password_in_the_file_is_used_at_the_next_try(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("wrong\n")
    with Bench(tmp_path, options=_password_options(tmp_path, gate="right")) as bench:
        box = bench.box(sync={"username": "gate", "password_file": str(secret), "reconnect_max_s": 1.0})
        until(lambda: box.alarm("platform.unreachable"))
        secret.write_text("right\n")
        until(lambda: box.uplink.status.online)
        assert not box.alarm("platform.unreachable")


def test_a_missing_secret_names_option_and_file(tmp_path: Path) -> None:
    with Bench(tmp_path) as bench:
        missing = tmp_path / "nowhere"
        box = bench.box(sync={"username": "gate", "password_file": str(missing)})
        until(lambda: box.alarm("platform.unreachable"))
        assert box.alarm("platform.unreachable") == f"sync.password_file {missing}: No such file or directory"


def test_a_broker_without_MQTT_5_is_used_with_3_1_1(tmp_path: Path) -> None:
    pytest.importorskip("amqtt", reason="the demo extra is not installed")
    with Bench(tmp_path, protocol="auto", only_python=True) as bench:
        platform, box = bench.platform(), bench.box()
        box.happen(60)
        until(lambda: box.backlog() == 0, within_s=30)
        assert numbers(platform) == list(range(60))
        assert box.uplink.status.protocol == "3.1.1"
        result = platform.send_command(AUDIENCE, "open", {"lane": "in"})
        assert result.trail == ("accepted", "done")
        assert result.result == "done"


def test_nobody_at_the_port_raises_an_alarm_that_a_connection_clears(tmp_path: Path) -> None:
    with Bench(tmp_path) as bench:
        bench.broker.kill()
        box = bench.box()
        until(lambda: "Connection refused" in box.alarm("platform.unreachable"))
        bench.broker.start()
        until(lambda: box.uplink.status.online)
        until(lambda: not box.alarm("platform.unreachable"))


def test_the_next_broker_of_the_list_is_tried(tmp_path: Path) -> None:
    with Bench(tmp_path) as bench:
        box = bench.box(sync={"brokers": ("mqtt://127.0.0.1:1", bench.broker.url)})
        until(lambda: box.uplink.status.online)
        assert box.uplink.status.broker == bench.broker.url
