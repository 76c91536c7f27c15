"""The thread that takes pictures of passages from all boxes of a broker, beside a ``Counterpart``."""

import logging
from pathlib import Path

from edge.clock import NS_PER_S, Clock
from edge.errors import EdgeError
from edge.jws import JwsError
from edge.platform.counterpart import LEDGER_FILE
from edge.platform.ledger import Ledger
from edge.platform.pictures import PictureShelf
from edge.platform.steady_link import SteadyWorker
from edge.store.envelope import json_bytes
from edge.sync.mqtt_link import MqttLink
from edge.sync.picture_upload import ack_topic, read_part
from edge.sync.session import Login, ProtocolChoice, Received
from edge.sync.topics import ROOT, parse

log = logging.getLogger(__name__)

FOLLOW_NS = 2 * NS_PER_S
UP_FILTER = f"{ROOT}/+/+/pic/up"


class PictureCollector(SteadyWorker):
    """Takes pictures from all boxes of a broker, beside a ``Counterpart`` with the same folder.

    Thread: its own.
    """

    def __init__(
        self,
        login: Login,
        folder: Path,
        clock: Clock,
        *,
        protocol: ProtocolChoice = "auto",
        reconnect_max_s: float = 5.0,
        share: str = "",
    ) -> None:
        """Open the ledger.

        Args:
            login: Broker and credentials; a client id of its own.
            folder: Of the counterpart.
            clock: For pauses.
            protocol: Version of MQTT.
            reconnect_max_s: Longest pause between two tries.
            share: Name under which several with one folder divide what comes; empty: it takes all.

        Raises:
            JournalError: The ledger cannot be opened.
        """
        super().__init__("picture-collector", login, clock, protocol, reconnect_max_s)
        self.shelf = PictureShelf(folder)
        self._ledger = Ledger(folder / LEDGER_FILE)
        self._follow_ns = 0
        self._filter = f"$share/{share}/{UP_FILTER}" if share else UP_FILTER

    def close(self) -> None:
        """End the thread and close the ledger."""
        super().close()
        self._ledger.close()

    def _subscribe(self, link: MqttLink) -> None:
        link.subscribe((self._filter,))

    def _take(self, link: MqttLink, message: Received) -> None:
        address = parse(message.topic)
        if address is None or address.rest != ("pic", "up") or message.retained:
            return
        try:
            header, part = read_part(message.payload)
            answer = self.shelf.take(address.topics.audience, header, part, self._ledger)
        except (JwsError, EdgeError) as error:
            log.warning("%s: a picture is not taken: %s", address.topics.audience, error)
            return
        link.publish(ack_topic(address.topics), json_bytes(answer))

    def _turned(self) -> None:
        now_ns = self.clock.boot_ns()
        if now_ns < self._follow_ns:
            return
        self._follow_ns = now_ns + FOLLOW_NS
        try:
            if count := self.shelf.follow(self._ledger):
                log.info("%d pictures are deleted: a consent was withdrawn", count)
        except (EdgeError, OSError, ValueError) as error:
            log.error("pictures to be deleted: %s", error)
