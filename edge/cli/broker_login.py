"""How a command of the platform's side reaches the broker: its options, and what becomes of them."""

import ssl
from pathlib import Path
from typing import Annotated

import typer

from edge.errors import Unavailable, UsageError
from edge.sync.session import Broker, Login

BrokerOption = Annotated[
    str,
    typer.Option(
        "--broker", help="mqtt://host:1883 or mqtts://host:8883; of a cluster all, with commas. 代理地址"
    ),
]
UserOption = Annotated[str | None, typer.Option("--username", help="For the broker.")]
PasswordOption = Annotated[Path | None, typer.Option("--password-file", help="With the password on line 1.")]
CaOption = Annotated[Path | None, typer.Option("--ca-file", help="Who signed the broker's certificate.")]
CertOption = Annotated[
    Path | None,
    typer.Option("--cert-file", help="Own certificate and key in one PEM file, if it asks. 客户端证书与私钥"),
]


def login_of(
    broker: str,
    client_id: str,
    username: str | None,
    password_file: Path | None,
    ca_file: Path | None,
    cert_file: Path | None = None,
) -> Login:
    """How to reach the broker, from the options.

    Raises:
        Unavailable: A file of them cannot be read. UsageError: The address is none, or options contradict.
    """
    target, *others = Broker.parse_all(broker)
    if cert_file is not None and not target.tls:
        raise UsageError(f"--cert-file is of use with mqtts:// only, not with {broker}")
    password = _first_line(password_file) if password_file is not None else None
    tls = _tls(ca_file, cert_file) if target.tls else None
    return Login(
        target, client_id, username=username, password=password, tls=tls, clean=True, others=tuple(others)
    )


def _first_line(path: Path) -> str:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Unavailable(f"--password-file {path}: cannot be read: {error}") from error
    if not lines or not lines[0]:
        raise UsageError(f"--password-file {path}: its first line is empty")
    return lines[0]


def _tls(ca_file: Path | None, cert_file: Path | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise Unavailable(f"--ca-file {ca_file}: no certificates to be read there: {error}") from error
    if cert_file is not None:
        try:
            context.load_cert_chain(cert_file)
        except OSError as error:
            raise Unavailable(
                f"--cert-file {cert_file}: no certificate with its key in it: {error}"
            ) from error
    return context
