"""Check the barrier's Promela model with spin, and that model and Python machine do the same.

    python tests/faults/spin.py                  every promise in every state, every mutant, a comparison
    python tests/faults/spin.py --steps 200000   the same, with more steps compared
    python tests/faults/spin.py --mutant FORGETS_THE_BEAM

Needs spin and a C compiler (Debian: apt install spin gcc libc6-dev). How model and machine correspond stands
in barrier.pml. The comparison goes both ways: spin walks the model at random and every step is done again in
Python; the Python machine walks at random, with real time, and every step is done again in the model.
"""

import argparse
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.clock import NS_PER_MS, NS_PER_S
from edge.lanes.acts import Act, Ask, Hold, Pulse, Request, Wire
from edge.lanes.barrier import REPEAT_HOLD_NS, REPEAT_RAISE_NS, step
from edge.lanes.barrier_state import BarrierInputs, BarrierState, Phase
from edge.settings import BarrierLane

MODEL = Path(__file__).with_name("barrier.pml")
CLAIMS = ("safe_1", "safe_2")
MUTANTS = {
    "UNKNOWN_IS_CLEAR": "SAFE-1",
    "FORGETS_THE_BEAM": "SAFE-1",
    "DOES_NOT_WAIT_FOR_CLEAR": "SAFE-1",
    "DOES_NOT_WATCH_WHILE_CLOSING": "SAFE-1",
    "RAISES_OVER_CLOSE": "SAFE-1",
    "FORGETS_FIRE_WHEN_UNKNOWN": "SAFE-2",
    "REMOTE_RELEASES_ALL": "SAFE-2",
    "IGNORES_DEADLINE": "SAFE-3",
    "PULSES_AT_START_UP": "SAFE-4",
    "OPENS_FOR_THE_LOOP": "ACC-1",
}
"""Each breaks one promise; spin must find the broken one."""

MAX_WAITING = 2  # as in the model
LONG_NS, SHORT_NS = 1000 * NS_PER_S, 0
NOW_NS = 10_000 * NS_PER_S
PHASES = tuple(Phase)  # in the order of the model's numbers
LIMITS = ((True, False), (False, True), (False, False), (True, True), (None, None))
WORDS = (False, True, None)
ASKS = (None, Ask.OPEN, Ask.CLOSE, Ask.STOP, Ask.HOLD, Ask.RELEASE, Ask.OPEN)  # the last one is too late
FAULTS = ("", "open_failed", "close_failed")
LANE = BarrierLane.model_validate(
    {
        "type": "barrier",
        **{wire: {"board": "relays", "channel": i} for i, wire in enumerate(("open", "close"), start=1)},
        **{
            wire: {"board": "inputs", "channel": i}
            for i, wire in enumerate(
                ("open_limit", "closed_limit", "presence", "beam", "fire", "hold_key"), start=1
            )
        },
        "times": {"clear_s": 10},  # long steps are no blindness then
    }
)

Row = tuple[int, ...]


@dataclass(frozen=True)
class Step:
    """One step in the model's numbers: state and look before, state after, what was sent."""

    state: Row
    look: Row
    after: Row
    sent: Row


def why_not() -> str:
    """Empty, or why spin cannot be used here."""
    missing = [tool for tool in ("spin", "gcc") if shutil.which(tool) is None]
    return f"{' and '.join(missing)} not found; Debian: apt install spin gcc libc6-dev" if missing else ""


# --- checking the model -------------------------------------------------------------------------------------


