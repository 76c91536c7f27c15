"""The same rules as ``acl`` for brokers that run as clusters: NATS and RabbitMQ. Text out, nothing else.

Both write a topic with dots: ``gh/1/park/gate-1/ack`` is ``gh.1.park.gate-1.ack``, ``+`` is ``*``, and ``#``
is ``>`` in NATS. No id of ours has a dot, so nobody can reach another's topics by writing one.
"""

import json
from collections.abc import Iterable, Iterator, Mapping

from edge.platform.acl import Rule, device_rules, platform_rules
from edge.sync.topics import Topics

NATS_HEADER = """\
# Made by: gatehouse platform acl --for nats. 由 gatehouse platform acl 生成
# For: include ./nats-users.conf. The file below has a line  pass-USER: "password or bcrypt"  for each user.
# Users of MQTT need "$MQTT.sub.>", under which NATS delivers QoS 1; no client can subscribe to it.
include ./nats-passwords.conf
"""
_QOS_1_DELIVERY = "$MQTT.sub.>"


def nats_users(
    devices: Iterable[Topics],
    platform_user: str,
    *,
    users: Mapping[str, str] | None = None,
    home_assistant: str = "",
) -> str:
    """Accounts of ``nats-server``: one with JetStream, one user for each box; arguments as ``acl_file``."""
    people = [_nats_user(platform_user, platform_rules())]
    named = users or {}
    for topics in devices:
        rules = device_rules(topics, home_assistant)
        people.append(_nats_user(named.get(topics.audience, topics.device), rules))
    listed = "\n".join(people)
    account = f"  GATEHOUSE {{\n    jetstream: enabled\n    users: [\n{listed}\n    ]\n  }}\n"
    return f"{NATS_HEADER}accounts {{\n{account}}}\n"


def _nats_user(user: str, rules: Iterable[Rule]) -> str:
    publish, subscribe = [], [_QOS_1_DELIVERY]
    for what, topic in rules:
        subjects = list(_subjects(topic))
        publish += subjects if "write" in what else []
        subscribe += subjects if "read" in what else []
    return (
        f'      {{ user: "{user}", password: $pass-{user}, allowed_connection_types: ["MQTT"],\n'
        f"        permissions: {{\n"
        f"          publish: {{ allow: [{_quoted(publish)}] }}\n"
        f"          subscribe: {{ allow: [{_quoted(subscribe)}] }}\n"
        f"        }} }}"
    )


def _subjects(topic: str) -> Iterator[str]:
    """The subject of a topic; for ``x/#`` both, for it means ``x`` too."""
    subject = topic.replace("/", ".").replace("+", "*")
    if subject.endswith(".#"):
        yield subject[:-2]
        yield subject[:-1] + ">"
    else:
        yield subject


def _quoted(words: Iterable[str]) -> str:
    return ", ".join(f'"{word}"' for word in words)


def rabbitmq_definitions(
    devices: Iterable[Topics],
    platform_user: str,
    *,
    users: Mapping[str, str] | None = None,
    home_assistant: str = "",
) -> str:
    """Permissions as definitions: ``rabbitmqctl import_definitions FILE``; arguments as ``acl_file``.

    The users themselves are made by ``rabbitmqctl add_user``: no password stands here. A client of MQTT owns
    queues that are named by its client id, so the platform's clients are told by theirs (``gh-...``) too.
    """
    named = users or {}
    people = [(platform_user, "gh-[a-z0-9-]+", list(platform_rules()))]
    for topics in devices:
        rules = list(device_rules(topics, home_assistant))
        people.append((named.get(topics.audience, topics.device), topics.client_id, rules))
    body = {
        "permissions": [_rabbitmq_queues(user, client) for user, client, _ in people],
        "topic_permissions": [_rabbitmq_topics(user, rules) for user, _, rules in people],
    }
    return json.dumps(body, indent=1, ensure_ascii=False) + "\n"


def _rabbitmq_queues(user: str, client: str) -> dict[str, str]:
    queue = f"mqtt-subscription-{client}qos[01]"
    both = f"^({queue}|amq\\.topic)$"
    return {"user": user, "vhost": "/", "configure": f"^{queue}$", "write": both, "read": both}


def _rabbitmq_topics(user: str, rules: Iterable[Rule]) -> dict[str, str]:
    allowed = list(rules)
    write = [_pattern(topic) for what, topic in allowed if "write" in what]
    read = [_pattern(topic) for what, topic in allowed if "read" in what]
    listed = {"write": _any_of(write), "read": _any_of(read)}
    return {"user": user, "vhost": "/", "exchange": "amq.topic", **listed}


def _pattern(topic: str) -> str:
    """A regular expression for routing keys, and for the filters with which somebody may subscribe."""
    levels = {"+": "[^.]+", "#": ".+"}
    return "\\.".join(levels.get(level, level) for level in topic.split("/"))


def _any_of(patterns: Iterable[str]) -> str:
    return f"^({'|'.join(patterns)})$"
