"""Signed commands over a real mosquitto: one that is good is obeyed once; every other kind never (CMD-1)."""

import base64
import json
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sync_bench import AUDIENCE, PROTOCOLS, TOPICS, Bench, Box, Stranger, until

from edge.clock import ClockState, SystemClock
from edge.errors import Unavailable, UsageError
from edge.jws import sign
from edge.platform import Counterpart, Signer
from edge.records import Stream
from edge.sync import CommandOutcome, Result
from edge.sync.commands import Command

pytestmark = pytest.mark.mosquitto

OPEN = TOPICS.command("open")
RESULTS = TOPICS.result("open")


def _audit(box: Box) -> list[tuple[str, dict[str, object]]]:
    rows = box.journal.tail(0, [Stream.AUDIT])
    events = [json.loads(row.payload) for row in rows]
    return [(event["type"].removeprefix("gh.").removesuffix(".v1"), event["data"]) for event in events]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_signed_open_is_obeyed_once_and_journaled_before_it_is_reported(
    tmp_path: Path, protocol: str
) -> None:
    with Bench(tmp_path, protocol=protocol) as bench:
        platform, box = bench.platform(), bench.box()
        result = platform.send_command(AUDIENCE, "open", {"lane": "in"})
        assert result.result == "done"
        assert result.trail == ("accepted", "done")
        assert result.detail == "boom is up"
        assert box.opener.opened == [result.jti]
        kinds = [kind for kind, data in _audit(box) if data.get("jti") == result.jti]
        assert kinds == ["command.accepted", "command.finished"]
        assert platform.send_command(AUDIENCE, "open", {"lane": "in"}).result == "done"
        assert len(box.opener.opened) == 2


class Attack:
    """What an attacker who gets at the broker can try; every one with the code that must answer it."""

    def __init__(self, platform: Counterpart, box: Box) -> None:
        self.signer, self.box = platform.signer, box
        self.nonce = platform.devices()[AUDIENCE].nonce
        self._platform = platform

    def claims(self, **changes: object) -> dict[str, object]:
        now_s = time.time()
        good = {
            "jti": f"x-{time.monotonic_ns()}",
            "aud": AUDIENCE,
            "cmd": "open",
            "args": {"lane": "in"},
            "iat": now_s,
            "exp": now_s + 9,
            "ctr": self._platform.ledger.next_counter(self.signer.kid),
            "sn": self.nonce,
        }
        return good | changes

    def signed(
        self, key: Ed25519PrivateKey | None = None, typ: str = "gh-command", **changes: object
    ) -> bytes:
        return sign(self.claims(**changes), kid=self.signer.kid, key=key or self.signer._key, typ=typ)

    def header(self, **header: object) -> bytes:
        _, body, signature = self.signed().split(b".")
        raw = json.dumps({"alg": "EdDSA", "kid": self.signer.kid, "typ": "gh-command"} | header).encode()
        return base64.urlsafe_b64encode(raw).rstrip(b"=") + b"." + body + b"." + signature


