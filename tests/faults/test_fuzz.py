"""Short form of ``fuzz.py``: every parser of bytes from outside, and what its storms have found before."""

import random
from collections.abc import Iterator

import pytest
from fuzz import storm
from fuzz_targets import Target, Targets, mutated

SEED = 20_261_123
NAMES = (
    "envelope", "ack", "state", "topic", "jws", "command", "config", "config-raw", "settings", "keys",
    "set-manifest", "set-delta", "set-answer", "set-item", "roster", "enrol", "pass", "qr", "push",
    "push-http", "lcus", "modbus-rtu", "modbus-tcp", "bridge", "display-fk", "display-kf",
    "picture-part", "picture-ack",
)  # fmt: skip
SLOW = ("settings", "push-http", "command", "modbus-rtu", "modbus-tcp", "display-fk", "lcus")


@pytest.fixture(scope="module")
def targets() -> Iterator[dict[str, Target]]:
    with Targets() as every:
        yield every


def test_every_parser_of_bytes_from_outside_is_a_target(targets: dict[str, Target]) -> None:
    assert set(targets) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_CMD_1_no_changed_bytes_crash_a_parser(
    targets: dict[str, Target], name: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("CRITICAL"):
        found = storm(targets[name], seed=SEED, count=60 if name in SLOW else 150)
    assert found.crashes == []
    assert found.taken > 0


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("envelope", (b'"ghseq":1,', b'"ghseq":%d,' % 2**64)),
        ("envelope", (b'"id":"id-1"', b'"id":"\\ud800"')),
        ("envelope", (b'"ghepoch":"0', b'"ghepoch":"\\ud800')),
        ("settings", (b"[device]", b"deep = " + b"[" * 5000)),
        ("push-http", (b"Content-Length: ", b"Content-Length: \xb2\r\nX: ")),
        ("push-http", (b"Content-Length: ", b"Content-Length: " + b"9" * 5000)),
    ],
)
def test_what_a_storm_has_found_once_is_refused_now(
    targets: dict[str, Target], name: str, change: tuple[bytes, bytes]
) -> None:
    target = targets[name]
    raw = target.examples[0].replace(*change, 1)
    assert raw != target.examples[0]
    if target.allowed:
        with pytest.raises(target.allowed):
            target.parse(raw)
    else:
        target.parse(raw)


def test_the_fuzzer_finds_a_parser_that_crashes() -> None:
    def parse(raw: bytes) -> None:
        if b"\xff" in raw:
            raise IndexError

    found = storm(Target("broken", parse, [b'{"a": 1}']), seed=SEED, count=3000)
    assert found.crashes
    assert "IndexError" in found.crashes[0]


def test_the_same_seed_gives_the_same_storm() -> None:
    one, other = (
        [mutated(b'{"a": [1, 2], "b": {"c": "d"}}', chance) for _ in range(200)]
        for chance in (random.Random(SEED), random.Random(SEED))
    )
    assert one == other
    assert len(set(one)) > 100
