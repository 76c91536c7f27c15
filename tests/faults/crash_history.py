"""What was tried, what was promised, what was found: a history of many lives of a box, and its judge.

The history is written by whoever feeds the box, each line before or at the moment at which it happens, and
never by the box itself; a killed box cannot take its words back. ``judge`` is pure: history and the
platform's table in, broken promises out (the way of Jepsen: attempts, acknowledgements, observations).
"""

import json
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from io import TextIOWrapper
from pathlib import Path
from typing import Any


@dataclass
class History:
    """Thread: one. Kept in memory, and as JSON lines in a file that outlives a red run.

    Attributes:
        tried: Number of every event -> its stream, from before the box heard of it.
        kept: Numbers that the box said are on its disk.
        revoked, granted: Persons whose removal was acknowledged, and to whom a door was then opened.
        asked, moves: Wishes for a pulse by name, and how often a relay moved for each.
        pulses: The same by the id under which the box has journaled it.
    """

    file: TextIOWrapper | None = None
    tried: dict[int, str] = field(default_factory=dict)
    kept: set[int] = field(default_factory=set)
    pulses: Counter[str] = field(default_factory=Counter)
    moves: Counter[str] = field(default_factory=Counter)
    asked: set[str] = field(default_factory=set)
    revoked: set[str] = field(default_factory=set)
    wrong_grants: list[str] = field(default_factory=list)

    def say(self, what: str, **more: Any) -> None:
        """Write one line; it is with the kernel when this returns."""
        if self.file is not None:
            self.file.write(json.dumps({"what": what, **more}) + "\n")
            self.file.flush()

    def try_events(self, batch: Sequence[tuple[int, str]]) -> None:
        """These will now be handed to the box."""
        self.say("tried", events=batch)
        self.tried |= dict(batch)

    def keep(self, numbers: Iterable[int]) -> None:
        """The box says that they are on its disk."""
        numbers = list(numbers)
        self.say("kept", numbers=numbers)
        self.kept |= set(numbers)

    def ask(self, name: str) -> None:
        """A pulse is asked for, for the first or another time."""
        self.say("asked", name=name)
        self.asked.add(name)

    def pulse(self, name: str, cause: str) -> None:
        """A relay has moved."""
        self.say("pulse", name=name, cause=cause)
        self.moves[name] += 1
        self.pulses[cause] += 1

    def revoke(self, person: str) -> None:
        """The box has acknowledged that somebody is off the roster."""
        self.say("revoked", person=person)
        self.revoked.add(person)

    def grant(self, person: str, asked_after_revocation: bool) -> None:
        """The box let somebody in who stood there since a certain moment."""
        self.say("granted", person=person, after=asked_after_revocation)
        if asked_after_revocation:
            self.wrong_grants.append(person)


def opened(path: Path) -> History:
    """A history that is also written to a file."""
    return History(path.open("w", encoding="utf-8"))


def judge(
    history: History, table: Sequence[Mapping[str, Any]], broken_chains: Sequence[object] = ()
) -> list[str]:
    """What is wrong; empty when every promise was kept.

    Args:
        history: Of the whole run.
        table: The platform's events as parsed CloudEvents, in the order in which they were taken.
        broken_chains: Places at which a hash does not follow from the one before.
    """
    found = [event for event in table if "number" in event["data"]]
    numbers = Counter(event["data"]["number"] for event in found)
    faults = [f"lost: event {n}, promised" for n in sorted(history.kept - set(numbers))]
    faults += [f"phantom: event {n} was never handed over" for n in sorted(set(numbers) - set(history.tried))]
    faults += [f"duplicate: event {n} stands {count} times" for n, count in numbers.items() if count > 1]
    faults += [f"duplicate: id {i} stands {c} times" for i, c in _ids(table).items() if c > 1]
    faults += _order(found, history)
    faults += _places(table)
    faults += [f"broken chain: {place}" for place in broken_chains]
    # A kill loses nothing that was written, so nobody may find another history.
    faults += [f"fork: {event['data']}" for event in table if ".journal.forked." in event["type"]]
    for moves in (history.moves, history.pulses):
        faults += [f"double actuation: {name}, {n} pulses" for name, n in moves.items() if n > 1]
    faults += [f"pulse of nobody: {name}" for name in history.moves if name not in history.asked]
    faults += _unrecorded(history, table)
    faults += [f"grant after acknowledged revocation: {person}" for person in history.wrong_grants]
    return faults


def _ids(table: Sequence[Mapping[str, Any]]) -> Counter[str]:
    return Counter(event["id"] for event in table)


def _order(found: Sequence[Mapping[str, Any]], history: History) -> list[str]:
    """Events of a stream stand in the order in which they happened."""
    faults = []
    last: dict[str, int] = defaultdict(lambda: -1)
    for event in found:
        stream, number = event["ghstream"], event["data"]["number"]
        if number < last[stream]:
            faults.append(f"order: {stream} has {number} behind {last[stream]}")
        if history.tried.get(number, stream) != stream:
            faults.append(f"order: event {number} is in {stream}, not in {history.tried[number]}")
        last[stream] = number
    return faults


def _places(table: Sequence[Mapping[str, Any]]) -> list[str]:
    """Sequences of a stream and epoch go up by one, from where they begin."""
    faults = []
    last: dict[tuple[str, str], int] = {}
    for event in table:
        place, seq = (event["ghepoch"], event["ghstream"]), event["ghseq"]
        if place in last and seq != last[place] + 1:
            faults.append(f"place: {place[1]} jumps from {last[place]} to {seq}")
        last[place] = seq
    return faults


def _unrecorded(history: History, table: Sequence[Mapping[str, Any]]) -> list[str]:
    """Every pulse has its event from before, and every actuation exactly one end."""
    begun: Counter[str] = Counter()
    ended: Counter[str] = Counter()
    for event in table:
        kind, data = event["type"].removeprefix("gh.").rsplit(".v", 1)[0], event["data"]
        if kind in ("command.accepted", "barrier.commanded"):
            begun[data.get("jti") or data.get("actuation")] += 1
        elif kind in ("command.finished", "command.unknown", "barrier.raised", "actuation.unknown"):
            ended[data.get("jti") or data.get("command") or data.get("actuation")] += 1
    faults = [f"unrecorded pulse: {name}" for name in history.pulses if not begun[name]]
    return faults + [
        f"ends: {name} began {begun[name]} times and ended {ended[name]} times"
        for name in sorted({*begun, *ended})
        if not begun[name] == ended[name] == 1
    ]


def tell_end(
    folder: Path, seed: int, faults: Sequence[str], figures: Mapping[str, Any], json_file: Path | None
) -> int:
    """How a bench of kills ends: figures, findings, and the exit code; a red run keeps its folder."""
    print(json.dumps(figures, indent=1, ensure_ascii=False))
    if json_file is not None:
        json_file.write_text(json.dumps({**figures, "findings": faults[:100]}, indent=1), encoding="utf-8")
    if faults:
        print(*faults[:100], sep="\n")
        print(f"{len(faults)} broken promises; seed {seed}; everything is kept in {folder}")
        return 1
    shutil.rmtree(folder)
    print(f"0 lost, 0 phantom, 0 duplicate, 0 out of order, 0 double actuations, seed {seed}")
    return 0
