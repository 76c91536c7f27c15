"""Faces by signed command, as a platform sends them: enrol from pictures, and withdraw."""

import base64
from collections.abc import Sequence

from edge.platform.counterpart import Counterpart
from edge.platform.requests import CommandResult
from edge.records import JsonObject

LIFE_S = 60.0
"""Of a command that carries pictures over a slow link."""


def enrol(
    platform: Counterpart,
    device: str,
    person_id: str,
    consent: JsonObject,
    pictures: Sequence[bytes],
    *,
    timeout_s: float = 120.0,
    **more: object,
) -> CommandResult:
    """Enrol a person on a device from JPEG files; ``data`` of the result has the verdict on each picture.

    Args:
        platform: Which is connected, or will be.
        device: "tenant/device".
        person_id: Put on its roster if they are not there.
        consent: As ``edge.access.consent_from_json`` reads it.
        pictures: 1 to 10, together at most about 280 kB.
        timeout_s: The pictures are looked at one after the other, on a small board.
        more: ``name``, ``room``, ``lanes``, ``zones``, ``despite_likeness``, ``operator``.

    Raises:
        Unavailable: Nobody answered in time. The person may be enrolled all the same.
    """
    args: dict[str, object] = {
        "person": person_id,
        "consent": dict(consent),
        "pictures": [base64.b64encode(content).decode() for content in pictures],
        **more,
    }
    return platform.send_command(device, "enrol", args, timeout_s=timeout_s, life_s=LIFE_S)


def withdraw(
    platform: Counterpart, device: str, person_id: str, *, timeout_s: float = 120.0
) -> CommandResult:
    """Take a person's consent back on a device; ``data`` of the result is the receipt.

    Raises:
        Unavailable: Nobody answered in time.
    """
    return platform.send_command(
        device, "withdraw", {"person": person_id}, timeout_s=timeout_s, life_s=LIFE_S
    )
