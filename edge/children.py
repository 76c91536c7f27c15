"""Processes of ours that decode what strangers give: two pipes, and nothing of the daemon's secrets."""

import os
import subprocess
import sys
from collections.abc import Sequence

# What a process that decodes untrusted pictures has no use for: the service manager's socket, credentials,
# and proxies (a camera is never behind one, and FFmpeg would ask it).
WITHHELD = frozenset(
    {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "CREDENTIALS_DIRECTORY", "http_proxy", "https_proxy"}
    | {"all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"}
)


def spawn(
    module: str, options: Sequence[str] = (), *, python: Sequence[str] = ()
) -> tuple[subprocess.Popen[bytes], int, int]:
    """Start ``python -m module`` with a pipe in each direction.

    Args:
        module: What to run; it takes ``--up`` and ``--down`` (descriptors) and ``--parent`` (our pid).
        options: Further words for it.
        python: Words for Python itself.

    Returns:
        The process and our ends: what it tells us (up), what we tell it (down). The caller closes both.

    Raises:
        OSError: It could not be started; nothing is left open.
    """
    up, childs_up = os.pipe()
    childs_down, down = os.pipe()
    command = [sys.executable, *python, "-m", module]
    command += ["--up", str(childs_up), "--down", str(childs_down), "--parent", str(os.getpid()), *options]
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=(childs_up, childs_down),
            env={name: value for name, value in os.environ.items() if name not in WITHHELD},
        )
    except OSError:
        os.close(up)
        os.close(down)
        raise
    finally:
        os.close(childs_up)
        os.close(childs_down)
    return process, up, down
