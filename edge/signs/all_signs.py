"""All displays of a configuration: which card hears of which lane, and what an access event says on it."""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from drivers.display import Display, FkCard, KfCard, KfVoice
from drivers.lines import line_to
from drivers.link import Link, SharedLink
from edge.access import Person
from edge.clock import NS_PER_S, Clock, ClockState
from edge.health import Alarms
from edge.records import EventDraft, JsonObject, Prompt, Step
from edge.settings import Settings
from edge.settings_signs import AnyDisplay, FkDisplay
from edge.signs.composing import event_of, permit_values, plate_of, reason_words, shown_name
from edge.signs.sign import Saying, Sign
from edge.signs.texts import CHOICES

log = logging.getLogger(__name__)

FindPerson = Callable[[str], Person | None]


class Signs:
    """The cards, and what they are told. Not started: ``cards`` are workers.

    Everything may be called from any thread; nothing blocks.

    Args:
        settings: The configuration; ``update`` takes another one, whose displays are the same.
        clock: Boot time and UTC.
        alarms: See ``Sign``.
        find: A person of the roster by id, for the days left.
    """

    def __init__(self, settings: Settings, clock: Clock, alarms: Alarms, find: FindPerson) -> None:
        self._settings, self._clock, self._find = settings, clock, find
        users = Counter(display.port for display in settings.displays.values())
        shared: dict[str, tuple[Link, threading.Lock]] = {}
        self.cards: dict[str, Sign] = {}
        for name, display in settings.displays.items():
            link, line = line_to(display.port, display.baud), None
            if users[display.port] > 1:
                link, line = shared.setdefault(display.port, (SharedLink(link), threading.Lock()))
            self.cards[name] = Sign(name, display, driver_of(name, display, link), clock, alarms, line)

    def update(self, settings: Settings) -> None:
        """Use the lanes of another configuration from now on."""
        self._settings = settings

    def note(self, draft: EventDraft) -> None:
        """Tell the cards of a lane what was decided there; called when it is on the disk."""
        if draft.type != "access.decided" or (lane := self._settings.lanes.get(draft.subject)) is None:
            return
        happened = event_of(draft.data, lane.direction)
        if happened is None:
            return
        event, reason = happened
        key = f"{draft.data.get('visit')} {event} {reason}"
        for name, card in self._of_lane(draft.subject):
            display = self._settings.displays[name]
            card.say(self._saying(display, event, key, self._values(display, draft.data, reason)))

    def prompt(self, prompt: Prompt) -> None:
        """Show what a person is asked to do; ``NOTHING`` takes it away."""
        for name, card in self._of_lane(prompt.lane):
            text = (prompt.en, prompt.zh)[CHOICES[self._settings.displays[name].language]]
            is_over = prompt.step is Step.NOTHING
            until_ns = 0 if is_over else prompt.until_ns
            card.say(Saying("prompt", {"text": text}, f"{prompt.visit} {prompt.step}", until_ns))

    def set_free(self, lane: str, spaces: int | None) -> bool:
        """So many spaces are free behind a lane; False when no card shows it."""
        cards = list(self._of_lane(lane))
        for _, card in cards:
            card.set_free(spaces)
        return bool(cards)

    def _of_lane(self, lane: str) -> Iterator[tuple[str, Sign]]:
        return (
            (name, card) for name, card in self.cards.items() if lane in self._settings.displays[name].lanes
        )

    def _saying(self, display: AnyDisplay, event: str, key: str, values: Mapping[str, str]) -> Saying:
        return Saying(event, values, key, self._clock.boot_ns() + round(display.show_s * NS_PER_S))

    def _values(self, display: AnyDisplay, access: JsonObject, reason: str) -> Mapping[str, str]:
        subject = access.get("subject")
        person = self._find(subject) if isinstance(subject, str) else None
        is_known = self._clock.state() is not ClockState.UNSET
        return {
            "plate": plate_of(access),
            "name": shown_name(person.name, display.names) if person is not None else "",
            "reason": reason_words(reason, display.language, access) if reason else "",
            **permit_values(person, self._clock.utc_ns(), is_known, display.language),
        }


def driver_of(name: str, display: AnyDisplay, link: Link) -> Display:
    """The driver of a card as configured, on a line that is not open yet."""
    if isinstance(display, FkDisplay):
        return FkCard(
            name,
            link,
            address=display.address,
            rows=display.lines,
            columns=display.columns,
            gap_ms=display.gap_ms,
            interrupts=display.interrupts,
            volume_steps=display.volume_steps,
        )
    return KfCard(
        name,
        link,
        address=display.address,
        rows=display.lines,
        columns=display.columns,
        gap_ms=display.gap_ms,
        voice=KfVoice(display.speech),
    )
