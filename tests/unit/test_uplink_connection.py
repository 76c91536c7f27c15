"""Which broker, which protocol, how long a pause, which secrets: all without a network."""

import os
import random
import stat
import threading
import time
from pathlib import Path

import pytest
from certificates import Authority

from edge.clock import ManualClock
from edge.errors import SettingsError
from edge.platform.signer import PRIVATE_KEY_FILE, PUBLIC_KEYS_FILE, Signer, make_keys
from edge.settings import SyncSettings
from edge.sync.dialer import Dialer
from edge.sync.keys import load_private_key, load_public_keys
from edge.sync.login import make_login, read_password
from edge.sync.nonces import Budget, new_nonce
from edge.sync.session import Broker, LinkFailed, Protocol, Trouble
from edge.sync.waker import Waker

ONE, TWO = Broker("one", 1883, False), Broker("two", 8883, True)


def dialer(*brokers: Broker, protocol: str = "auto", longest_s: float = 120.0, seed: int = 1) -> Dialer:
    return Dialer(brokers or (ONE,), protocol, longest_s, random.Random(seed))


def test_pauses_grow_with_full_jitter_up_to_the_limit() -> None:
    pauses = [
        [d.failed(Trouble.UNREACHABLE) for _ in range(12)] for d in (dialer(seed=s) for s in range(300))
    ]
    for number in range(12):
        limit_s = min(120.0, 2.0 ** (number + 1))
        column = [row[number] for row in pauses]
        assert 0 <= min(column) < 0.1 * limit_s
        assert 0.9 * limit_s < max(column) <= limit_s
        assert 0.4 * limit_s < sum(column) / 300 < 0.6 * limit_s


def test_what_only_a_person_can_repair_is_tried_with_the_longest_pause() -> None:
    for trouble in (Trouble.CREDENTIALS, Trouble.TLS, Trouble.CLIENT_ID, Trouble.SETTINGS):
        assert dialer().failed(trouble) >= 60.0


def test_one_hopeless_broker_does_not_slow_down_the_other() -> None:
    d = dialer(ONE, TWO)
    assert d.failed(Trouble.CREDENTIALS) <= 1.0
    assert d.target()[0] == TWO
    assert d.failed(Trouble.UNREACHABLE) <= 2.0
    assert d.target()[0] == ONE


def test_a_refused_version_falls_back_at_once_and_is_remembered() -> None:
    d = dialer()
    assert d.target() == (ONE, Protocol.V5)
    assert d.failed(Trouble.PROTOCOL) == 0.0
    assert d.target() == (ONE, Protocol.V311)
    d.lost(Trouble.LOST, 100.0)
    assert d.target() == (ONE, Protocol.V311)


def test_a_silence_may_have_been_an_accident_so_the_newer_version_is_tried_again() -> None:
    d = dialer()
    assert d.failed(Trouble.NO_ANSWER) == 0.0
    assert d.target()[1] is Protocol.V311
    assert d.failed(Trouble.NO_ANSWER) > 0.0
    assert d.target()[1] is Protocol.V5


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_version_that_is_set_is_never_left(protocol: str) -> None:
    d = dialer(protocol=protocol)
    for trouble in (Trouble.PROTOCOL, Trouble.NO_ANSWER, Trouble.UNREACHABLE):
        assert d.target() == (ONE, Protocol(protocol))
        d.failed(trouble)


def test_connections_that_break_soon_are_made_ever_more_slowly() -> None:
    d = dialer(seed=3)
    pauses = [d.lost(Trouble.TAKEN_OVER, 0.5) for _ in range(10)]
    assert max(pauses[5:]) > 20
    assert d.lost(Trouble.LOST, 60.0) <= 1.0
    assert d.failed(Trouble.UNREACHABLE) <= 2.0


def test_walking_on_goes_round() -> None:
    d = dialer(ONE, TWO)
    d.walk_on()
    assert d.target()[0] == TWO
    d.walk_on()
    assert d.target()[0] == ONE


def sync(**options: object) -> SyncSettings:
    return SyncSettings(brokers=("mqtt://h",), **options)


def test_a_password_is_the_first_line_of_its_file(tmp_path: Path) -> None:
    (tmp_path / "p").write_text(" with spaces \r\nmore\n")
    assert read_password(sync(password_file=tmp_path / "p")) == " with spaces "
    assert read_password(sync()) is None