def verify(*defines: str, claim: str = "") -> tuple[bool, str]:
    """Look at every state of the model, or of a mutant of it.

    Args:
        defines: Such as ``MUTANT_FORGETS_THE_BEAM``.
        claim: Name of an LTL formula; empty: the assertions.

    Returns:
        Whether no promise is broken, and one line: the states that were seen, or what is broken.
    """
    with tempfile.TemporaryDirectory() as folder:
        flags = [f"-D{name}" for name in defines]
        _run(folder, "spin", *flags, "-a", str(MODEL))
        kind = [] if claim else ["-DNOCLAIM", "-DSAFETY"]
        # A mutant is found out soon; for the whole space a second of compiling pays.
        _run(folder, "gcc", "-O0" if defines else "-O1", "-w", *kind, "-o", "pan", "pan.c")
        said = _run(folder, "./pan", "-w20", "-m100000", *(["-a", "-N", claim] if claim else []))
    errors = re.search(r"errors: (\d+)", said)
    if errors is None or "error: max search depth" in said:
        raise AssertionError(f"spin did not finish:\n{said}")
    if errors.group(1) == "0":
        states = re.search(r"(\d+) states, stored", said)
        return True, f"{states.group(1) if states else '?'} states"
    broken = re.search(r"pan:\d+: (.*) \(at depth", said)
    return False, broken.group(1) if broken else said


def _run(folder: str, *command: str) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    if done.returncode:
        raise AssertionError(f"{' '.join(command)}: {said}")
    return said


# --- from the model to the machine --------------------------------------------------------------------------


def walk_of_the_model(steps: int, seed: int, *defines: str) -> Iterator[Step]:
    """A random walk of spin through the model, or through a mutant of it."""
    flags = [f"-D{name}" for name in ("WALK", *defines)]
    with tempfile.TemporaryDirectory() as folder:
        # About fourteen of spin's steps make one of the model's.
        said = _run(folder, "spin", *flags, "-T", f"-n{seed}", f"-u{14 * steps}", str(MODEL))
    rows = [line.split() for line in said.splitlines() if re.match(r"\s*[SIN] \d", line)]
    for i in range(0, len(rows) - 2, 3):
        before, look, after = (tuple(map(int, row[1:])) for row in rows[i : i + 3])
        assert [row[0] for row in rows[i : i + 3]] == ["S", "I", "N"]
        yield Step(before, look, after[:-2], after[-2:])


def in_python(before: Row, look: Row) -> tuple[Row, Row]:
    """Do one step of the model in the machine."""
    state, inputs = concrete_state(before, look), concrete_look(look)
    after, acts = step(state, inputs, NOW_NS, LANE)
    return abstract_state(after), sent_by(acts)


def concrete_state(row: Row, look: Row) -> BarrierState:
    """A state of the machine that the model's numbers, with the timers of this look, stand for."""
    phase, waiting, fault, ours, commanded, urgent, occupied, passed, fire, key, remote, clear, gone = row
    t_phase, t_clear, t_fire, t_rep = look[-4:]
    visits = tuple(f"car-{i}" for i in range(waiting))
    held = zip((Hold.FIRE, Hold.KEY, Hold.REMOTE), (fire, key, remote), strict=True)
    return BarrierState(
        phase=PHASES[phase],
        since_ns=NOW_NS - (LONG_NS if t_phase else SHORT_NS),
        seen_ns=NOW_NS - 50 * NS_PER_MS,
        waiting=visits,
        lifted=visits,
        passed=passed,
        ours=bool(ours),
        commanded=bool(commanded),
        urgent=bool(urgent),
        occupied=bool(occupied),
        occupied_ns=NOW_NS,
        holds=frozenset(hold for hold, on in held if on),
        clear_ns=NOW_NS - (LONG_NS if t_clear else SHORT_NS) if clear else None,
        fire_gone_ns=NOW_NS - (LONG_NS if t_fire else SHORT_NS) if gone else None,
        pulsed_ns=NOW_NS - (LONG_NS if t_rep else SHORT_NS),
        fault=FAULTS[fault],
    )


def concrete_look(look: Row) -> BarrierInputs:
    """What the machine is shown when the model sees this."""
    presence, beam, limits, fire, key, ask = look[:6]
    late = ask == len(ASKS) - 1
    wish = ASKS[ask]
    requests = () if wish is None else (Request(wish, "new-car", NOW_NS - 1 if late else NOW_NS + 1, "id"),)
    up, down = LIMITS[limits]
    return BarrierInputs(
        open_limit=up,
        closed_limit=down,
        presence=WORDS[presence],
        beam=WORDS[beam],
        fire=WORDS[fire],
        hold_key=WORDS[key],
        requests=requests,
    )


