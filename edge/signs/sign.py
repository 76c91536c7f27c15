"""One lane display: a thread that owns the card's line and shows the newest thing there is to say.

It stands beside the lane and never in its way: whoever has something for the card leaves it in a slot, where
the newest wins, and goes on. A card that is slow, gone or dead costs an alarm and nothing else.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass

from drivers.display import Display, Row
from drivers.errors import DriverError
from edge.clock import NS_PER_S, Clock, ClockState
from edge.health import Alarms
from edge.settings_signs import AnyDisplay
from edge.signs.composing import Message, compose, is_quiet, now_values
from edge.worker import Slot, Worker

log = logging.getLogger(__name__)

LOST = "display.lost"
TURN_S = 0.5
REWRITE_S = 60
# Once more soon after: most cards acknowledge nothing, and a long line loses a frame now and then.
AGAIN_S = 2
# A card forgets what we wrote a little after we should have written again: when we are dead, no clock on it
# stands still and no plate stays for all to read.
_OUTLIVES_S = 3
_IDLE_OUTLIVES_S = 2 * REWRITE_S + 30
_RETRY_S = (1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Saying:
    """Something to be shown for a while.

    Attributes:
        event: Of ``edge.settings_signs.SignEvent``.
        values: What there is to say, besides the time.
        key: Of the visit: the same showing again is not said twice.
        until_ns: CLOCK_BOOTTIME; then the card goes back to its idle text. 0: at once, if it stands there.
    """

    event: str
    values: Mapping[str, str]
    key: str
    until_ns: int


@dataclass(frozen=True, slots=True)
class SignStatus:
    """A card at one moment, for console and command line.

    Attributes:
        is_up: The last thing that was written has been taken, as far as one can know.
        detail: Why not, else "up".
        rows: What stands on it, as far as we know; empty while it is lost.
        columns: Half-width cells of a line.
    """

    name: str
    type: str
    lanes: tuple[str, ...]
    is_up: bool
    detail: str
    rows: tuple[Row, ...]
    columns: int


class Sign(Worker):
    """Thread ``sign-<name>``. ``say``, ``set_free`` and ``status`` may be used from any.

    Args:
        name: The card's name in the configuration.
        settings: Its section.
        driver: The card, not yet open.
        clock: Boot time, and UTC for the idle text.
        alarms: ``display.lost`` stands here while it cannot be written.
        line: Held while writing, when other cards share the line.
        rewrite_s: So often everything is written again, for a card that lost its power meanwhile.
    """

    def __init__(
        self,
        name: str,
        settings: AnyDisplay,
        driver: Display,
        clock: Clock,
        alarms: Alarms,
        line: "threading.Lock | None" = None,
        *,
        rewrite_s: float = REWRITE_S,
    ) -> None:
        super().__init__(f"sign-{name}", clock)
        self.sign_name = name
        self._settings = settings
        self._driver = driver
        self._alarms = alarms
        self._line = line if line is not None else nullcontext()
        self._rewrite_ns = round(rewrite_s * NS_PER_S)
        self._slot: Slot[Saying] = Slot()
        self._saying: Saying | None = None
        self._free: int | None = None
        self._is_open = False
        self._tries = 0
        self._retry_ns = 0
        self._rewrite_due_ns = 0
        self._on_card: list[tuple[Row, bool] | None] = [None] * settings.lines
        self._said = ""
        self._status = self._status_of("not opened yet")

    # Any thread

    def say(self, saying: Saying) -> None:
        """Show and say this next, instead of whatever waits; never blocks."""
        self._slot.put(saying)

    def set_free(self, spaces: int | None) -> None:
        """So many spaces are free; 0 makes the idle text say that the car park is full."""
        self._free = spaces

    @property
    def status(self) -> SignStatus:
        """The card as of its last turn."""
        return self._status

    # The thread

    def work(self) -> None:
        """Keep the card up to date until stopped."""
        try:
            while not self.stopping.is_set():
                self.beat()
                fresh = self._slot.take(TURN_S)
                self._turn(is_fresh=fresh is not None and self._takes(fresh))
        finally:
            self._driver.close()

    def _takes(self, fresh: Saying) -> bool:
        """Take the newest; but what is asked no more takes only the question away, not a welcome."""
        is_withdrawn = not fresh.until_ns
        if is_withdrawn and (self._saying is None or self._saying.event != fresh.event):
            return False
        self._saying = fresh
        return not is_withdrawn

    def _turn(self, *, is_fresh: bool) -> None:
        now_ns = self.clock.boot_ns()
        if not self._is_open and now_ns < self._retry_ns:
            return
        try:
            if not self._is_open:
                self._open()
            self._driver.check()
            self._refresh(is_fresh=is_fresh)
        except DriverError as error:
            self._lose(error)

    def _open(self) -> None:
        with self._line:
            self._driver.open()
        self._is_open = True
        self._on_card = [None] * self._settings.lines
        volume = getattr(self._settings, "volume", None)
        if volume is not None:
            self._write(lambda: self._driver.set_volume(volume))

    def _lose(self, error: DriverError) -> None:
        self._driver.close()
        self._is_open = False
        pause_s = _RETRY_S[min(self._tries, len(_RETRY_S) - 1)]
        self._tries += 1
        self._retry_ns = self.clock.boot_ns() + round(pause_s * NS_PER_S)
        self._on_card = [None] * self._settings.lines
        self._status = self._status_of(str(error))
        if not self._alarms.set(LOST, self.sign_name, str(error)):
            log.debug("display %s: %s", self.sign_name, error)

    def _refresh(self, *, is_fresh: bool) -> None:
        """Write what differs from what stands there; give way when something newer has come."""
        now_ns = self.clock.boot_ns()
        if now_ns >= self._rewrite_due_ns:
            self._on_card = [None] * self._settings.lines
            self._rewrite_due_ns = now_ns + self._rewrite_ns
        is_over = self._saying is not None and now_ns >= self._saying.until_ns
        if is_over:
            self._saying = None
        if (is_fresh or is_over) and not self._driver.capabilities.acknowledges:
            self._rewrite_due_ns = min(self._rewrite_due_ns, now_ns + AGAIN_S * NS_PER_S)
        message = self._message(self._saying)
        if is_fresh and self._saying is not None:
            self._speak(message)
        for number in range(self._settings.lines):
            if self._slot.is_filled or self.stopping.is_set():
                return
            text = message.lines[number] if number < len(message.lines) else ""
            wanted = (Row(text, message.colour), self._saying is not None)
            if self._on_card[number] != wanted:
                self._show(number, *wanted)
        self._status = self._status_of("up", is_up=True)

    def _show(self, number: int, row: Row, is_event: bool) -> None:
        outlives_s = _IDLE_OUTLIVES_S
        if is_event and self._saying is not None:
            left_ns = self._saying.until_ns - self.clock.boot_ns()
            outlives_s = max(1, left_ns // NS_PER_S + _OUTLIVES_S)
        self._write(lambda: self._driver.show(number + 1, row.text, row.colour, seconds=outlives_s))
        self._on_card[number] = (row, is_event)

    def _speak(self, message: Message) -> None:
        """Once for each showing, and not at night."""
        if not message.speech or message.key == self._said:
            return
        self._said = message.key
        if not is_quiet(self._settings.quiet, self._now()["time"]):
            self._write(lambda: self._driver.speak(message.speech))

    def _write(self, write: Callable[[], int]) -> None:
        with self._line:
            write()
        self._tries = 0
        self._alarms.clear(LOST, self.sign_name)
        self.beat()

    def _message(self, saying: Saying | None) -> Message:
        free = "" if self._free is None else str(self._free)
        values = {**self._now(), "free": free, "lane": ", ".join(self._settings.lanes)}
        if saying is None:
            return compose(self._settings, "full" if self._free == 0 else "idle", values)
        return compose(self._settings, saying.event, {**values, **saying.values}, saying.key)

    def _now(self) -> Mapping[str, str]:
        is_known = self.clock.state() is not ClockState.UNSET
        return now_values(self.clock.utc_ns(), is_known, self._settings.language)

    def _status_of(self, detail: str, *, is_up: bool = False) -> SignStatus:
        settings = self._settings
        rows = tuple(shown[0] if shown is not None else Row() for shown in self._on_card)
        return SignStatus(
            self.sign_name,
            settings.type,
            settings.lanes,
            is_up,
            detail,
            rows if is_up else (),
            settings.columns,
        )
