"""Rules for mosquitto: what each box may say and hear, and what the platform may. Text out, nothing else.

Explicit lines for each user and no ``pattern``: ``pattern readwrite gh/1/+/%u/#`` would let a box of one
tenant write under another, and would let it write its own commands. The user name is the device's id (the CN
of its certificate where ``use_identity_as_username`` is set). No line has a wildcard above the box's own
name, so a subscription to ``#`` gives a box what is its own. For clusters see ``acl_clusters``.
"""

from collections.abc import Iterable, Iterator, Mapping

from edge.records import Stream
from edge.sync.topics import ROOT, Topics

HEADER = """\
# Made by: gatehouse platform acl. 由 gatehouse platform acl 生成
# In mosquitto.conf: allow_anonymous false, acl_file THIS, and either password_file or, with client
# certificates whose CN is the user name below, require_certificate true and use_identity_as_username true.
"""

Rule = tuple[str, str]
"""What may be done (``read``, ``write``, ``readwrite``), and with which topics."""


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
    parts = [HEADER, f"user {platform_user}", *_lines(platform_rules())]
    for topics in devices:
        user = named.get(topics.audience, topics.device)
        parts += [f"\n# {topics.audience}", f"user {user}", *_lines(device_rules(topics, home_assistant))]
    return "\n".join(parts) + "\n"


def _lines(rules: Iterable[Rule]) -> Iterator[str]:
    return (f"topic {what} {topic}" for what, topic in rules)


def platform_rules() -> Iterator[Rule]:
    """What the platform may."""
    for up in ("state", "info", "ev/+", "cfg/reported", "cmd/+/res", "sync/+/req", "pic/up", "tm/+"):
        yield "read", f"{ROOT}/+/+/{up}"
    for down in ("ack", "cfg/desired", "cfg/keys", "cmd/+", "sync/+/res", "pic/ack"):
        yield "write", f"{ROOT}/+/+/{down}"
    # Sets of a scope: the manifest is retained, and read back after a restart of the platform.
    yield "readwrite", f"{ROOT}/+/_scope/#"


def device_rules(topics: Topics, home_assistant: str = "") -> Iterator[Rule]:
    """What one box may."""
    base = topics.base
    for up in (topics.state, f"{base}/info", *map(topics.event, Stream), topics.reported):
        yield "write", up
    for up in ("cmd/+/res", "sync/+/req", "pic/up", "tm/+"):
        yield "write", f"{base}/{up}"
    for down in (topics.ack, topics.desired, topics.keys):
        yield "read", down
    for down in ("cmd/+", "sync/+/res", "pic/ack"):
        yield "read", f"{base}/{down}"
    yield "read", f"{ROOT}/{topics.tenant}/_scope/#"
    if home_assistant:
        yield "write", f"{home_assistant}/device/{topics.client_id}/config"
        yield "read", f"{home_assistant}/status"
