"""Every parser that takes bytes from outside, with good examples, and which errors it may raise.

Where a signature guards a parser, the fuzzer changes the claims and signs again, so that what lies behind the
signature is reached; the signature itself has targets of its own.
"""

import copy
import hashlib
import json
import random
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from sync_bench import AUDIENCE, make_settings  # noqa: E402

from drivers.display import fk_codec, kf_codec  # noqa: E402
from drivers.errors import BadReply  # noqa: E402
from drivers.push.listener import PushListener  # noqa: E402
from drivers.push.vzenith import parse_push  # noqa: E402
from drivers.reader import bridge  # noqa: E402
from drivers.relay import lcus_codec, modbus_codec  # noqa: E402
from drivers.relay.modbus_framing import RtuFraming, TcpFraming  # noqa: E402
from edge.access.passes import PassRefused, read_pass  # noqa: E402
from edge.access.roster import roster_from_json  # noqa: E402
from edge.clock import NS_PER_S, ClockState, ManualClock  # noqa: E402
from edge.enrolment.requests import enrol_request  # noqa: E402
from edge.errors import EdgeError, SettingsError, UsageError  # noqa: E402
from edge.jws import (  # noqa: E402
    COMMAND_TYPE,
    CONFIG_TYPE,
    QR_TYPE,
    JwsError,
    decode_part,
    encode_part,
    parse_object,
    sign,
    verify,
)
from edge.platform.known_device import KnownDevice, read_json, with_state  # noqa: E402
from edge.platform.ledger import Arrival, Ledger  # noqa: E402
from edge.platform.pictures import PictureShelf  # noqa: E402
from edge.records import Event, Stream  # noqa: E402
from edge.settings_file import load_settings  # noqa: E402
from edge.store.envelope import EnvelopeInvalid, from_wire, to_wire  # noqa: E402
from edge.store.items import ItemInvalid, make_item, read_item  # noqa: E402
from edge.store.media_tables import KeptPicture  # noqa: E402
from edge.sync import set_documents as sets  # noqa: E402
from edge.sync.commands import CommandContext, Rejected, check  # noqa: E402
from edge.sync.config_document import DocumentRefused, read_document, sections_hash, settings_for  # noqa: E402
from edge.sync.keyring import KEYS_TYPE, KeysRefused, read_key_document  # noqa: E402
from edge.sync.picture_upload import PictureUpload, read_part  # noqa: E402
from edge.sync.presence import read_ack  # noqa: E402
from edge.sync.topics import parse  # noqa: E402

KEY = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"fuzz").digest())
KEYS = {"k1": KEY.public_key()}
NOW_S = 1_790_000_000.0
REFUSED = (sets.SetRefused,)
PLACE = sets.SetPlace("park", "site-1", "permits")
PICTURE = b"\xff\xd8 bits\xff\xd9"
PICTURE_HASH = hashlib.sha256(PICTURE).hexdigest()
KEPT_PICTURE = KeptPicture(
    PICTURE_HASH, len(PICTURE), "plate", "in", "north", "deny", "", "e", "0" * 32, 1, 5
)


@dataclass(frozen=True, slots=True)
class Target:
    """One parser.

    Attributes:
        parse: Takes bytes. allowed: What it may raise. examples: What it is made for.
        signed_as: Empty, or the type as which changed claims are signed again.
    """

    name: str
    parse: Callable[[bytes], object]
    examples: Sequence[bytes]
    allowed: tuple[type[Exception], ...] = ()
    signed_as: str = ""


def _event(number: int) -> bytes:
    event = Event(
        id=f"id-{number}",
        stream=Stream.ACCESS,
        type="access.decided",
        subject="in",
        data={"verdict": "grant", "plate": "粤B12345", "number": number},
        chain=("a", "b"),
        epoch="0" * 31 + "1",
        seq=number,
        prev="0" * 32,
        utc_ns=1_790_000_000_000_000_000,
        clock_state="synced",
        boot_id="boot",
        boot_ns=5,
    )
    return to_wire(event, "park", "gate-7")


