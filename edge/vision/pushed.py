"""A camera that reads plates by itself: its pushed results become sightings like our own reads.

    push -> parse -> seen before? -> stored while offline? journal only -> sighting -> the thread decide

The same evidence and the same policy judge them: a pushed plate opens nothing that a plate of our own reading
would not open, and a result that the camera doubts, or takes for a printed plate, is a flaw. Results stored
while the network was down are records of the past: they are journaled once and never reach a lane.
"""

import logging
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace

from drivers.errors import DriverError
from drivers.push import PlatePush, PushListener, parse_push, reply_to
from edge.clock import NS_PER_S, Clock
from edge.errors import EdgeError
from edge.health import Alarms
from edge.records import Box, EventDraft, Kind, Sighting, Stream
from edge.settings_push import VzenithCamera
from edge.vision.eye import EyeStats
from edge.vision.messages import MOST_CROP, Stats
from edge.vision.sight import LOST
from edge.worker import Worker
from models.plate.grammar import normalise
from models.plate.lattice import lattice_from_text

log = logging.getLogger(__name__)

REMEMBERED = 12_000
"""Results that are told from new ones; a camera stores up to 9,000 while it is offline."""
_TURN_S = 0.25
_RETRY_S = 5.0
_SURE = 0.999
_NOWHERE = Box(0, 0, 0, 0)


class PushedEye(Worker):
    """Owns the listener of one pushing camera; stands where an ``Eye`` stands.

    Args:
        name: Of the camera.
        settings: Its section.
        clock: Of the daemon.
        alarms: Told of ``camera.lost``.
        on_sighting: Takes each sighting, in this thread; must be quick.
        note: Journals results that were stored while the network was down; must not block.

    Attributes:
        stats: The newest snapshot, as an ``Eye`` has it.

    Thread: itself (``eye-<camera>``). ``stats``, ``settle`` and ``look`` from any.
    """

    def __init__(
        self,
        name: str,
        settings: VzenithCamera,
        clock: Clock,
        alarms: Alarms,
        on_sighting: Callable[[Sighting], None],
        note: Callable[[EventDraft], None],
    ) -> None:
        super().__init__(f"eye-{name}", clock)
        self.camera = name
        self.stats = EyeStats(models=(("plate", "vzenith"),))
        self._settings, self._alarms = settings, alarms
        self._on_sighting, self._note = on_sighting, note
        self._session = secrets.token_hex(8)
        self._known: OrderedDict[tuple[str, str, float], None] = OrderedDict()
        self._tracks = self._read = self._seq = 0
        self._heard_ns = clock.boot_ns()
        self.port = 0

    def settle(self, track_id: int, session: str = "") -> None:
        """Nothing to settle: each result is one track and complete."""

    def look(self, for_s: float = 5.0) -> None:
        """Nothing to wake: the camera decides by itself when it looks."""

    def work(self) -> None:
        """Listen until stopped; a port that is taken is tried again."""
        while not self.stopping.is_set():
            try:
                listener = PushListener(
                    self._settings.listen, self._settings.port, self._settings.path, self._settings.senders,
                    self.take,
                )  # fmt: skip
            except DriverError as error:
                self._lose(f"cannot listen for it: {error}")
                self._rest()
                continue
            try:
                self.port = listener.address[1]
                self._heard_ns = self.clock.boot_ns()
                log.info("%s: waiting for pushes on %s port %d", self.camera, *listener.address)
                while not self.stopping.is_set():
                    try:
                        listener.turn(_TURN_S)
                    except EdgeError as error:  # not answered: the camera will send it again
                        log.error("%s: a result could not be kept: %s", self.camera, error)
                    self.beat()
                    self._notice_silence()
            finally:
                listener.close()
                self.port = 0

    def take(self, body: bytes) -> bytes:
        """One request's body to its answer. Only in this thread, or a test.

        Raises:
            BadReply: It speaks of a plate and cannot be understood.
        """
        self._hear()
        push = parse_push(self.camera, body)
        if push is None:
            return reply_to(None)
        if push.key in self._known:
            log.debug("%s: result %s came again", self.camera, push.plate_id)
        elif push.is_offline:
            self._record(push)
        else:
            self._tell(push)
        # Only now: a result whose journaling failed is not answered, and the camera sends it again.
        self._known[push.key] = None
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return reply_to(push)

    def _record(self, push: PlatePush) -> None:
        self._note(
            EventDraft(
                Stream.PLATE,
                "plate.reported_late",
                self.camera,
                {
                    "text": normalise(push.text) if push.text else None,
                    "kind": push.kind,
                    "confidence": round(push.confidence, 3),
                    "trigger": push.trigger,
                    "camera_time_s": push.time_s,
                    "camera_result": push.plate_id,
                },
            )
        )

    def _tell(self, push: PlatePush) -> None:
        """The result as reads of one track that ends with it."""
        self._tracks += 1
        now_ns = self.clock.boot_ns()
        flaw = self._flaw(push)
        text = "" if flaw else normalise(push.text or "")
        # The camera's figure is for the whole plate: shared out, so that the product is the figure again.
        each = min(max(push.confidence, 0.5), _SURE) ** (1 / max(len(text), 1))
        sighting = Sighting(
            camera=self.camera,
            session=self._session,
            track_id=self._tracks,
            kind=Kind.PLATE,
            seq=0,
            taken_ns=now_ns,
            sent_ns=now_ns,
            box=_NOWHERE,
            quality=push.confidence,
            lattice=lattice_from_text(text, each),
            crop_jpeg=push.picture if len(push.picture) <= MOST_CROP else b"",
            flaw=flaw,
        )
        for _ in range(1 if flaw else self._settings.votes):
            self._seq += 1
            sighting = replace(sighting, seq=self._seq)
            self._on_sighting(sighting)
        self._on_sighting(replace(sighting, ended=True))
        self._read += not flaw
        counts = {"tracks": self._tracks, "read": self._read}
        self.stats = replace(self.stats, sightings=self.stats.sightings + 1, counts=counts)

    def _flaw(self, push: PlatePush) -> str:
        if push.text is None:
            return "no plate"
        if push.is_fake:
            return "not a real plate"
        return "doubted by the camera" if push.confidence < self._settings.least_confidence else ""

    def _hear(self) -> None:
        self._heard_ns = self.clock.boot_ns()
        if not self.stats.is_seeing:
            self.stats = replace(self.stats, is_seeing=True, session=self._session, stats=Stats())
        self._alarms.clear(LOST, self.camera)

    def _notice_silence(self) -> None:
        silent_s = (self.clock.boot_ns() - self._heard_ns) / NS_PER_S
        if silent_s > self._settings.silent_s:
            self._lose(f"neither result nor heartbeat for {silent_s:.0f} s")

    def _lose(self, detail: str) -> None:
        self._alarms.set(LOST, self.camera, detail)
        self.stats = replace(self.stats, is_seeing=False)

    def _rest(self) -> None:
        until_ns = self.clock.boot_ns() + round(_RETRY_S * NS_PER_S)
        while not self.stopping.is_set() and self.clock.boot_ns() < until_ns:
            self.beat()
            self.stopping.wait(_TURN_S)
