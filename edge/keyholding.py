"""The files with public keys that a box believes; without one its owner is not believed, and no lane ends."""

from pathlib import Path

from edge.errors import SettingsError
from edge.health import Alarms
from edge.settings import Settings
from edge.store import Journal
from edge.sync.keyring import Keyring
from edge.sync.keys import KeySet, load_public_keys


def load_keys(alarms: Alarms, path: Path | None, alarm: str, subject: str, effect: str) -> KeySet:
    """Public keys of a file; where it cannot be read an alarm stands that says what follows from it."""
    if path is None:
        return KeySet()
    try:
        return load_public_keys(path)
    except SettingsError as error:
        alarms.set(alarm, subject, f"{error}; {effect}")
        return KeySet()


def keyring_of(settings: Settings, journal: Journal, alarms: Alarms) -> Keyring:
    """Whose commands and configurations are obeyed now.

    Raises:
        JournalError: The stored key set cannot be read.
    """
    words = "no command is obeyed"
    first = load_keys(alarms, settings.sync.platform_keys, "platform.keys_unreadable", "uplink", words)
    words = "no key set is taken"
    roots = load_keys(alarms, settings.sync.root_key, "platform.root_unreadable", "uplink", words)
    ring = Keyring(journal, settings.device.tenant, roots, first)
    if refusal := ring.restore():
        alarms.set("platform.keys_refused", "uplink", refusal)
    return ring
