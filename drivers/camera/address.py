"""What a camera's source names, how it is shown without its password, and whether anybody is there."""

import http.client
import re
import socket
from urllib.parse import SplitResult, urlsplit

DEFAULT_PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}
# Up to the last @: a password may hold any character, and people forget to escape them.
_USER_INFO = re.compile(r"(?<=://)\S*@")
_SECRET_OPTION = re.compile(r"((?<![a-z])(?:pass|password|pwd|token|auth|key)=)[^&#\s]*", re.IGNORECASE)
# Long enough for a camera's Wi-Fi, short enough that a camera that comes back is seen soon.
KNOCK_TIMEOUT_S = 1.5


def shown(source: str) -> str:
    """The source as it may be logged: user, password and secret options are starred out.

    >>> shown("rtsp://admin:secret@10.0.0.7/1?token=abc")
    'rtsp://***@10.0.0.7/1?token=***'
    """
    return _SECRET_OPTION.sub(r"\1***", _USER_INFO.sub("***@", source))


def is_url(source: str) -> bool:
    """Whether the source is a network address."""
    return "://" in source


def why_unreachable(source: str, timeout_s: float = KNOCK_TIMEOUT_S) -> str:
    """Knock at the address's TCP port; say in one clause why nobody can be reached, or nothing.

    Why: FFmpeg only says "no", and may take its whole time-out for it. A connection tells host, port and
    cable apart, and while a camera is away this costs a packet instead of a hung decoder.

    Thread: blocks for at most about ``timeout_s``, and as long as the system's resolver takes for names.
    """
    try:
        parts = urlsplit(source)
        port = parts.port or DEFAULT_PORTS.get(parts.scheme)
    except ValueError as error:
        return f"is no valid address: {error}"
    if port is None or parts.scheme not in DEFAULT_PORTS:
        return ""  # perhaps not TCP: nothing to knock at
    if not parts.hostname:
        return "is no valid address: it names no host"
    try:
        socket.create_connection((parts.hostname, port), timeout_s).close()
    except socket.gaierror:
        return f"the host name {parts.hostname} is not known here: check the address and DNS"
    except ConnectionRefusedError:
        return f"{parts.hostname} refuses port {port}: check the port, and that the camera's stream is on"
    except TimeoutError:
        return f"{parts.hostname} does not answer on port {port}: check power and cable of the camera"
    except (OSError, UnicodeError) as error:
        return f"{parts.hostname} cannot be reached: {getattr(error, 'strerror', None) or error}"
    return ""


def why_no_stream(source: str, timeout_s: float = KNOCK_TIMEOUT_S) -> str:
    """Say in one clause why an address that can be reached gives no pictures, as far as HTTP tells."""
    parts = urlsplit(source)
    status = _http_status(parts, timeout_s) if parts.scheme in ("http", "https") else 0
    if status in (401, 403):
        return f"the camera refuses user or password (HTTP {status})"
    if status >= 400:
        return f"the camera has no such stream (HTTP {status}): check the path"
    return "no pictures came in time: check path, user and password, and that the stream is on"


def _http_status(parts: SplitResult, timeout_s: float) -> int:
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=timeout_s)
    try:
        # Without the user's name: a wrong path shows as 404 on most cameras, a wrong password as 401.
        connection.request("GET", parts._replace(scheme="", netloc="").geturl() or "/")
        return connection.getresponse().status
    except (OSError, http.client.HTTPException, ValueError):
        return 0
    finally:
        connection.close()