ATTACKS: dict[str, tuple[str, Callable[[Attack], bytes]]] = {
    "forged with a stranger's key": ("signature", lambda a: a.signed(Ed25519PrivateKey.generate())),
    "alg none": ("signature", lambda a: a.header(alg="none").rsplit(b".", 1)[0] + b"."),
    "downgraded to HS256": ("signature", lambda a: a.header(alg="HS256")),
    "unknown crit": ("signature", lambda a: a.header(crit=["b64"], b64=False)),
    "key in the header": ("signature", lambda a: a.header(jwk={"kty": "OKP"})),
    "one byte of the body changed": ("signature", lambda a: a.signed().replace(b".ey", b".eX", 1)),
    "a configuration as command": ("signature", lambda a: a.signed(typ="gh-config")),
    "rubbish": ("signature", lambda _a: b"\x00\xff rubbish"),
    "nothing": ("signature", lambda _a: b""),
    "huge": ("size", lambda a: a.signed(args={"pad": "x" * 20_000})),
    "for another device": ("aud", lambda a: a.signed(aud="park/gate-8")),
    "for another tenant": ("aud", lambda a: a.signed(aud="garden/gate-7")),
    "another command's name": ("aud", lambda a: a.signed(cmd="close")),
    "from an earlier connection": ("nonce", lambda a: a.signed(sn="0" * 32)),
    "without nonce": ("nonce", lambda a: a.signed(sn="")),
    "late": ("expired", lambda a: a.signed(iat=time.time() - 20, exp=time.time() - 11)),
    "living an hour": ("life", lambda a: a.signed(exp=time.time() + 3600)),
    "living backwards": ("life", lambda a: a.signed(exp=time.time() - 5, iat=time.time())),
    "from the future": ("not_yet", lambda a: a.signed(iat=time.time() + 100, exp=time.time() + 105)),
    "with an old counter": ("counter", lambda a: a.signed(ctr=1)),
    "with an unknown claim": ("claims", lambda a: a.signed(admin=True)),
    "with a text as counter": ("claims", lambda a: a.signed(ctr="9")),
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_CMD_1_every_hostile_command_has_its_own_code_and_reaches_no_handler(
    tmp_path: Path, protocol: str
) -> None:
    with Bench(tmp_path, protocol=protocol) as bench:
        platform, box = bench.platform(), bench.box()
        platform.send_command(AUDIENCE, "open", {"lane": "in"})
        box.opener.opened.clear()
        attack = Attack(platform, box)
        with Stranger(bench.broker, RESULTS) as rogue:
            for name, (code, make) in ATTACKS.items():
                before = len(rogue.bodies(RESULTS))
                rogue.say(OPEN, make(attack))
                until(lambda before=before: len(rogue.bodies(RESULTS)) > before, what=name)
                answer = rogue.bodies(RESULTS)[-1]
                assert answer["code"] == code, f"{name}: {answer}"
                assert answer["result"] == ("expired" if code == "expired" else "rejected")
        assert box.opener.opened == []


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_CMD_1_a_recorded_command_cannot_be_played_again_in_this_connection_or_the_next(
    tmp_path: Path, protocol: str
) -> None:
    with Bench(tmp_path, protocol=protocol) as bench, Stranger(bench.broker, OPEN, RESULTS) as rogue:
        platform, box = bench.platform(), bench.box()
        platform.send_command(AUDIENCE, "open", {"lane": "in"})
        until(lambda: any(m.topic == OPEN for m in rogue.messages) or rogue.bodies(RESULTS) is None)
        recorded = next(m.payload for m in rogue.messages if m.topic == OPEN)
        rogue.say(OPEN, recorded)
        until(lambda: any(answer.get("code") == "counter" for answer in rogue.bodies(RESULTS)))
        assert len(box.opener.opened) == 1
        box.close()
        again = bench.box()
        until(lambda: again.uplink.status.online)
        rogue.say(OPEN, recorded)
        # Not "nonce": whoever hears that signs it again, and this one was obeyed.
        until(lambda: any(answer.get("code") == "journal" for answer in rogue.bodies(RESULTS)))
        assert again.opener.opened == []


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_CMD_1_a_retained_command_is_refused_at_each_connection(tmp_path: Path, protocol: str) -> None:
    with Bench(tmp_path, protocol=protocol) as bench, Stranger(bench.broker, RESULTS) as rogue:
        platform = bench.platform()
        raw = platform.signer.command(AUDIENCE, "open", {}, nonce="0" * 32, counter=5).raw
        rogue.say(OPEN, raw, retain=True)
        for turn in (1, 2, 3):
            box = bench.box()
            until(lambda turn=turn: len(rogue.bodies(RESULTS)) >= turn)
            assert rogue.bodies(RESULTS)[-1]["code"] == "retained"
            assert box.opener.opened == []
            box.close()


def test_CMD_1_a_command_that_waited_in_the_session_while_the_box_was_away_is_dead(tmp_path: Path) -> None:
    with Bench(tmp_path, protocol="5") as bench, Stranger(bench.broker, RESULTS) as rogue:
        platform, box = bench.platform(), bench.box()
        until(lambda: box.uplink.status.online and AUDIENCE in platform.devices())
        nonce = platform.devices()[AUDIENCE].nonce
        box.close()
        counter = platform.ledger.next_counter(platform.signer.kid)
        rogue.say(OPEN, platform.signer.command(AUDIENCE, "open", {}, nonce=nonce, counter=counter).raw)
        again = bench.box()
        until(lambda: rogue.bodies(RESULTS))
        assert [answer["code"] for answer in rogue.bodies(RESULTS)] == ["nonce"]
        assert again.opener.opened == []


def test_CMD_1_a_flood_of_forgeries_fills_neither_journal_nor_line(tmp_path: Path) -> None:
    with Bench(tmp_path) as bench, Stranger(bench.broker, RESULTS) as rogue:
        platform, box = bench.platform(), bench.box()
        until(lambda: box.uplink.status.online)
        for number in range(600):
            rogue.say(OPEN, b"forgery %d" % number)
        assert platform.send_command(AUDIENCE, "open", {"lane": "in"}).result == "done"
        rejected = [data for kind, data in _audit(box) if kind == "command.rejected"]
        assert 20 <= len(rejected) < 30
        assert len(rogue.bodies(RESULTS)) < 250
        assert len(box.opener.opened) == 1


def test_a_command_of_an_unknown_name_or_forbidden_now_is_not_allowed(tmp_path: Path) -> None:
    with Bench(tmp_path) as bench:
        platform, box = bench.platform(), bench.new_box()
        box.uplink._desk._forbids = lambda command: "" if command.args.get("lane") == "in" else "no such lane"
        box.start()
        unknown = platform.send_command(AUDIENCE, "explode", {})
        assert (unknown.result, unknown.code) == ("rejected", "unknown_command")
        assert "there are open" in unknown.detail
        elsewhere = platform.send_command(AUDIENCE, "open", {"lane": "moon"})
        assert (elsewhere.code, elsewhere.detail) == ("not_allowed", "no such lane")
        assert box.opener.opened == []


def test_a_handler_may_take_its_time_and_the_link_goes_on(tmp_path: Path) -> None:
    futures: list[Future[CommandOutcome]] = []

    def slow(_command: Command) -> Future[CommandOutcome]:
        futures.append(Future())
        return futures[-1]

    with Bench(tmp_path) as bench:
        platform, box = bench.platform(), bench.box(handlers={"open": slow})
        waiting = platform.request(AUDIENCE, "open", {"lane": "in"}, timeout_s=30)
        until(lambda: futures)
        box.happen(5)
        until(lambda: box.backlog() == 0, what="events flow meanwhile")
        assert not waiting.done()
        futures[0].set_result(CommandOutcome(Result.DONE, "up", {"ms": 900}))
        result = waiting.result(10)
        assert (result.result, result.data) == ("done", {"ms": 900})


def test_a_handler_that_refuses_is_told_with_its_words(tmp_path: Path) -> None:
    def refuse(_command: Command) -> CommandOutcome:
        raise UsageError("person: id is missing")

    with Bench(tmp_path) as bench:
        platform, _box = bench.platform(), bench.box(handlers={"roster-put": refuse})
        result = platform.put_person(AUDIENCE, {"name": "Li"})
        assert (result.result, result.detail) == ("rejected", "person: id is missing")


def test_CMD_1_an_unset_clock_asks_for_a_challenge_and_obeys_only_that(tmp_path: Path) -> None:
    class UnsetClock(SystemClock):
        def state(self) -> ClockState:
            return ClockState.UNSET

    with Bench(tmp_path) as bench, Stranger(bench.broker, RESULTS, OPEN) as rogue:
        platform, box = bench.platform(), bench.box(clock=UnsetClock())
        result = platform.send_command(AUDIENCE, "open", {"lane": "in"})
        assert result.result == "done"
        assert result.trail == ("rejected", "accepted", "done")
        answers = rogue.bodies(RESULTS)
        assert answers[0]["code"] == "clock_unset"
        assert len(box.opener.opened) == 1
        # The challenge is spent: a new command that quotes it is asked for another one.
        attack = Attack(platform, box)
        rogue.say(OPEN, attack.signed(chl=answers[0]["chl"]))
        until(lambda: len(rogue.bodies(RESULTS)) == 4)
        assert rogue.bodies(RESULTS)[-1]["code"] == "clock_unset"
        assert len(box.opener.opened) == 1


def test_what_a_crash_interrupted_is_told_as_unknown_and_never_tried_again(tmp_path: Path) -> None:
    with Bench(tmp_path) as bench, Stranger(bench.broker, RESULTS) as reader:
        platform, box = bench.platform(), bench.box(handlers={"open": lambda _command: Future()})
        waiting = platform.request(AUDIENCE, "open", {"lane": "in"}, timeout_s=60)
        until(lambda: any(answer["result"] == "accepted" for answer in reader.bodies(RESULTS)))
        box.close()  # with the command open, as after a crash
        again = bench.box()
        result = waiting.result(20)
        assert result.result == "unknown"
        assert result.trail == ("accepted", "unknown")
        assert again.opener.opened == []


def test_a_command_for_a_box_that_is_not_there_ends_as_unavailable(tmp_path: Path) -> None:
    with Bench(tmp_path) as bench:
        platform = bench.platform()
        with pytest.raises(Unavailable, match="park/gate-9 is not connected"):
            platform.send_command("park/gate-9", "open", {}, timeout_s=0.5)


def test_a_person_is_put_on_the_roster_by_a_signed_command(tmp_path: Path) -> None:
    roster: dict[str, object] = {}

    def put(command: Command) -> CommandOutcome:
        roster[command.args["person"]["id"]] = command.args["person"]
        return CommandOutcome(Result.DONE)

    def remove(command: Command) -> CommandOutcome:
        roster.pop(command.args["id"])
        return CommandOutcome(Result.DONE)

    with Bench(tmp_path) as bench:
        handlers = {"roster-put": put, "roster-remove": remove}
        platform, box = bench.platform(), bench.box(handlers=handlers)
        template = base64.b64encode(bytes(512)).decode()
        person = {"id": "p-1", "name": "李雷", "plates": ["京A12345"], "templates": [template]}
        assert platform.put_person(AUDIENCE, person).result == "done"
        assert roster == {"p-1": person}
        assert platform.remove_person(AUDIENCE, "p-1").result == "done"
        assert roster == {}
        events = json.dumps([data for _, data in _audit(box)], ensure_ascii=False)
        assert template not in events
        assert "李雷" not in events


def test_two_counterparts_never_use_a_counter_twice(tmp_path: Path) -> None:
    with Bench(tmp_path) as bench:
        platform, _box = bench.platform(), bench.box()
        assert isinstance(platform.signer, Signer)
        second = bench.platform(client_id="gh-tool")
        for _ in range(3):
            assert platform.send_command(AUDIENCE, "open", {"lane": "in"}).result == "done"
            assert second.send_command(AUDIENCE, "open", {"lane": "in"}).result == "done"
