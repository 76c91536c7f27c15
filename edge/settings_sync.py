"""The link to the platform, and what the platform may ask of this box besides."""

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from edge.settings_boards import Name, Section

ONLY_IN_FILE = ("enabled", "platform_keys", "root_key")
"""Options of ``sync`` that no document may change: who is believed, and whether anybody is."""


class SyncSettings(Section):
    """The link to the platform."""

    enabled: bool = Field(default=True, description="False: this box works alone for ever.")
    brokers: tuple[str, ...] = Field(
        default=(), description='"mqtt://host:1883" or "mqtts://host:8883", tried in order.'
    )
    protocol: Literal["auto", "5", "3.1.1"] = Field(
        default="auto", description="auto: 5, then 3.1.1 if refused."
    )
    username: str | None = Field(default=None, description="For the broker.")
    password_file: Path | None = Field(default=None, description="File with the password on its first line.")
    password_credential: str | None = Field(default=None, description="Or the name of a systemd credential.")
    ca_file: Path | None = Field(default=None, description="Who may have signed the broker's certificate.")
    cert_file: Path | None = Field(default=None, description="This box's certificate (CN = device id).")
    key_file: Path | None = Field(default=None, description="And its key.")
    clean_session: bool = Field(
        default=False,
        description="Begin anew at each connection; for clusters that keep a session on one node.",
    )
    keepalive_s: int = Field(default=30, ge=5, le=1200, description="MQTT keep-alive.")
    telemetry_s: float = Field(
        default=60.0, ge=0, le=3600, description="Numbers for curves (tm/...) this often; 0: never."
    )
    reconnect_max_s: float = Field(
        default=120.0, ge=1, le=3600, description="Longest pause between two tries."
    )
    platform_keys: Path | None = Field(
        default=None, description="Public keys whose commands and configurations are obeyed (JSON)."
    )
    root_key: Path | None = Field(
        default=None, description="Public root keys (JSON): whoever holds their other half may replace those."
    )
    home_assistant: bool = Field(
        default=False, description="Tell a Home Assistant on the same broker what can be read here."
    )
    home_assistant_prefix: Name = Field(default="homeassistant", description="Where it listens for that.")
    window: int = Field(default=20, ge=1, le=200, description="Unacknowledged messages on the wire, at most.")
    drain_rate: float = Field(
        default=0.0,
        ge=0,
        le=10_000,
        description="Events per second of a backlog; what is new goes first. 0: all.",
    )

    @model_validator(mode="after")
    def _is_complete(self) -> "SyncSettings":
        if self.enabled and not self.brokers:
            raise ValueError("brokers is empty; name one, or set enabled = false")
        if self.password_file and self.password_credential:
            raise ValueError("give password_file or password_credential, not both")
        if bool(self.cert_file) != bool(self.key_file):
            raise ValueError("cert_file and key_file belong together")
        for url in self.brokers:
            if not _is_broker(url):
                raise ValueError(f'broker "{url}": write mqtt://host:1883 or mqtts://host:8883')
        return self


def _is_broker(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    named = parts.scheme in ("mqtt", "mqtts") and bool(parts.hostname) and port != 0
    return named and not (parts.path.strip("/") or parts.query or parts.username or parts.password)


class RemoteSettings(Section):
    """What signed commands may do besides moving lanes. Only in the file, so the platform cannot widen it."""

    snapshots: tuple[Name, ...] = Field(
        default=(), description="Cameras of which the platform may have a picture now; none by default."
    )
    logs: bool = Field(default=True, description="May read the last log lines, secrets starred out.")
    restart: bool = Field(default=True, description="May restart the daemon; systemd starts it again.")
