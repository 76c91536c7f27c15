"""Threads beside the uplink that speak over its connection: sets, pictures. Several look like one."""

from collections.abc import Callable
from typing import Protocol


class SideDesk(Protocol):
    """Hears messages and has some to send; never blocks the uplink, and never calls it but to wake it."""

    on_outgoing: Callable[[], None]
    """Called when there is something to send."""

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """What the uplink is to listen to."""
        ...

    def connected(self) -> None:
        """There is a new connection; nothing of the old one will be answered."""
        ...

    def offer(self, topic: str, payload: bytes) -> bool:
        """Take a message; False when its topic is for somebody else."""
        ...

    def take_outgoing(self) -> list[tuple[str, bytes]]:
        """Messages to be published, by topic."""
        ...


class SideDesks:
    """Several as one. Thread: as of each."""

    def __init__(self, *desks: SideDesk | None) -> None:
        self._desks = tuple(desk for desk in desks if desk is not None)
        self._on_outgoing: Callable[[], None] = lambda: None

    @property
    def on_outgoing(self) -> Callable[[], None]:
        """Called when one has something to send."""
        return self._on_outgoing

    @on_outgoing.setter
    def on_outgoing(self, wake: Callable[[], None]) -> None:
        self._on_outgoing = wake
        for desk in self._desks:
            desk.on_outgoing = wake

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """Of all."""
        return tuple(topic for desk in self._desks for topic in desk.subscriptions)

    def connected(self) -> None:
        """Tell all."""
        for desk in self._desks:
            desk.connected()

    def offer(self, topic: str, payload: bytes) -> bool:
        """The first that wants it has it."""
        return any(desk.offer(topic, payload) for desk in self._desks)

    def take_outgoing(self) -> list[tuple[str, bytes]]:
        """Of all, in their order."""
        return [message for desk in self._desks for message in desk.take_outgoing()]
