"""Pictures to the platform: after their event, part by part, while nothing more urgent is on the wire."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import Protocol

from edge.clock import NS_PER_S
from edge.errors import VaultError
from edge.faults import fault_point
from edge.records import Stream
from edge.store.media import DAMAGED, Media
from edge.store.media_tables import REFUSED, SENT, KeptPicture
from edge.sync.picture_upload import LATER_S, Heard, PictureUpload

log = logging.getLogger(__name__)

LOOK_NS = 2 * NS_PER_S
BUSY_EVENTS = 4
"""While more events than this are on the wire, pictures wait."""
LONGEST_LATER_S = 3600.0


class Acknowledgements(Protocol):
    """What is needed of the journal."""

    epoch: str

    def first_wanted(self) -> Mapping[Stream, int]:
        """Sequence per stream of the first event that is not acknowledged."""
        ...


class PictureSender:
    """Brings the store's pictures to the platform.

    Thread: ``pictures`` turns it; ``hear``, ``reconnected`` and ``take_outgoing`` belong to the uplink.

    Args:
        media: The store.
        journal: Says which events the platform has.
        topic: Where parts go.
        damaged: Told, in words, of a picture that could not be read and was removed.
    """

    def __init__(
        self, media: Media, journal: Acknowledgements, topic: str, damaged: Callable[[str], None]
    ) -> None:
        self.on_outgoing: Callable[[], None] = lambda: None
        self.in_flight: Callable[[], int] = lambda: 0
        self._media, self._journal, self._topic, self._damaged = media, journal, topic, damaged
        self._upload = PictureUpload()
        self._answers: deque[bytes] = deque(maxlen=64)
        self._lock = threading.Lock()  # for what goes out: it can be called back at the last moment
        self._outgoing: list[tuple[str, bytes]] = []
        self._apart: dict[str, tuple[int, float]] = {}  # until when, and the pause before that
        self._is_connected = self._is_new_connection = False
        self._look_ns = 0

    # The uplink's

    def reconnected(self) -> None:
        """There is a new connection; nothing of the old one is answered."""
        self.take_outgoing()
        self._is_new_connection = True

    def hear(self, payload: bytes) -> None:
        """Take an answer of the platform."""
        self._answers.append(payload)

    def take_outgoing(self) -> list[tuple[str, bytes]]:
        """Parts to be published, by topic."""
        with self._lock:
            taken, self._outgoing = self._outgoing, []
        return taken

    # The thread

    def look_soon(self) -> None:
        """There may be something new to send."""
        self._look_ns = 0

    def turn(self, now_ns: int, consents: Mapping[str, str]) -> None:
        """Take answers, and lay out the next part.

        Args:
            now_ns: Now.
            consents: Who allows pictures of their face at passages; "send": also to be sent.

        Raises:
            JournalError: Store or journal cannot be read or written.
        """
        if self._is_new_connection:
            self._is_new_connection, self._is_connected = False, True
            self._answers.clear()
            self._upload.reconnected()
        while self._answers:
            self._take(self._answers.popleft(), now_ns)
        consented = [person for person, word in consents.items() if word == "send"]
        going = self._upload.picture
        if going is not None and not self._may_go(going, consented):
            self._upload.drop()
            self.take_outgoing()
        if not self._is_connected or self._outgoing or self.in_flight() > BUSY_EVENTS:
            return
        if self._upload.picture is None and now_ns >= self._look_ns:
            self._look_ns = now_ns + LOOK_NS
            self._next(consented, now_ns)
        message = self._upload.message(now_ns)
        if message is not None:
            with self._lock:
                self._outgoing.append((self._topic, message))
            self.on_outgoing()

    def _may_go(self, picture: KeptPicture, consented: list[str]) -> bool:
        """False when it was withdrawn, or deleted, while it was on its way."""
        is_allowed = not picture.person or picture.person in consented
        return is_allowed and bool(self._media.pictures(picture.sha256))

    def _next(self, consented: list[str], now_ns: int) -> None:
        self._apart = {sha256: wait for sha256, wait in self._apart.items() if self._media.pictures(sha256)}
        apart = [sha256 for sha256, (until_ns, _) in self._apart.items() if until_ns > now_ns]
        below = self._journal.first_wanted().get(Stream.ACCESS, 1)
        picture = self._media.next_unsent(self._journal.epoch, below, consented, apart)
        if picture is None:
            return
        try:
            self._upload.begin(picture, self._media.read(picture.sha256))
        except VaultError as error:
            self._media.remove([picture.sha256], DAMAGED)
            self._damaged(f"{error}; the picture is removed")
            self._look_ns = 0

    def _take(self, payload: bytes, now_ns: int) -> None:
        picture, heard = self._upload.picture, self._upload.heard(payload)
        if picture is None or heard in (Heard.NOTHING, Heard.GO_ON):
            return
        self._upload.drop()
        self._look_ns = 0
        if heard is Heard.LATER:
            _, before_s = self._apart.get(picture.sha256, (0, LATER_S / 2))
            pause_s = min(2 * before_s, LONGEST_LATER_S)
            self._apart[picture.sha256] = now_ns + round(pause_s * NS_PER_S), pause_s
            return
        self._apart.pop(picture.sha256, None)
        if heard is Heard.NEVER:
            log.warning("the platform will not have picture %s: %s", picture.sha256[:12], self._upload.why)
        fault_point("picture.sent")
        self._media.mark(picture.sha256, SENT if heard is Heard.DONE else REFUSED)
