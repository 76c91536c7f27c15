"""Roster and templates of one revision, as ``SetStore.snapshot`` reads them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from edge.access.pins import PinDigest
from edge.access.roster import Roster
from edge.store.faces import Template
from models.face import Gallery


@dataclass(frozen=True, slots=True, eq=False)
class SetSnapshot:
    """Roster and templates of one revision; never changes, so any thread may keep it.

    Attributes:
        templates: (person id, descriptor) pairs by set name (``faces-<model>``).
        unreadable: Templates that did not open with this device's key; their persons are not recognised.
        pins: Digests of PINs by person id.
    """

    roster: Roster
    templates: Mapping[str, tuple[tuple[str, Template], ...]]
    unreadable: int = 0
    pins: Mapping[str, PinDigest] = field(default_factory=dict)

    @property
    def rev(self) -> int:
        """The revision."""
        return self.roster.rev

    def gallery(self, set_name: str) -> Gallery:
        """The templates of one model, ready to be compared; denied persons too, so that they are noticed."""
        return Gallery.build(set_name, self.templates.get(set_name, ()))

    def wipe(self) -> None:
        """Overwrite the templates, when galleries have been built of them and nobody needs them any more."""
        for pairs in self.templates.values():
            for _, template in pairs:
                template.fill(0)