class Targets:
    """All of them; a few need a folder, a database or a port. Use as a context."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="gatehouse-fuzz-")
        folder = Path(self._folder.name)
        self._ledger = Ledger(folder / "ledger.db")
        self._toml = folder / "gatehouse.toml"
        self._settings = make_settings(folder, brokers=("mqtt://127.0.0.1:1",))
        self._listener = PushListener("127.0.0.1", 0, "/push", ["127.0.0.1"], self._pushed)
        self._rtu, self._tcp = RtuFraming(), TcpFraming()
        self._request = modbus_codec.read_coils(1, 0, 8)
        self._clock = ManualClock()
        self._epoch = 0

    def __enter__(self) -> "dict[str, Target]":
        return {target.name: target for target in self._all()}

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self._ledger.close()
        self._folder.cleanup()

    def _all(self) -> list[Target]:
        command = {
            "jti": "a",
            "aud": AUDIENCE,
            "cmd": "open",
            "args": {"lane": "in"},
            "iat": NOW_S - 1,
            "exp": NOW_S + 5,
            "ctr": 11,
            "sn": "n" * 32,
        }
        sections = {"decision": {"face_margin": 0.05}}
        config = {
            "schema": 1,
            "aud": AUDIENCE,
            "rev": 3,
            "hash": sections_hash(sections),
            "prev": 2,
            "issued": NOW_S,
            "confirm_s": 120,
            "sections": sections,
        }
        item = make_item("wang", 7, {"plates": ["粤B12345"]})
        delta = {**PLACE.claims(), "rev": 9, "items": [json.loads(item.line())]}
        manifest = _claims(
            sets.sign_manifest(
                sets.Manifest(PLACE, 9, 1, (b"\0" * 16,) * 256, issued_s=NOW_S, key_id=""), kid="k1", key=KEY
            ).raw
        )
        given = {
            "v": 1,
            "jti": "visit-01",
            "nbf": int(NOW_S),
            "exp": int(NOW_S) + 60,
            "use": 1,
            "lan": ["in"],
        }
        keys = {
            "schema": 1,
            "tenant": "park",
            "serial": 2,
            "keys": {"p2": encode_part(b"\1" * 32).decode()},
            "issued": NOW_S,
        }
        roster = {
            "rev": 3,
            "persons": [{"id": "wang", "plates": ["粤B12345"], "cards": ["212,07041"]}],
            "deny": [],
        }
        consent = {
            "who": "王",
            "when": 1_789_000_000,
            "text_version": "3",
            "channel": "app",
            "under_14": False,
        }
        enrol = {"person": "wang", "consent": consent, "pictures": ["/9j/4AAQ"]}
        push = {
            "AlarmInfoPlate": {
                "serialno": "1",
                "result": {"PlateResult": {"license": "粤B12345", "type": 1, "plateid": 7}},
            }
        }
        ack = {"stream": "access", "epoch": "e", "upto": 5, "refused": 6, "why": "no"}
        state = {"schema": 1, "state": "ready", "conn": 4, "epoch": "e", "nonce": "n"}
        post = b"POST /push HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s"
        body = _json(push)
        return [
            Target("envelope", self._envelope, [_event(1), _event(2)], (EnvelopeInvalid,)),
            Target("ack", read_ack, [_json(ack)]),
            Target("state", lambda raw: with_state(KnownDevice("a"), read_json(raw) or {}), [_json(state)]),
            Target(
                "topic", lambda raw: parse(raw.decode("utf-8", "replace")), [b"gh/1/park/gate-7/cmd/open"]
            ),
            Target("jws", lambda raw: verify(raw, KEYS, typ=COMMAND_TYPE), [_sign(command)], (JwsError,)),
            Target("command", self._command, [_json(command)], signed_as=COMMAND_TYPE),
            Target("config", self._config, [_json(config)], (DocumentRefused,), CONFIG_TYPE),
            Target("config-raw", self._config, [_sign(config, CONFIG_TYPE)], (DocumentRefused,)),
            Target("settings", self._load, self._tomls(), (SettingsError,)),
            Target("keys", self._keys, [_json(keys)], (KeysRefused,), KEYS_TYPE),
            Target("set-manifest", self._manifest, [_json(manifest)], REFUSED, sets.SET_MANIFEST_TYPE),
            Target("set-delta", self._delta, [_json(delta)], REFUSED, sets.SET_DELTA_TYPE),
            Target("set-answer", self._answer, [sets.answer({"ref": "1"}, item.line() + b"\n")], REFUSED),
            Target("set-item", read_item, [item.line()], (ItemInvalid,)),
            Target("roster", roster_from_json, [_json(roster)], (UsageError,)),
            Target("enrol", self._enrol, [_json(enrol)], (EdgeError,)),
            Target("pass", lambda raw: read_pass(_sign_text(raw), KEYS), [_json(given)], (PassRefused,)),
            Target(
                "qr",
                lambda raw: read_pass(raw.decode("utf-8", "replace"), KEYS),
                [_sign(given, QR_TYPE)],
                (PassRefused,),
            ),
            Target("push", lambda raw: parse_push("camera", raw), [body], (BadReply,)),
            Target("push-http", self._http, [post % (len(body), body), post % (5, b"\xb2")]),
            Target(
                "lcus",
                self._lcus,
                [b"CH1: ON \r\nCH2: OFF\r\n", lcus_codec.encode_switch(1, on=True), b"\0\1"],
            ),
            Target(
                "modbus-rtu", lambda raw: self._modbus(self._rtu, raw), [modbus_codec.append_crc(b"\1\1\1\5")]
            ),
            Target("modbus-tcp", lambda raw: self._modbus(self._tcp, raw), [b"\0\1\0\0\0\4\1\1\1\5"]),
            Target("bridge", self._bridge, [b"$C,7,1,26,EA0DC080,12*934D\r\n", bridge.encode("H", 1, 2, 9)]),
            Target("display-fk", self._fk, [fk_codec.encode(0x62, b"abc"), fk_codec.encode_voice("欢迎")]),
            Target("display-kf", kf_codec.decode, [kf_codec.encode(1, 0, 2, b"abc")]),
            Target("picture-part", self._picture_part, self._picture_parts(), (JwsError,)),
            Target("picture-ack", self._picture_ack, self._picture_acks()),
        ]

    def _picture_parts(self) -> list[bytes]:
        """An offer and a part of a picture whose event the platform has."""
        event = replace(from_wire(_event(1)).event, data={"picture": {"sha256": PICTURE_HASH, "bytes": 9}})
        arrival = Arrival(AUDIENCE, Stream.ACCESS, to_wire(event, "park", "gate-7"))
        self._ledger.take([arrival], now_ns=0, utc_ns=0)
        header = KEPT_PICTURE.to_json() | {"epoch": event.epoch, "seq": event.seq}
        return [_json({**header, "offset": offset}) + b"\n" + PICTURE for offset in (None, 0)]

    def _picture_part(self, raw: bytes) -> object:
        header, part = read_part(raw)
        shelf = PictureShelf(Path(self._folder.name))
        answer = shelf.take(AUDIENCE, header, part, self._ledger)
        shelf.delete(AUDIENCE, PICTURE_HASH)
        return answer

    def _picture_acks(self) -> list[bytes]:
        told = ({"have": 3}, {"have": 0, "damaged": True}, {"done": True}, {"refused": "no", "later": True})
        return [_json({"sha256": PICTURE_HASH, **word}) for word in told]

    def _picture_ack(self, raw: bytes) -> object:
        upload = PictureUpload()
        upload.begin(KEPT_PICTURE, PICTURE)
        upload.message(0)
        return upload.heard(raw), upload.message(1)

    def _envelope(self, raw: bytes) -> None:
        self._epoch += 1
        raw = raw.replace(b"0" * 31 + b"1", b"%032x" % self._epoch)
        self._ledger.take([Arrival(AUDIENCE, Stream.ACCESS, raw)], now_ns=0, utc_ns=0)
        envelope = from_wire(raw)
        device = f"{envelope.tenant}/{envelope.device}"
        # As if all before it had been acknowledged once, so that it is the next and is stored.
        self._ledger.begin_at(device, envelope.event.epoch, envelope.event.stream, envelope.event.seq)
        self._ledger.take([Arrival(device, envelope.event.stream, raw)], now_ns=0, utc_ns=0)

    def _command(self, raw: bytes) -> None:
        context = CommandContext(
            audience=AUDIENCE,
            keys=KEYS,
            nonce="n" * 32,
            now_utc_s=NOW_S,
            clock_state=ClockState.SYNCED,
            now_ns=NS_PER_S,
            challenge="",
            last_counter=lambda _kid: 10,
            is_known=lambda _jti: False,
            names=("open",),
            forbids=lambda _command: "",
            is_killed=lambda _command: False,
        )
        verdict = check(raw, name="open", retained=False, context=context)
        for state in (ClockState.UNSET, ClockState.HOLDOVER):
            check(raw, name="open", retained=False, context=replace(context, clock_state=state))
        if not isinstance(verdict, Rejected):
            json.dumps(dict(verdict.args))

    def _config(self, raw: bytes) -> None:
        settings_for(self._settings, read_document(raw, KEYS, AUDIENCE))

    def _tomls(self) -> list[bytes]:
        return [path.read_bytes() for path in sorted((ROOT / "config").glob("*.toml"))[:4]]

    def _load(self, raw: bytes) -> None:
        self._toml.write_bytes(raw)
        load_settings(self._toml)

    def _keys(self, raw: bytes) -> None:
        read_key_document(raw, KEYS, "park")

    def _manifest(self, raw: bytes) -> None:
        sets.read_manifest(raw, KEYS, PLACE)

    def _delta(self, raw: bytes) -> None:
        sets.read_delta(raw, KEYS, PLACE)

    def _answer(self, raw: bytes) -> None:
        header, content = sets.read_answer(raw)
        with suppress(sets.SetRefused):
            sets.whole_number(header, "part")
        sets.read_lines(content)

    def _enrol(self, raw: bytes) -> None:
        with suppress(JwsError):
            args = parse_object(raw)
            enrol_request(args, None, int(NOW_S))

    def _pushed(self, body: bytes) -> bytes:
        parse_push("camera", body)
        return b"{}"

    def _http(self, raw: bytes) -> None:
        """Whatever an allowed sender writes, the listener's thread lives on."""

        def say() -> None:
            with suppress(OSError), socket.create_connection(self._listener.address, 5) as client:
                client.sendall(raw)
                client.shutdown(socket.SHUT_WR)
                while client.recv(4096):
                    pass

        sender = threading.Thread(target=say)
        sender.start()
        try:
            self._listener.turn(5.0)
        finally:
            sender.join()

    def _lcus(self, raw: bytes) -> None:
        lcus_codec.decode_text_status(raw)
        lcus_codec.decode_binary_status(raw)
        _, rest = lcus_codec.decode_switches(raw)
        assert len(rest) < 4

    def _modbus(self, framing: RtuFraming | TcpFraming, raw: bytes) -> None:
        framing.wrap(self._request)
        reply = framing.find(raw, self._request)
        if reply is not None and reply.refusal is None:
            reply.bits(8)
        framing.find_other_unit(raw, self._request)
        framing.is_late(raw)

    def _bridge(self, raw: bytes) -> None:
        line = bridge.BridgeLine("bridge", _NoLink(), {1: "gate"})  # type: ignore[arg-type]
        line._is_open = True
        messages, rest = bridge.decode(raw)
        assert len(rest) < bridge.LONGEST_LINE
        for message in messages:
            line._take(message)

    def _fk(self, raw: bytes) -> None:
        frames, _ = fk_codec.decode(raw)
        for frame in frames:
            fk_codec.decode_text(frame.data)


