"""Inputs by meaning: polarity, debounce and staleness between a board's snapshot and a lane's machine."""

from collections.abc import Callable, Mapping

from edge.clock import NS_PER_MS
from edge.lanes.snapshots import InputSnapshot
from edge.settings import Input, Lane

Look = Callable[[str], InputSnapshot]
"""Gives the newest snapshot of a board by its name."""


class Contacts:
    """The contacts of one lane.

    A contact that is not known is None at once. One that changes is None until it has stood for its debounce
    time: whoever asks "is it clear?" hears "no" from the first flicker on, whoever counts cars does not hear
    the flicker at all.

    Thread: ``read`` the lane's own; ``raw`` any.
    """

    def __init__(self, lane: Lane, look: Look) -> None:
        self.wires = inputs_of(lane)
        self._look = look
        self._settled: dict[str, bool | None] = dict.fromkeys(self.wires)
        self._candidate: dict[str, tuple[bool, int]] = {}

    def raw(self, meaning: str, now_ns: int) -> bool | None:
        """A contact as it is this moment, with its polarity, without debounce; None when not known."""
        wire = self.wires[meaning]
        value = self._look(wire.board).value(wire.channel, now_ns)
        return None if value is None else value is not wire.inverted

    def read(self, now_ns: int) -> Mapping[str, bool | None]:
        """Every contact of the lane, debounced."""
        return {meaning: self._debounce(meaning, wire, now_ns) for meaning, wire in self.wires.items()}

    def _debounce(self, meaning: str, wire: Input, now_ns: int) -> bool | None:
        value = self.raw(meaning, now_ns)
        if value is None:
            self._settled[meaning] = None
            self._candidate.pop(meaning, None)
            return None
        if value is self._settled[meaning]:
            self._candidate.pop(meaning, None)
            return value
        since = self._candidate.get(meaning)
        if since is None or since[0] is not value:
            since = self._candidate[meaning] = (value, now_ns)
        if now_ns - since[1] < wire.debounce_ms * NS_PER_MS:
            return None
        self._candidate.pop(meaning, None)
        self._settled[meaning] = value
        return value


def inputs_of(lane: Lane) -> Mapping[str, Input]:
    """The wired inputs of a lane by meaning: the names of the options."""
    wires = {name: getattr(lane, name) for name in type(lane).model_fields}
    return {name: wire for name, wire in wires.items() if isinstance(wire, Input)}
