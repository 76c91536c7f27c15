"""Messages that must not move anything, by the hundred thousand, against the real command desk (CMD-1).

    python tests/faults/hostile.py --count 100000 [--wire 2000] [--seed N] [--json FILE]

The desk, the journal and the keys are the real ones; only the clock is ours. Now and then comes a good
command, so that a desk which refuses everything fails too. ``--wire`` sends a share through a real broker to
a real uplink. Seeds are printed; every message follows from its seed and its number.
"""

import argparse
import base64
import hashlib
import hmac
import json
import logging
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from sync_bench import AUDIENCE, TOPICS, Bench, Stranger, until  # noqa: E402

from edge.clock import ClockState, ManualClock, SystemClock  # noqa: E402
from edge.jws import (  # noqa: E402
    COMMAND_TYPE,
    CONFIG_TYPE,
    QR_TYPE,
    canonical,
    encode_part,
    sign,
    unverified_claims,
)
from edge.platform.signer import PRIVATE_KEY_FILE  # noqa: E402
from edge.store.journal import Journal  # noqa: E402
from edge.sync import CommandOutcome, Result  # noqa: E402
from edge.sync.command_desk import CommandDesk  # noqa: E402
from edge.sync.commands import SIZE_LIMIT, Command  # noqa: E402
from edge.sync.keys import KeySet, load_private_key, raw_public  # noqa: E402

KID = "platform-1"
GOOD_EVERY = 200
RECORDED = 500


@dataclass(frozen=True, slots=True)
class Message:
    """One message on ``cmd/<name>``; ``good``: the one kind that must be obeyed."""

    kind: str
    raw: bytes
    name: str = "open"
    retained: bool = False
    good: bool = False


