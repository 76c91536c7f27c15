"""The families of boards for ``board_faults``, and everything that can break on each."""

import random
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from mock_pins import INPUT_PINS, OUTPUT_PINS, MockPins  # noqa: E402

from drivers.simulated import (  # noqa: E402
    SimulatedDevantechBoard,
    SimulatedKmtronicBoard,
    SimulatedLcusBoard,
    SimulatedModbusBoard,
    SimulatedModbusTcpBoard,
    SimulatedNumatoBoard,
)
from drivers.simulated.jacks import TcpJack  # noqa: E402

OPEN, CLOSE, LOCK = 1, 2, 3
TIMEOUT_MS = 120  # of replies; the default of 300 only makes this slower


@dataclass(frozen=True)
class Family:
    """One kind of board.

    Attributes:
        simulate: Takes ``link``, where to keep a link to its port.
        section: Of the configuration, without the port.
        acks, reads: As its driver declares.
        bus: Has an address. numbered: Modbus TCP. checked: its answers have a checksum or the like.
        echoes: A two-wire adapter may sit before it.
    """

    simulate: Callable[[Path], Any]
    section: Mapping[str, Any]
    acks: bool = False
    reads: bool = True
    bus: bool = False
    numbered: bool = False
    checked: bool = True
    echoes: bool = False


def _lcus(dialect: str) -> Family:
    return Family(
        lambda link: SimulatedLcusBoard(4, dialect, drop_faster_than_ms=30, link=link),
        {"type": "lcus", "channels": 4, "dialect": dialect, "pacing_ms": 50},
        reads=dialect != "none",
    )


def _modbus(profile: str, inputs: int = 0, *, reads: bool = True) -> Family:
    outputs = 4 if profile == "quirk0100" else 8
    return Family(
        lambda link: SimulatedModbusBoard(profile, 1, outputs, inputs, link=link),
        {"type": "modbus", "profile": profile, "outputs": outputs, "inputs": inputs},
        acks=True,
        reads=reads,
        bus=True,
        echoes=True,
    )


FAMILIES: Mapping[str, Family] = {
    "lcus-text": _lcus("text"),
    "lcus-binary": _lcus("binary"),
    "lcus-none": _lcus("none"),
    "kmtronic": Family(lambda link: SimulatedKmtronicBoard(8, link=link), {"type": "kmtronic"}),
    "devantech": Family(
        lambda link: SimulatedDevantechBoard(8, link=link), {"type": "devantech"}, checked=False
    ),
    "numato": Family(
        lambda link: SimulatedNumatoBoard(4, link=link), {"type": "numato", "channels": 4}, acks=True
    ),
    "waveshare": _modbus("waveshare", 8),
    "lc": _modbus("lc", 8),
    "quirk0100": _modbus("quirk0100", reads=False),
    "r421a08": _modbus("r421a08"),
    "modbus-tcp": Family(
        lambda _: SimulatedModbusTcpBoard("waveshare", 1, 8, 8),
        {"type": "modbus", "profile": "waveshare", "inputs": 8},
        acks=True,
        bus=True,
        numbered=True,
    ),
    "serial-server": Family(
        lambda _: SimulatedModbusBoard("lc", 1, 8, 8, jack=TcpJack()),
        {"type": "modbus", "profile": "lc", "framing": "rtu"},
        acks=True,
        bus=True,
    ),
    "gpio": Family(
        lambda _: MockPins(),
        {"type": "gpio", "output_pins": list(OUTPUT_PINS), "input_pins": list(INPUT_PINS)},
    ),
}


@dataclass(frozen=True)
class Fault:
    """One way to break a board.

    Attributes:
        apply: Breaks it; given the simulated board and a source of chance.
        names: The journal must have one of these; empty: no protocol can show it.
        why_not: Then, the reason.
        lasts: Until it is named (and no longer), not only for one exchange.
        avoid: Relays that must not be used meanwhile, because using them would mend it.
        calm: Nothing may have been used shortly before: what is told twice is mended by the second time.
    """

    name: str
    apply: Callable[[Any, random.Random], None]
    names: frozenset[str]
    why_not: str = ""
    lasts: bool = True
    avoid: frozenset[int] = frozenset()
    calm: bool = False


def faults_of(family: Family) -> list[Fault]:
    """Everything that can break on a board of this family."""
    if family.section["type"] == "gpio":
        return [Fault("pins fail", lambda pins, _: setattr(pins, "broken", True), frozenset({"unplugged"}))]
    answers = family.acks or family.reads
    silent = frozenset({"silent"}) if answers else frozenset()
    no_answer = "" if answers else "the board never answers anything"
    damaged = frozenset({"garbled", "silent", "stray", "wrong_address", "disobedient", "refused", "echo"})

    def put(**values: Any) -> Callable[[Any, random.Random], None]:
        def apply(board: Any, _: random.Random) -> None:
            for name, value in values.items():
                setattr(board.faults, name, value)

        return apply

    def corrupt(board: Any, chance: random.Random) -> None:
        # The header of Modbus TCP; elsewhere any byte, the checksum included.
        board.faults.corrupt_at = (
            chance.choice((0, 1, 2, 3, 6, 7)) if family.numbered else chance.choice((0, -1))
        )
        board.faults.corrupt = 3

    def garbage(board: Any, chance: random.Random) -> None:
        where = chance.choice(("garbage_before", "garbage_inside", "garbage_after"))
        setattr(board.faults, where, chance.randbytes(chance.randint(1, 9)))

    def stick(board: Any, chance: random.Random) -> None:
        board.faults.stuck[chance.choice((OPEN, CLOSE))] = True

    found = [
        Fault("unplug", lambda board, _: board.unplug(), frozenset({"unplugged", "absent", "taken"})),
        Fault("silence", put(silent=True), silent, no_answer),
        Fault("deaf", put(mute=True), silent, no_answer),
        Fault("lost reply", put(drop_replies=1), silent, no_answer, lasts=False),
        Fault(
            "late",
            put(late_ms=TIMEOUT_MS * 1.5),
            silent | {"stray", "garbled"}
            if answers
            else silent,  # it may come in the middle of another answer
            no_answer,
        ),
        Fault(
            "slow", put(late_ms=TIMEOUT_MS * 0.7), frozenset({"slow", "silent"} if answers else ()), no_answer
        ),
        Fault("stuck", stick, frozenset({"disobedient"} if family.reads else ()), "relays cannot be read"),
        Fault(
            "lost request",
            put(drop_requests=1),
            silent if family.acks else frozenset(),
            "a lost write is not acknowledged; it is told twice and read back",
            lasts=False,
        ),
        Fault(
            "reboot",
            lambda board, _: board.reboot(),
            frozenset({"disobedient"} if family.reads else ()),
            "relays cannot be read",
            avoid=frozenset({LOCK}),
            calm=True,
        ),
    ]
    if answers:
        found.append(
            Fault("duplicate", put(duplicate=2), frozenset({"stray", "garbled", "silent"}), lasts=False)
        )
    if answers and family.checked:
        found.append(Fault("corrupted", corrupt, damaged, lasts=False))
        found.append(Fault("garbage", garbage, damaged))
    elif answers:
        found.append(Fault("garbage", put(garbage_after=b"\x00\x01\x02"), damaged))
    if family.bus:
        found.append(Fault("wrong address", put(answer_as=99), frozenset({"wrong_address"})))
    if family.echoes:
        found.append(Fault("echo", put(echo=True), frozenset({"echo", "stray", "silent"})))
    return found