def abstract_state(state: BarrierState) -> Row:
    """A state of the machine in the model's numbers."""
    flags = (state.ours, state.commanded, state.urgent, state.occupied, state.passed > 0)
    holds = (hold in state.holds for hold in (Hold.FIRE, Hold.KEY, Hold.REMOTE))
    since = (state.clear_ns is not None, state.fire_gone_ns is not None)
    return (
        PHASES.index(state.phase),
        len(state.waiting),
        FAULTS.index(state.fault),
        *map(int, (*flags, *holds, *since)),
    )


def sent_by(acts: Sequence[Act]) -> Row:
    """Whether OPEN and CLOSE were sent."""
    wires = [act.wire for act in acts if isinstance(act, Pulse)]
    return int(Wire.OPEN in wires), int(Wire.CLOSE in wires)


# --- from the machine to the model --------------------------------------------------------------------------


def walk_of_the_machine(steps: int, seed: int) -> Iterator[Step]:
    """A random walk of the Python machine, with time that passes, in the model's numbers."""
    dice = random.Random(seed)
    state, now_ns = BarrierState(), NOW_NS
    words = [0, 0, 1, 0, 0]  # presence, beam, limits, fire, key: they stay a while
    for _ in range(steps):
        now_ns += dice.choice((50, 50, 200, 1000, 2000, 4000)) * NS_PER_MS
        for i, choices in enumerate((3, 3, 5, 3, 3)):
            if dice.random() < (0.3, 0.2, 0.4, 0.1, 0.1)[i]:
                words[i] = dice.choice((0, 0, 0, *range(choices)))
        ask = dice.choice((0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 3, 4, 5, 5, 6))
        if ask == 1 and len(state.waiting) >= MAX_WAITING:
            ask = 0
        look = (*words, ask, *timers_of(state, now_ns, words))
        inputs = concrete_look(look)
        requests = tuple(
            Request(r.ask, f"car-{now_ns}", now_ns + (1 if ask != 6 else -1), r.id) for r in inputs.requests
        )
        shown = BarrierInputs(**{name: getattr(inputs, name) for name in _NAMES}, requests=requests)
        after, acts = step(state, shown, now_ns, LANE)
        yield Step(abstract_state(state), look, abstract_state(after), sent_by(acts))
        state = after


_NAMES = ("open_limit", "closed_limit", "presence", "beam", "fire", "hold_key")


def timers_of(state: BarrierState, now_ns: int, words: Sequence[int]) -> Row:
    """The model's four timer bits, as the machine's clocks stand at this look."""
    times, seconds = LANE.times, NS_PER_S
    limit_s = {
        Phase.OPENING: times.open_timeout_s,
        Phase.OPEN_WAIT: times.pass_timeout_s,
        Phase.CLOSING: times.close_timeout_s,
        Phase.FAULT: times.close_timeout_s,
    }.get(state.phase)
    blind = state.seen_ns is not None and now_ns - state.seen_ns > times.clear_s * seconds / 2
    t_phase = limit_s is not None and now_ns - state.since_ns >= limit_s * seconds
    t_clear = state.clear_ns is not None and now_ns - state.clear_ns >= times.clear_s * seconds and not blind
    t_fire = state.fire_gone_ns is not None and now_ns - state.fire_gone_ns >= times.fire_reset_s * seconds
    seen_up = LIMITS[words[2]][0] is True
    unknown = words[2] in (3, 4)
    slow = state.phase is Phase.HELD_OPEN and (seen_up or unknown)
    t_rep = now_ns - state.pulsed_ns >= (REPEAT_HOLD_NS if slow else REPEAT_RAISE_NS)
    return tuple(map(int, (t_phase, t_clear and words[0] == words[1] == 0, t_fire and not blind, t_rep)))