@dataclass
class Mill:
    """Makes messages. Pure but for its own dice and counters.

    Args:
        chance: The dice. now_s: Asks what time it is. nonce: Asks for the live nonce.
    """

    chance: random.Random
    now_s: Callable[[], float]
    nonce: Callable[[], str]
    key: Ed25519PrivateKey
    counter: int = 0
    recorded: list[bytes] = field(default_factory=list)
    nonces: list[str] = field(default_factory=list)
    made: int = 0

    def __post_init__(self) -> None:
        self._strangers = [Ed25519PrivateKey.from_private_bytes(self.chance.randbytes(32)) for _ in range(3)]
        self._ec = ec.derive_private_key(self.chance.randrange(1, 1 << 200), ec.SECP256R1())
        self._rsa = rsa.generate_private_key(65537, 2048)
        self._kinds = [getattr(self, name) for name in sorted(dir(type(self))) if name.startswith("bad_")]

    def leave_out(self, *names: str) -> None:
        """Do not make these."""
        self._kinds = [kind for kind in self._kinds if kind.__name__ not in names]

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Those of a good command that was never sent, with changes; ``...`` takes one out."""
        self.made += 1
        now_s = self.now_s()
        claims = {
            "jti": f"m{self.made:08d}",
            "aud": AUDIENCE,
            "cmd": "open",
            "args": {"lane": "in"},
            "iat": round(now_s - 0.2, 3),
            "exp": round(now_s + 8, 3),
            "ctr": self.counter + 1,
            "sn": self.nonce(),
        }
        return {name: value for name, value in (claims | changes).items() if value is not ...}

    def signed(self, *, kid: str = KID, typ: str = COMMAND_TYPE, **changes: Any) -> bytes:
        return sign(self.claims(**changes), kid=kid, key=self.key, typ=typ)

    def good(self) -> Message:
        """A fresh command in order; recorded, to be replayed for ever."""
        raw = self.signed()
        self.counter += 1
        self.recorded = [*self.recorded[-RECORDED:], raw]
        return Message("good", raw, good=True)

    def bad(self) -> Message:
        return self.chance.choice(self._kinds)()

    def bad_retained(self) -> Message:
        return Message("retained", self.signed(), retained=True)

    def bad_replay(self) -> Message:
        raw = self.chance.choice(self.recorded) if self.recorded else b""
        return Message("replay", raw, retained=self.chance.random() < 0.2)

    def bad_late(self) -> Message:
        late_s = self.chance.choice((0.001, 0.5, 3.0, 60.0, 86_400.0))
        now_s = self.now_s()
        return Message("late", self.signed(iat=round(now_s - 8 - late_s, 3), exp=round(now_s - late_s, 3)))

    def bad_early(self) -> Message:
        ahead_s = self.chance.choice((2.5, 30.0, 3600.0, 3.2e8))
        now_s = self.now_s()
        return Message("early", self.signed(iat=round(now_s + ahead_s, 3), exp=round(now_s + ahead_s + 5, 3)))

    def bad_long_life(self) -> Message:
        now_s = self.now_s()
        life_s = self.chance.choice((10.5, 60.0, 1e6, 0.0, -5.0))
        return Message("life", self.signed(iat=round(now_s, 3), exp=round(now_s + life_s, 3)))

    def bad_device(self) -> Message:
        others = (
            "park/gate-8",
            "park",
            "gate-7",
            "PARK/GATE-7",
            "park/gate-7/",
            "park/gate-7 ",
            "*",
            "+/+",
            "",
        )
        return Message("wrong device", self.signed(aud=self.chance.choice(others)))

    def bad_topic(self) -> Message:
        name = self.chance.choice(("close", "hold", "release", "ping", "OPEN", "open2"))
        if self.chance.random() < 0.5:
            return Message("wrong topic", self.signed(), name=name)
        return Message("wrong topic", self.signed(cmd=name))

    def bad_key(self) -> Message:
        key = self.chance.choice(self._strangers)
        kid = self.chance.choice((KID, "platform-2", "", "../platform_key.json", KID + "\0"))
        return Message("wrong key", sign(self.claims(), kid=kid, key=key, typ=COMMAND_TYPE))

    def bad_bits(self) -> Message:
        whole = self.signed()
        raw = bytearray(whole)
        flips = self.chance.choice((1, 1, 1, 2, 8))
        while flips > 0 or raw == whole:
            raw[self.chance.randrange(len(raw))] ^= 1 << self.chance.randrange(8)
            flips -= 1
        return Message("bit flips", bytes(raw))

    def bad_length(self) -> Message:
        raw = self.signed()
        cut = self.chance.randrange(1, len(raw))
        longer = raw + self.chance.choice((b"A", b".", b"=", b"\0", b"\n", b" ", raw))
        return Message("truncated", self.chance.choice((raw[:cut], raw[cut:], longer, b" " + raw)))

    def bad_huge(self) -> Message:
        size = self.chance.choice((SIZE_LIMIT, 3 * SIZE_LIMIT))
        return Message("huge", self.signed(args={"lane": "in", "more": "x" * size}))

    def bad_nonce(self) -> Message:
        old = self.chance.choice(self.nonces) if self.nonces else "0" * 32
        return Message(
            "old nonce", self.signed(sn=self.chance.choice((old, "", "0" * 32, self.nonce().upper() + "x")))
        )

    def bad_counter(self) -> Message:
        below = self.chance.randrange(-5, self.counter + 1)
        counter = self.chance.choice((below, self.counter, 0, -1, True, 1 << 62, 1 << 70, 1e300, "7", None))
        return Message("counter", self.signed(ctr=counter))

    def bad_claims(self) -> Message:
        name = self.chance.choice(("jti", "aud", "cmd", "args", "iat", "exp", "ctr", "sn"))
        value = self.chance.choice((..., None, True, [], {}, "", -1, 1e308, "门", [[[]]]))
        if name == "args" and value == {}:
            value = None
        return Message("claims", self.signed(**{name: value}))

    def bad_surplus(self) -> Message:
        return Message(
            "claims", self.signed(**{self.chance.choice(("admin", "kid", "alg", "exp2", "nbf")): 1})
        )

    def bad_lane(self) -> Message:
        lane = self.chance.choice(("moon", "", None, 0, ["in"], "in ", "IN"))
        return Message("not here", self.signed(args={"lane": lane}))

    def bad_type(self) -> Message:
        return Message(
            "downgraded", self.signed(typ=self.chance.choice((CONFIG_TYPE, QR_TYPE, "JWT", "", "GH-COMMAND")))
        )

    def bad_algorithm(self) -> Message:
        """Valid signatures of other algorithms, the public key as a secret, and none at all."""
        alg = self.chance.choice(("none", "None", "HS256", "ES256", "RS256", "PS256", "EdDSA"))
        header: dict[str, Any] = {"alg": alg, "kid": KID, "typ": COMMAND_TYPE}
        if alg == "EdDSA":  # with what a general library would obey
            jwk = {"kty": "OKP", "crv": "Ed25519", "x": _text(raw_public(self._strangers[0].public_key()))}
            header |= self.chance.choice(
                ({"jwk": jwk}, {"crit": ["b64"], "b64": False}, {"zip": "DEF"}, {"x5u": "a"})
            )
        payload = b".".join((_part(header), _part(self.claims())))
        return Message("other algorithm", payload + b"." + encode_part(self._signature(alg, payload)))

    def _signature(self, alg: str, payload: bytes) -> bytes:
        public = raw_public(self.key.public_key())
        if alg == "HS256":
            return hmac.new(public, payload, hashlib.sha256).digest()
        if alg == "ES256":
            r, s = decode_dss_signature(self._ec.sign(payload, ec.ECDSA(hashes.SHA256())))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        if alg == "RS256":
            return self._rsa.sign(payload, padding.PKCS1v15(), hashes.SHA256())
        if alg == "PS256":
            pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
            return self._rsa.sign(payload, pss, hashes.SHA256())
        if alg == "EdDSA":
            return self._strangers[0].sign(payload)
        return b""

    def bad_json(self) -> Message:
        """Signed by the right key, and not our strict JSON: a member twice, NaN, no object, another form."""
        body = canonical(self.claims())
        twice = body[:-1] + b',"aud":"park/gate-7"}'
        bodies = (
            twice,
            body.replace(b'"ctr":', b'"ctr":NaN,"x":'),
            b"[]",
            b"null",
            body + b"\0",
            b"\xff",
            b"",
        )
        return Message("not strict", self._over(self.chance.choice(bodies)))

    def _over(self, body: bytes) -> bytes:
        header = {"alg": "EdDSA", "kid": KID, "typ": COMMAND_TYPE}
        payload = _part(header) + b"." + encode_part(body)
        return payload + b"." + encode_part(self.key.sign(payload))

    def bad_spelling(self) -> Message:
        """The same bytes in another spelling: a second message for whoever compares texts."""
        head, body, signature = self.signed().split(b".")
        padded = signature + b"=="
        standard = base64.b64encode(base64.urlsafe_b64decode(padded)).rstrip(b"=")
        loose = signature[:-1] + (b"B" if signature[-1:] == b"A" else b"A")  # unused bits of the last letter
        other = self.chance.choice((padded, loose, signature[:5] + b"\n" + signature[5:], standard + b"+"))
        return Message("other spelling", b".".join((head, body, other)))

    def bad_rubbish(self) -> Message:
        raw = self.chance.randbytes(self.chance.choice((0, 1, 7, 60, 900)))
        form = self.chance.choice(
            (raw, b"..", b"." + raw + b".", b'{"cmd":"open","lane":"in"}', b"open", b"ON")
        )
        return Message("rubbish", form)


def _part(value: Any) -> bytes:
    return encode_part(canonical(value))


def _text(data: bytes) -> str:
    return encode_part(data).decode()


class Opener:
    """The relay: counts."""

    def __init__(self) -> None:
        self.pulses: list[str] = []

    def __call__(self, command: Command) -> CommandOutcome:
        self.pulses.append(command.jti)
        return CommandOutcome(Result.DONE)


def storm(folder: Path, *, count: int, seed: int) -> dict[str, Any]:
    """Hand over so many hostile messages; the box reconnects, restarts and loses its clock meanwhile."""
    chance, clock, opener = random.Random(seed), ManualClock(), Opener()
    key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"%d" % seed).digest())
    nonce = [f"{chance.getrandbits(128):032x}"]
    mill = Mill(chance, lambda: clock.now_utc_ns / 1e9, lambda: nonce[0], key)
    journal, desk = _desk(folder, clock, key, opener)
    kinds: Counter[str] = Counter()
    codes: Counter[str] = Counter()
    wrong: list[str] = []
    good = restarts = 0
    hostile = 0
    try:
        while hostile < count:
            clock.advance(chance.choice((0.0, 0.001, 0.02, 0.3)))
            dice = chance.random()
            if dice < 0.004:  # a new connection: a new nonce
                mill.nonces = [*mill.nonces[-50:], nonce[0]]
                nonce[0] = f"{chance.getrandbits(128):032x}"
            elif dice < 0.0042:
                journal.close()
                journal, desk = _desk(folder, clock, key, opener)
                restarts += 1
            elif dice < 0.005:
                clock.now_state = chance.choice((ClockState.SYNCED, ClockState.SYNCED, ClockState.UNSET))
            is_good = chance.random() < 1 / GOOD_EVERY and clock.now_state is ClockState.SYNCED
            message = mill.good() if is_good else mill.bad()
            before = len(opener.pulses)
            # Without a set clock a fresh command is refused too: it would have to quote a challenge.
            replies = desk.take(message.name, message.raw, retained=message.retained, nonce=nonce[0])
            if (len(opener.pulses) - before) != message.good:
                wrong.append(f"{message.kind}: {len(opener.pulses) - before} pulses, message {mill.made}")
            good += message.good
            hostile += not message.good
            kinds[message.kind] += not message.good
            codes.update(str(reply.body.get("code", reply.body["result"])) for reply in replies)
    finally:
        journal.close()
    del kinds["good"]
    return {
        "seed": seed,
        "hostile": hostile,
        "good": good,
        "pulses_by_hostile": len(opener.pulses) - good,
        "wrong": wrong[:50],
        "restarts": restarts,
        "kinds": dict(sorted(kinds.items())),
        "answers": dict(sorted(codes.items())),
    }


def _desk(
    folder: Path, clock: ManualClock, key: Ed25519PrivateKey, opener: Opener
) -> tuple[Journal, CommandDesk]:
    journal = Journal(folder / "events.db", clock, tenant="park", device="gate-7", keep_acknowledged_days=30)
    journal.start()
    forbids = lambda command: "" if command.args.get("lane") == "in" else "no such lane"  # noqa: E731
    keys = KeySet({KID: key.public_key()})
    return journal, CommandDesk(journal, clock, keys, AUDIENCE, {"open": opener}, forbids=forbids)


def wire(folder: Path, *, count: int, seed: int) -> dict[str, Any]:
    """The same through a real broker, from a stranger who has recorded all commands, to a real uplink."""
    chance, clock, opener = random.Random(seed), SystemClock(), Opener()
    kinds: Counter[str] = Counter()
    good = 0
    with Bench(folder) as bench:
        platform, box = bench.platform(), bench.box(handlers={"open": opener})
        until(lambda: AUDIENCE in platform.devices() and platform.devices()[AUDIENCE].is_live)
        key = load_private_key(folder / "platform" / PRIVATE_KEY_FILE)[1]
        mill = Mill(chance, lambda: clock.utc_ns() / 1e9, lambda: platform.devices()[AUDIENCE].nonce, key)
        # A retained message reaches a connected box as a live one, and this box has no lane to be wrong
        # about: both are shot at the desk itself.
        mill.leave_out("bad_retained", "bad_lane")
        with Stranger(bench.broker, TOPICS.command("open")) as stranger:
            for number in range(count):
                if number == count // 2:  # the box is another connection now, with another nonce
                    mill.nonces.append(platform.devices()[AUDIENCE].nonce)
                    box.close()
                    box = bench.box(handlers={"open": opener})
                    until(lambda: platform.devices()[AUDIENCE].nonce not in ("", *mill.nonces))
                if number % 100 == 0:
                    assert platform.send_command(AUDIENCE, "open", {"lane": "in"}).result == "done"
                    good += 1
                    mill.recorded = _obeyed(stranger, opener, good)
                    mill.counter = max(int(unverified_claims(raw)["ctr"]) for raw in mill.recorded)
                message = mill.bad()
                kinds[message.kind] += 1
                stranger.say(TOPICS.command(message.name), message.raw)
        assert platform.send_command(AUDIENCE, "open", {"lane": "in"}).result == "done"
        good += 1
    return {
        "hostile": sum(kinds.values()),
        "good": good,
        "pulses_by_hostile": len(opener.pulses) - good,
        "kinds": dict(sorted(kinds.items())),
    }


def _obeyed(stranger: Stranger, opener: Opener, count: int) -> list[bytes]:
    """The commands among all that went over the topic which the box has obeyed."""
    found: list[bytes] = []

    def are_all_there() -> bool:
        stranger.bodies("")  # takes in what has come
        raws = {message.payload for message in stranger.messages}
        found[:] = [raw for raw in raws if unverified_claims(raw).get("jti") in opener.pulses]
        return len(found) >= count

    until(are_all_there)
    return found


def main() -> int:
    """Command line: see the module."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--wire", type=int, default=2000, help="so many more through a real broker")
    parser.add_argument("--seed", type=int, default=0, help="0: a new one, printed")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)  # every refusal is a warning
    seed = options.seed or random.SystemRandom().randrange(1, 1 << 31)
    print(f"seed {seed}", flush=True)
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="gatehouse-hostile-") as folder:
        results = {"desk": storm(Path(folder), count=options.count, seed=seed)}
    if options.wire:
        with tempfile.TemporaryDirectory(prefix="gatehouse-hostile-") as folder:
            results["wire"] = wire(Path(folder), count=options.wire, seed=seed)
    results["desk"]["seconds"] = round(time.monotonic() - began_s, 1)
    print(json.dumps(results, indent=1, ensure_ascii=False))
    if options.json:
        options.json.write_text(json.dumps(results, indent=1), encoding="utf-8")
    pulses = sum(result["pulses_by_hostile"] for result in results.values())
    hostile = sum(result["hostile"] for result in results.values())
    print(f"{pulses} pulses by {hostile} hostile messages, seed {seed}")
    return 1 if pulses or results["desk"]["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