class _NoLink:
    name = "none"

    def write(self, _data: bytes) -> None:
        """Takes what the bridge is told."""


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def _sign(claims: dict[str, Any], typ: str = COMMAND_TYPE) -> bytes:
    return sign(claims, kid="k1", key=KEY, typ=typ)


def _sign_text(raw: bytes) -> str:
    return resigned(raw, QR_TYPE).decode("utf-8", "replace")


def _claims(raw: bytes) -> dict[str, Any]:
    return parse_object(decode_part(raw.split(b".")[1]))


def resigned(claims: bytes, typ: str) -> bytes:
    """Whatever the claims are by now, signed by a key that counts."""
    header = {"alg": "EdDSA", "kid": "k1", "typ": typ}
    payload = encode_part(_json(header)) + b"." + encode_part(claims)
    return payload + b"." + encode_part(KEY.sign(payload))


ODD: Sequence[Any] = (
    None, True, False, 0, -1, 1, 2**31, 2**53, 2**63, 2**64, 10**40, 0.5, -0.0, 1e308, "", "a", "\0", "门",
    "\ud800", "x" * 5000, [], {}, [[]], [None], {"": None}, "2026-02-30T25:61:61Z", "9" * 400, "../../x",
)  # fmt: skip


def mutated(example: bytes, chance: random.Random) -> bytes:
    """A neighbour of a good example: in its JSON where it is JSON, else in its bytes."""
    if chance.random() < 0.5:
        with suppress(ValueError, RecursionError):
            value = copy.deepcopy(json.loads(example))
            for _ in range(chance.choice((1, 1, 1, 2, 3))):
                value = _odd(value, chance)
            return json.dumps(value).encode()
    raw = bytearray(example)
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        place = chance.randrange(len(raw) + 1)
        match chance.randrange(6):
            case 0 if place < len(raw):
                raw[place] ^= 1 << chance.randrange(8)
            case 1:
                raw[place:place] = chance.randbytes(chance.choice((1, 2, 8, 200)))
            case 2:
                del raw[place : place + chance.choice((1, 1, 2, 10, 1000))]
            case 3:
                raw[place:place] = raw[: chance.randrange(len(raw) + 1)]
            case 4:
                raw[place : place + 1] = chance.choice(
                    (b"\0", b"\xff", b'"', b"{", b"[", b",", b"-", b"9", b"\xb2", b"\n")
                )
            case _:
                raw[place:place] = chance.choice((b"[", b'{"a":', b"9")) * chance.choice((10, 3000))
    return bytes(raw)


def _odd(value: Any, chance: random.Random) -> Any:
    """Replace, drop or add something somewhere in a JSON value."""
    if isinstance(value, dict) and value and chance.random() < 0.85:
        name = chance.choice(list(value))
        dice = chance.random()
        if dice < 0.1:
            del value[name]
        elif dice < 0.2:
            value[str(chance.choice(ODD))] = copy.deepcopy(chance.choice(ODD))
        else:
            value[name] = _odd(value[name], chance)
        return value
    if isinstance(value, list) and value and chance.random() < 0.8:
        place = chance.randrange(len(value))
        value[place] = _odd(value[place], chance)
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and chance.random() < 0.3:
        return value + chance.choice((-1, 1, 1000, 10**9))
    return copy.deepcopy(chance.choice(ODD))