def test_a_password_may_be_a_systemd_credential(tmp_path: Path) -> None:
    (tmp_path / "mqtt").write_text("s3cret")
    options = sync(password_credential="mqtt")
    assert read_password(options, {"CREDENTIALS_DIRECTORY": str(tmp_path)}) == "s3cret"
    with pytest.raises(LinkFailed, match="LoadCredential="):
        read_password(options, {})


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe"])
def test_a_password_file_without_a_password_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "p").write_bytes(content)
    with pytest.raises(LinkFailed, match=r"sync.password_file .*/p: ") as raised:
        read_password(sync(password_file=tmp_path / "p"))
    assert raised.value.trouble is Trouble.SETTINGS


def test_certificates_are_read_and_their_faults_named(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair, other = authority.issue("gate-7"), authority.issue("gate-8")
    good = sync(ca_file=authority.certificate, cert_file=pair.certificate, key_file=pair.key)
    login = make_login(good, TWO, Protocol.V5, client_id="c", will=None)
    assert login.tls is not None
    assert login.tls.check_hostname
    assert make_login(good, ONE, Protocol.V5, client_id="c", will=None).tls is None
    (tmp_path / "empty").touch()
    faults = {
        "sync.ca_file .*no certificate in it": sync(ca_file=tmp_path / "empty"),
        "sync.ca_file .*No such file": sync(ca_file=tmp_path / "gone"),
        "sync.cert_file .*not a certificate and its key": sync(
            ca_file=authority.certificate, cert_file=pair.certificate, key_file=other.key
        ),
        "sync.cert_file .*No such file": sync(
            ca_file=authority.certificate, cert_file=tmp_path / "gone", key_file=pair.key
        ),
    }
    for words, options in faults.items():
        with pytest.raises(LinkFailed, match=words):
            make_login(options, TWO, Protocol.V5, client_id="c", will=None)


def test_keys_are_made_private_and_never_overwritten(tmp_path: Path) -> None:
    fingerprint = make_keys(tmp_path)
    private = tmp_path / PRIVATE_KEY_FILE
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    keys = load_public_keys(tmp_path / PUBLIC_KEYS_FILE)
    assert keys.fingerprints() == {"platform-1": fingerprint}
    before = private.read_bytes()
    with pytest.raises(SettingsError, match="it is kept"):
        make_keys(tmp_path)
    assert private.read_bytes() == before
    assert load_public_keys(tmp_path / PUBLIC_KEYS_FILE).fingerprints() == {"platform-1": fingerprint}
    private.chmod(0o644)
    with pytest.raises(SettingsError, match="chmod 600"):
        Signer.load(tmp_path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{}", "holds no key"),
        ("[]", "not a file of public keys"),
        ('{"a": "AAAA"}', "'a' is not 32 bytes"),
        ('{"a": 1}', "'a' is not 32 bytes"),
        ('{"a": "x", "a": "y"}', "stands twice"),
    ],
)
def test_a_file_of_public_keys_that_is_none_is_refused(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(content)
    with pytest.raises(SettingsError, match=words):
        load_public_keys(path)


def test_a_missing_key_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        load_public_keys(tmp_path / "gone")
    with pytest.raises(SettingsError, match="cannot be read"):
        load_private_key(tmp_path / "gone")
    os.close(os.open(tmp_path / "odd", os.O_CREAT | os.O_WRONLY, 0o600))
    with pytest.raises(SettingsError, match="not a file of signing key"):
        load_private_key(tmp_path / "odd")


def test_a_budget_refills_with_time_and_counts_what_it_refused(clock: ManualClock) -> None:
    budget = Budget(clock, burst=3, per_s=0.5)
    assert [budget.spend() for _ in range(5)] == [True, True, True, False, False]
    clock.advance(2.0)
    assert [budget.spend(), budget.spend()] == [True, False]
    assert budget.take_refused() == 3
    assert budget.take_refused() == 0
    clock.advance(1000.0)
    assert [budget.spend() for _ in range(4)] == [True, True, True, False]


def test_nonces_are_never_the_same() -> None:
    assert len({new_nonce() for _ in range(1000)}) == 1000


def test_a_waiting_thread_is_woken_and_waking_the_gone_is_harmless() -> None:
    waker = Waker()
    timer = threading.Timer(0.05, waker.wake)
    timer.start()
    began_s = time.monotonic()
    waker.wait(10.0)
    assert time.monotonic() - began_s < 5
    timer.join()
    for _ in range(100_000):
        waker.wake()
    waker.wait(10.0)
    began_s = time.monotonic()
    waker.wait(0.05)
    assert time.monotonic() - began_s >= 0.04, "all earlier calls were cleared at once"
    waker.close()
    waker.wake()