def replay_in_the_model(steps: Sequence[Step]) -> str:
    """Do the machine's steps again in the model; empty, or what spin says about the first difference."""
    size = len(steps)
    looks = ", ".join(str(number) for each in steps for number in each.look)
    afters = ", ".join(str(number) for each in steps for number in (*each.after, *each.sent))
    names = ["presence", "beam", "limits", "fire", "key", "ask", "t_phase", "t_clear", "t_fire", "t_rep"]
    states = [
        "phase",
        "waiting",
        "fault",
        "ours",
        "commanded",
        "urgent",
        "occupied",
        "passed",
        "h_fire",
        "h_key",
        "h_remote",
        "is_clear",
        "fire_gone",
        "sent_open",
        "sent_close",
    ]
    reads = "; ".join(f"{name} = looks[{len(names)} * i + {k}]" for k, name in enumerate(names))
    equal = " && ".join(f"{name} == afters[{len(states)} * i + {k}]" for k, name in enumerate(states))
    text = f"""#define REPLAY
#include "{MODEL}"
byte looks[{size * len(names)}] = {{ {looks} }};
byte afters[{size * len(states)}] = {{ {afters} }};
active proctype replay() {{
    short i = 0;
    bool did, was_timer, started;
    do
    :: i < {size} ->
        atomic {{ {reads}; d_step {{ machine() }}; printf("step %d\\n", i); assert({equal}); i++ }}
    :: else -> break
    od
}}
"""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "replay.pml").write_text(text, encoding="utf-8")
        done = subprocess.run(
            ["spin", "-T", "replay.pml"], cwd=folder, capture_output=True, text=True, check=False
        )
    said = done.stdout + done.stderr
    if "assertion violated" in said or f"step {size - 1}" not in said:
        reached = re.findall(r"step (\d+)", said)
        at = int(reached[-1]) if reached else 0
        return f"at step {at}: {steps[at]}\n{said[-600:]}"
    return ""


# --- all of it ----------------------------------------------------------------------------------------------


def compare(steps: int, seed: int = 1) -> tuple[int, int, set[tuple[int, int]]]:
    """Both ways, about so many steps each; returns the steps compared and the changes of phase seen.

    Raises:
        AssertionError: Model and machine differ; says where.
    """
    seen: set[tuple[int, int]] = set()
    forth = back = 0
    while forth < steps:
        for each in walk_of_the_model(min(steps, 20_000), seed + forth):
            did = in_python(each.state, each.look)
            assert did == (each.after, each.sent), f"model {each}, machine {did}"
            seen.add((each.state[0], each.after[0]))
            forth += 1
    while back < steps:
        piece = list(walk_of_the_machine(min(400, steps), seed + back))
        difference = replay_in_the_model(piece)
        assert not difference, difference
        seen |= {(each.state[0], each.after[0]) for each in piece}
        back += len(piece)
    return forth, back, seen


def main() -> int:
    """Command line: see the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=20_000, help="to compare, each way")
    parser.add_argument("--mutant", choices=sorted(MUTANTS), help="only this one, which must be caught")
    options = parser.parse_args()
    if problem := why_not():
        print(problem, file=sys.stderr)
        return 69
    good = True
    if options.mutant is None:
        for claim in ("", *CLAIMS):
            kept, said = verify(claim=claim)
            good = good and kept
            print(f"{claim or 'assertions'}: {'kept in ' if kept else 'BROKEN: '}{said}", flush=True)
    for name in [options.mutant] if options.mutant else MUTANTS:
        kept, said = verify(f"MUTANT_{name}")
        good = good and not kept
        print(f"mutant {name} ({MUTANTS[name]}): {'GOT AWAY' if kept else 'caught: ' + said}", flush=True)
    if options.mutant is None:
        forth, back, seen = compare(options.steps)
        print(f"{forth} steps of the model done again in Python, {back} of Python in the model: the same")
        print(f"{len(seen)} different changes of phase")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
