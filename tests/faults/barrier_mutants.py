"""Broken barrier machines: each breaks one promise, and ``proof_barrier`` must catch it at that."""

from collections.abc import Mapping

from proof_barrier import SAFETY
from proof_kit import Mutant, by_name, late_ignored, without_deadline

from edge.lanes.acts import Hold, Pulse, Release, Request, Wire
from edge.lanes.barrier_state import Phase
from edge.lanes.barrier_turn import BarrierTurn


class UnknownIsClear(BarrierTurn):
    def is_clear(self) -> bool:
        return not any(self.sensor(name) for name in SAFETY)


class ForgetsTheBeam(BarrierTurn):
    def is_clear(self) -> bool:
        return self.sensor("presence") is False and self.sensor("edge") is False


class ForgetsTheEdge(BarrierTurn):
    def is_clear(self) -> bool:
        return self.sensor("presence") is False and self.sensor("beam") is False


class TakesAStuckLoopForClear(BarrierTurn):
    def is_clear(self) -> bool:
        return all(self.trusted(name) is False for name in SAFETY)


class DoesNotWatchWhileClosing(BarrierTurn):
    def guard_closing(self) -> None:
        return


class TakesBlindnessForClear(BarrierTurn):
    def observe(self) -> None:
        self.set(seen_ns=self.now_ns)
        super().observe()


class ClosesAtOnceAfterAPowerCut(BarrierTurn):
    def clear_for(self, seconds: float) -> bool:
        return super().clear_for(min(seconds, 1.0))


class RaisesOverClose(BarrierTurn):
    def release(self, *wires: Wire) -> None:
        return


class RemoteReleasesAll(BarrierTurn):
    def obey_release(self, request: Request) -> None:
        self.hold(frozenset())


class ForgetsFireWhenUnknown(BarrierTurn):
    def fade_fire(self, holds: frozenset[Hold], fire: bool | None) -> frozenset[Hold]:
        return super().fade_fire(holds, bool(fire))


class StopsDuringFire(BarrierTurn):
    def obey_stop(self, request: Request) -> None:
        self.acts.append(Pulse(Wire.STOP, request=request))


class IgnoresDeadline(BarrierTurn):
    def obey(self, request: Request) -> None:
        super().obey(without_deadline(request))
        self.acts = late_ignored(request, self.acts)


class PulsesTheSameVisitAgain(BarrierTurn):
    def obey_open(self, request: Request) -> None:
        self.set(lifted=())
        super().obey_open(request)


class PulsesAtStartUp(BarrierTurn):
    def begin(self) -> None:
        if self.state.seen_ns is None:
            self.acts.append(Pulse(Wire.OPEN, urgent=True))
        super().begin()


class OpensForWhoeverTouchesTheLoop(BarrierTurn):
    def observe(self) -> None:
        super().observe()
        if self.state.phase is Phase.CLOSED and self.sensor("presence") and self.state.pulsed_ns:
            self.raise_boom(Phase.OPENING, urgent=True)


class LeavesCloseEnergised(BarrierTurn):
    def enter(self, phase: Phase) -> None:
        if phase is Phase.FAULT:
            self.acts = [act for act in self.acts if act != Release(Wire.CLOSE)]
        super().enter(phase)


class LetsBothWaysIn(BarrierTurn):
    def obey_open(self, request: Request) -> None:
        self.set(heading="")
        super().obey_open(request)


MUTANTS: Mapping[str, Mutant] = by_name(
    (UnknownIsClear, "SAFE-1"),
    (ForgetsTheBeam, "SAFE-1"),
    (ForgetsTheEdge, "SAFE-1"),
    Mutant(TakesAStuckLoopForClear, "SAFE-1", ("sensors stick soon",)),
    (DoesNotWatchWhileClosing, "SAFE-1"),
    (TakesBlindnessForClear, "SAFE-[12]"),
    Mutant(ClosesAtOnceAfterAPowerCut, "SAFE-1", ("closes after a power cut",)),
    (RaisesOverClose, "SAFE-[14]"),
    (RemoteReleasesAll, "SAFE-2"),
    (ForgetsFireWhenUnknown, "SAFE-2"),
    (StopsDuringFire, "SAFE-2"),
    (IgnoresDeadline, "SAFE-3"),
    (PulsesTheSameVisitAgain, "SAFE-3"),
    (PulsesAtStartUp, "SAFE-4"),
    Mutant(LeavesCloseEnergised, "SAFE-4", ("held close",)),
    (OpensForWhoeverTouchesTheLoop, "ACC-1"),
    Mutant(LetsBothWaysIn, "WAY", ("all wires, two-way",)),
)
