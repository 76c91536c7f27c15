"""This box's own certificate: when it ends, and whether another one lies in its place by now.

Whoever manages the box (an agent, a script, a person) renews it by putting new files where ``sync.cert_file``
and ``sync.key_file`` point; a connection that stands goes on with the old one, which may be withdrawn soon.
So the link looks at the files now and then and, when a pair that fits together has come, connects anew.
"""

import logging
import ssl
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from edge.clock import NS_PER_S, Clock, ClockState
from edge.health import Alarms
from edge.records import JsonObject
from edge.settings import SyncSettings

log = logging.getLogger(__name__)

LOOK_NS = 20 * NS_PER_S
ALARM, SUBJECT = "certificate.expiring", "certificate"
WARN_S = 30 * 86_400.0
_SIZE_LIMIT = 256 * 1024

Mark = tuple[tuple[int, int, int], ...]
"""Inode, size and time of change of each file; another file is another mark."""


class CertificateWatch:
    """Looks at the files of ``sync.cert_file`` and ``sync.key_file``. Thread: the uplink's.

    Alarm: ``certificate.expiring``, see ``is_due``.
    """

    def __init__(self, clock: Clock, alarms: Alarms) -> None:
        self._clock, self._alarms = clock, alarms
        self._files: tuple[Path, Path] | None = None
        self._mark: Mark = ()
        self._span: tuple[float, float] | None = None
        self._look_at_ns = 0

    def is_replaced(self, sync: SyncSettings) -> bool:
        """Whether another pair that fits together lies there than at the last call; called often.

        Other settings than at the last call are no replacement: the link is made anew for them anyway.
        """
        now_ns = self._clock.boot_ns()
        pair = sync.cert_file, sync.key_file
        files = None if pair[0] is None or pair[1] is None else (pair[0], pair[1])
        if files == self._files and now_ns < self._look_at_ns:
            return False
        self._look_at_ns = now_ns + LOOK_NS
        known, is_new = self._mark, False
        if files != self._files:
            self._files, known, self._mark, self._span = files, (), (), None
        mark = _mark_of(files)
        if files is not None and mark and mark != known and _fits(*files):
            self._mark, self._span, is_new = mark, validity_of(files[0]), bool(known)
        self._warn()
        if is_new:
            log.info("%s was replaced; connecting anew with it", sync.cert_file)
        return is_new

    def info(self) -> JsonObject:
        """For the birth certificate: when it ends."""
        if self._span is None:
            return {}
        ends = datetime.fromtimestamp(self._span[1], UTC)
        return {"certificate_ends": ends.strftime("%Y-%m-%dT%H:%M:%SZ")}

    def _warn(self) -> None:
        span, utc_s = self._span, self._clock.utc_ns() / NS_PER_S
        if span is None or self._clock.state() is ClockState.UNSET or not is_due(span, utc_s):
            self._alarms.clear(ALARM, SUBJECT)
            return
        name = self._files[0] if self._files is not None else ""
        detail = f"{name} {end_in_words(span, utc_s)}; put a new one in its place. 设备证书即将到期或已过期"
        self._alarms.set(ALARM, SUBJECT, detail)


def _mark_of(files: tuple[Path, Path] | None) -> Mark:
    """Empty while one of them cannot be looked at; what is wrong with it the next login says."""
    try:
        looks = [path.stat() for path in files or ()]
    except OSError:
        return ()
    return tuple((look.st_ino, look.st_size, look.st_mtime_ns) for look in looks)


def _fits(certificate: Path, key: Path) -> bool:
    """Whether they belong together; while only one of the two has been exchanged they do not."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key)
    except (ssl.SSLError, OSError):
        return False
    return True


def is_due(span: tuple[float, float], utc_s: float) -> bool:
    """Whether it is time to renew it: a third of its life before its end, at most thirty days before."""
    begins_s, ends_s = span
    return utc_s >= ends_s - min(WARN_S, (ends_s - begins_s) / 3)


def end_in_words(span: tuple[float, float], utc_s: float) -> str:
    """When it ends, or ended, for a person."""
    day = datetime.fromtimestamp(span[1], UTC).strftime("%Y-%m-%d %H:%M")
    return f"{'ended' if utc_s >= span[1] else 'ends'} at {day} UTC"


def validity_of(certificate: Path) -> tuple[float, float] | None:
    """From when to when it is valid, Unix seconds; None when it cannot be read."""
    try:
        with certificate.open("rb") as file:
            own = x509.load_pem_x509_certificates(file.read(_SIZE_LIMIT))[0]
    except (OSError, ValueError):
        return None
    return own.not_valid_before_utc.timestamp(), own.not_valid_after_utc.timestamp()
