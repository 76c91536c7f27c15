"""Whose connection it is: a certificate replaced while the box runs, and a second box with one identity."""

import shutil
import socket
import ssl
import threading
from pathlib import Path

import pytest
from certificates import Authority, Pair
from sync_bench import DEVICE, PROTOCOLS, Bench, Box, make_settings, numbers, until

from edge.clock import ManualClock
from edge.health import Alarms
from edge.platform import PUBLIC_KEYS_FILE, make_keys
from edge.sync import certificate, complaints, dialer
from edge.sync.session import Trouble

pytestmark = pytest.mark.mosquitto


def _put(pair: Pair, folder: Path) -> dict[str, str]:
    """Lay a pair where the box has its own; as the option of ``sync``."""
    places = {"cert_file": folder / "own.pem", "key_file": folder / "own.key"}
    for source, place in zip((pair.certificate, pair.key), places.values(), strict=True):
        fresh = place.with_suffix(".new")
        shutil.copyfile(source, fresh)
        fresh.replace(place)
    return {name: str(place) for name, place in places.items()}


def test_a_replaced_certificate_is_used_at_once_and_nothing_is_restarted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificate, "LOOK_NS", 100_000_000)
    authority = Authority(tmp_path)
    own, platform = authority.issue("broker", "127.0.0.1"), authority.issue("platform")
    options = (
        "allow_anonymous true",
        f"cafile {authority.certificate}",
        f"certfile {own.certificate}",
        f"keyfile {own.key}",
        "require_certificate true",
        "use_identity_as_username true",
    )
    with Bench(tmp_path, options=options) as bench:
        url = bench.broker.url.replace("mqtt://", "mqtts://")
        context = ssl.create_default_context(cafile=str(authority.certificate))
        context.load_cert_chain(platform.certificate, platform.key)
        counterpart = bench.platform(url=url, tls=context)
        first = _put(authority.issue(DEVICE), tmp_path)
        box = bench.box(url=url, sync={"ca_file": str(authority.certificate), **first})
        box.happen(5)
        until(lambda: box.backlog() == 0)
        info = counterpart.devices()["park/gate-7"].info
        assert str(info["certificate_ends"]).endswith("Z")
        conn = box.uplink.status.conn
        _put(authority.issue(DEVICE), tmp_path)
        until(lambda: box.uplink.status.conn > conn and box.uplink.status.online, what="it connects anew")
        box.happen(5)
        until(lambda: box.backlog() == 0)
        assert numbers(counterpart) == list(range(10))
        assert box.alarm("platform.unreachable") == ""


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_second_box_with_the_same_identity_raises_an_alarm(
    tmp_path: Path, protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a copied card."""
    monkeypatch.setattr(dialer, "STABLE_S", 1e9)  # on a slow machine a short connection is long
    monkeypatch.setattr(complaints, "STABLE_S", 1e9)
    with Bench(tmp_path, protocol=protocol) as bench:
        box = bench.box(sync={"reconnect_max_s": 1.0})
        until(lambda: box.uplink.status.online)
        (tmp_path / "clone").mkdir()
        link = {"brokers": (bench.broker.url,), "protocol": protocol, "reconnect_max_s": 1.0}
        clone = Box(tmp_path / "clone", make_settings(tmp_path / "clone", **link), bench.keys_file).start()
        try:
            # mosquitto 2.0.11 only closes, whatever the version; others say with MQTT 5 why.
            names = (complaints.TAKEN_OVER, complaints.UNSTABLE)
            told = lambda: [words for one in (box, clone) for name in names if (words := one.alarm(name))]  # noqa: E731
            until(told, what="one of the two notices")
            assert "同一身份" in told()[0]
        finally:
            clone.close()


def test_a_broker_that_says_that_the_session_was_taken_over_is_understood(tmp_path: Path) -> None:
    """The bytes of MQTT 5: CONNACK, then DISCONNECT with reason 0x8E (3.14.2.1)."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"\x20\x03\x00\x00\x00" + b"\xe0\x02\x8e\x00")
                connection.recv(65536)

        broker = threading.Thread(target=answer)
        broker.start()
        (tmp_path / "platform").mkdir()
        make_keys(tmp_path / "platform")
        url = f"mqtt://127.0.0.1:{server.getsockname()[1]}"
        settings = make_settings(tmp_path, brokers=(url,), protocol="5", reconnect_max_s=60.0)
        box = Box(tmp_path, settings, tmp_path / "platform" / PUBLIC_KEYS_FILE).start()
        try:
            until(lambda: box.alarm(complaints.TAKEN_OVER), what="the alarm")
            assert "two boxes with one identity" in box.alarm(complaints.TAKEN_OVER)
        finally:
            box.close()
            broker.join()


def test_the_alarms_end_when_a_connection_has_stood_long_enough() -> None:
    alarms = Alarms(ManualClock())
    rivals = complaints.Rivals(alarms)

    def standing() -> list[str]:
        return [alarm.name for alarm in alarms.standing()]

    for _ in range(complaints.SHORT_LIVES - 1):
        rivals.ended(Trouble.LOST, 3.0, "lost")
    rivals.ended(Trouble.LOST, 300.0, "lost")
    assert standing() == [], "a long one between them: a bad day of the network"
    for _ in range(complaints.SHORT_LIVES):
        rivals.ended(Trouble.LOST, 3.0, "lost")
    rivals.ended(Trouble.TAKEN_OVER, 3.0, "given to another connection")
    assert sorted(standing()) == [complaints.TAKEN_OVER, complaints.UNSTABLE]
    rivals.stands(60.0)
    assert standing() == [complaints.TAKEN_OVER]
    rivals.stands(complaints.ALONE_S + 1)
    assert standing() == []
