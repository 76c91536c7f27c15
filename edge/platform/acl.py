"""Rules for mosquitto: what each box may say and hear, and what the platform may. Text out, nothing else.

Explicit lines for each user and no ``pattern``: ``pattern readwrite gh/1/+/%u/#`` would let a box of one
tenant write under another, and would let it write its own commands. The user name is the device's id (the CN
of its certificate where ``use_identity_as_username`` is set). No line has a wildcard above the box's own
name, so a subscription to ``#`` gives a box what is its own.
"""

from collections.abc import Iterable, Iterator, Mapping

from edge.records import Stream
from edge.sync.topics import ROOT, Topics

HEADER = """\
# Made by: gatehouse platform acl. 由 gatehouse platform acl 生成
# In mosquitto.conf: allow_anonymous false, acl_file THIS, and either password_file or, with client
# certificates whose CN is the user name below, require_certificate true and use_identity_as_username true.
"""


def acl_file(
    devices: Iterable[Topics],
    platform_user: str,
    *,
    users: Mapping[str, str] | None = None,
    home_assistant: str = "",
) -> str:
    """The whole file.

    Args:
        devices: Every box.
        platform_user: The one user that may command, and hear all.
        users: User name by "tenant/device" where it is not the device's id.
        home_assistant: Prefix under which boxes announce themselves to one; empty: they may not.
    """
    named = users or {}
    parts = [HEADER, *_platform(platform_user)]
    for topics in devices:
        user = named.get(topics.audience, topics.device)
        parts += [f"\n# {topics.audience}", f"user {user}", *_device(topics)]
        if home_assistant:
            parts.append(f"topic write {home_assistant}/device/{topics.client_id}/config")
            parts.append(f"topic read {home_assistant}/status")
    return "\n".join(parts) + "\n"


def _platform(user: str) -> Iterator[str]:
    yield f"user {user}"
    for up in ("state", "info", "ev/+", "cfg/reported", "cmd/+/res", "sync/+/req", "tm/+"):
        yield f"topic read {ROOT}/+/+/{up}"
    for down in ("ack", "cfg/desired", "cfg/keys", "cmd/+", "sync/+/res"):
        yield f"topic write {ROOT}/+/+/{down}"
    # Sets of a scope: the manifest is retained, and read back after a restart of the platform.
    yield f"topic readwrite {ROOT}/+/_scope/#"


def _device(topics: Topics) -> Iterator[str]:
    base = topics.base
    yield f"topic write {topics.state}"
    yield f"topic write {topics.base}/info"
    for stream in Stream:
        yield f"topic write {topics.event(stream)}"
    yield f"topic write {topics.reported}"
    yield f"topic write {base}/cmd/+/res"
    yield f"topic write {base}/sync/+/req"
    yield f"topic write {base}/tm/+"
    yield f"topic read {topics.ack}"
    yield f"topic read {topics.desired}"
    yield f"topic read {topics.keys}"
    yield f"topic read {base}/cmd/+"
    yield f"topic read {base}/sync/+/res"
    yield f"topic read {ROOT}/{topics.tenant}/_scope/#"
