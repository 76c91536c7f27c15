"""``python -m edge.platform``: the counterpart as a process of its own, with its status in a JSON file."""

import argparse
import json
import logging
import os
import signal
import ssl
import sys
import threading
from pathlib import Path

from edge.clock import SystemClock
from edge.errors import EdgeError
from edge.platform.counterpart import Counterpart
from edge.platform.signer import PRIVATE_KEY_FILE, make_keys
from edge.sync.session import Broker, Login

log = logging.getLogger("edge.platform")


def main(arguments: list[str] | None = None) -> int:
    """Run until SIGINT or SIGTERM; returns the exit code."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stopping.set())
    try:
        options.state_dir.mkdir(parents=True, exist_ok=True)
        if not (options.state_dir / PRIVATE_KEY_FILE).exists():
            log.info("made a signing key, fingerprint %s", make_keys(options.state_dir))
        counterpart = Counterpart(
            _login(options), options.state_dir, SystemClock(), protocol=options.protocol
        )
    except EdgeError as error:
        sys.stderr.write(f"{error}\n")
        return int(error.exit_code)
    counterpart.start()
    try:
        while not stopping.wait(options.status_s) and counterpart.is_alive():
            if options.status is not None:
                write_status(counterpart, options.status)
    finally:
        counterpart.close()
    return 0 if counterpart.failure is None else 70


def write_status(counterpart: Counterpart, path: Path) -> None:
    """Write what the counterpart has, whole or not at all."""
    status = {
        "online": counterpart.is_online,
        "events": counterpart.counts(),
        "acks": counterpart.acknowledged(),
        "duplicates": counterpart.duplicates,
        "refused": counterpart.refused,
        "devices": {
            name: {"state": device.state, "conn": device.conn, "reported": dict(device.reported)}
            for name, device in counterpart.devices().items()
        },
    }
    fresh = path.with_name(path.name + ".new")
    with fresh.open("w", encoding="utf-8") as file:
        json.dump(status, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _login(options: argparse.Namespace) -> Login:
    broker, *others = Broker.parse_all(options.broker)
    password = options.password_file.read_text(encoding="utf-8").strip() if options.password_file else None
    return Login(
        broker,
        options.client_id,
        username=options.username,
        password=password,
        tls=ssl.create_default_context(cafile=options.ca_file) if broker.tls else None,
        clean=True,
        others=tuple(others),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m edge.platform", description=__doc__)
    parser.add_argument(
        "--broker", required=True, help="mqtt://host:1883 or mqtts://host:8883; of a cluster all, with commas"
    )
    parser.add_argument("--state-dir", required=True, type=Path, help="ledger and keys; made when absent")
    parser.add_argument("--status", type=Path, help="write a status file here, again and again")
    parser.add_argument("--status-s", type=float, default=1.0, help="so many seconds apart")
    parser.add_argument("--username", help="for the broker")
    parser.add_argument("--password-file", type=Path, help="with the password on its first line")
    parser.add_argument("--ca-file", type=Path, help="who signed the broker's certificate")
    parser.add_argument("--protocol", choices=("auto", "5", "3.1.1"), default="auto", help="of MQTT")
    parser.add_argument("--client-id", default="gh-platform", help="one per counterpart on a broker")
    return parser


if __name__ == "__main__":
    sys.exit(main())
