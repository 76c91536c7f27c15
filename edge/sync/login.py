"""From the section ``sync`` to the login of one connection. Files are read anew each time: secrets rotate."""

import os
import random
import ssl
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from edge.settings import SyncSettings
from edge.sync.dialer import Dialer
from edge.sync.session import Broker, LinkFailed, Login, Protocol, Trouble, Will

_SECRET_LIMIT = 4096


def make_login(
    sync: SyncSettings, broker: Broker, protocol: Protocol, *, client_id: str, will: Will | None
) -> Login:
    """Read password and certificates and put one login together.

    Raises:
        LinkFailed: A file is missing, unreadable or no certificate; says which option and which file.
    """
    return Login(
        broker=broker,
        client_id=client_id,
        protocol=protocol,
        username=sync.username,
        password=read_password(sync),
        tls=_tls_context(sync) if broker.tls else None,
        will=will,
        keepalive_s=sync.keepalive_s,
        clean=sync.clean_session,
        window=sync.window,
    )


def make_dialer(sync: SyncSettings, chance: random.Random) -> Dialer:
    """The walk along the configured brokers.

    Raises:
        UsageError: A broker's URL cannot be used.
    """
    brokers = [Broker.parse(url) for url in sync.brokers]
    return Dialer(brokers, sync.protocol, sync.reconnect_max_s, chance)


def read_password(
    sync: SyncSettings, environ: Mapping[str, str] = MappingProxyType(os.environ)
) -> str | None:
    """The password, from its file or from systemd's credentials; None when none is configured.

    Raises:
        LinkFailed: It is configured and cannot be read.
    """
    if sync.password_file is not None:
        return _first_line(sync.password_file, "sync.password_file")
    if sync.password_credential is None:
        return None
    folder = environ.get("CREDENTIALS_DIRECTORY")
    if folder is None:
        message = "sync.password_credential is set, but systemd gave none; use LoadCredential= in the unit"
        raise LinkFailed(Trouble.SETTINGS, message)
    return _first_line(Path(folder) / sync.password_credential, "sync.password_credential")


def _first_line(path: Path, option: str) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            password = file.readline(_SECRET_LIMIT).rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not UTF-8 text"
        raise LinkFailed(Trouble.SETTINGS, f"{option} {path}: {reason}") from error
    if not password:
        raise LinkFailed(Trouble.SETTINGS, f"{option} {path}: its first line is empty")
    return password


def _tls_context(sync: SyncSettings) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies the certificate and the host name
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        if sync.ca_file is not None:
            context.load_verify_locations(cafile=sync.ca_file)
        else:
            context.load_default_certs()
    except (ssl.SSLError, OSError) as error:
        reason = _why(error, "no certificate in it")
        raise LinkFailed(Trouble.SETTINGS, f"sync.ca_file {sync.ca_file}: {reason}") from error
    if sync.cert_file is not None and sync.key_file is not None:
        try:
            context.load_cert_chain(sync.cert_file, sync.key_file)
        except (ssl.SSLError, OSError) as error:
            files = f"sync.cert_file {sync.cert_file} and sync.key_file {sync.key_file}"
            reason = _why(error, "not a certificate and its key")
            raise LinkFailed(Trouble.SETTINGS, f"{files}: {reason}") from error
    return context


def _why(error: OSError, otherwise: str) -> str:
    return otherwise if isinstance(error, ssl.SSLError) else error.strerror or otherwise
