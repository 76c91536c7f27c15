"""Which versions of MQTT the tests speak. ``pytest --mqtt 3.1.1`` speaks that one throughout.

Without the option tests of the wire itself run once with each version and all others with what a box takes by
itself, which is 5 on mosquitto. ``tests/conftest.py`` sets this before any test module is imported.
"""

from edge.sync.session import Protocol, ProtocolChoice

BOTH: tuple[str, ...] = ("5", "3.1.1")

versions: tuple[str, ...] = BOTH
"""For tests that are run once with each."""

default: ProtocolChoice = "auto"
"""For tests that are run once."""


def speak_only(version: str) -> None:
    """From now on only this one."""
    global versions, default
    versions = (version,)
    default = "5" if version == "5" else "3.1.1"


def for_link() -> Protocol:
    """For a connection that cannot fall back."""
    return Protocol.V311 if default == "3.1.1" else Protocol.V5
