"""The checks of a command, in their order, each with its own code (CMD-1)."""

import random
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.clock import NS_PER_S, ClockState
from edge.jws import COMMAND_TYPE, sign
from edge.sync.commands import SIZE_LIMIT, Code, Command, CommandContext, Rejected, check

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
NONCE = "5a" * 16
NOW_S = 1_790_000_000.0
CONTEXT = CommandContext(
    audience="park/gate-7",
    keys={"k1": KEY.public_key()},
    nonce=NONCE,
    now_utc_s=NOW_S,
    clock_state=ClockState.SYNCED,
    now_ns=77 * NS_PER_S,
    challenge="",
    last_counter=lambda _kid: 10,
    is_known=lambda jti: jti == "known",
    names=("open",),
    forbids=lambda command: "" if command.args.get("lane") in ("in", "out") else "no such lane",
    is_killed=lambda command: command.args.get("lane") == "out",
)
# Every change breaks the rule of its code, and all later ones would be broken too by those after it.
BREAKS: dict[Code, dict[str, object]] = {
    Code.CLAIMS: {"ctr": "11"},
    Code.AUDIENCE: {"aud": "park/gate-8"},
    Code.NONCE: {"sn": "00" * 16},
    Code.LIFE: {"exp": NOW_S + 60},
    Code.NOT_YET: {"iat": NOW_S + 30, "exp": NOW_S + 35},
    Code.EXPIRED: {"iat": NOW_S - 9, "exp": NOW_S},
    Code.COUNTER: {"ctr": 10},
    Code.JOURNAL: {"jti": "known"},
    Code.NOT_ALLOWED: {"args": {"lane": "moon"}},
    Code.KILL_SWITCH: {"args": {"lane": "out"}},
}


def claims(**changes: object) -> dict[str, object]:
    good = {
        "jti": "0198-a",
        "aud": "park/gate-7",
        "cmd": "open",
        "args": {"lane": "in"},
        "iat": NOW_S - 1,
        "exp": NOW_S + 8,
        "ctr": 11,
        "sn": NONCE,
    }
    return {key: value for key, value in (good | changes).items() if value is not ...}


def judge(
    context: CommandContext = CONTEXT, *, retained: bool = False, **changes: object
) -> Command | Rejected:
    raw = sign(claims(**changes), kid="k1", key=KEY, typ=COMMAND_TYPE)
    return check(raw, name="open", retained=retained, context=context)


def code_of(verdict: Command | Rejected) -> Code | None:
    return verdict.code if isinstance(verdict, Rejected) else None


def test_a_good_command_passes_with_its_deadline_in_boot_time() -> None:
    command = judge()
    assert isinstance(command, Command)
    assert (command.name, command.jti, command.kid, command.ctr) == ("open", "0198-a", "k1", 11)
    assert command.not_after_ns == (77 + 8) * NS_PER_S


@pytest.mark.parametrize("code", BREAKS)
def test_CMD_1_each_rule_has_its_own_code(code: Code) -> None:
    assert code_of(judge(**BREAKS[code])) is code


def test_CMD_1_the_first_broken_rule_in_the_order_of_the_design_answers() -> None:
    order = [Code.AUDIENCE, Code.NONCE, Code.EXPIRED, Code.COUNTER, Code.JOURNAL, Code.NOT_ALLOWED]
    for place, code in enumerate(order):
        changes: dict[str, object] = {}
        for later in order[place:]:
            changes |= BREAKS[later]
        assert code_of(judge(**changes)) is code
        assert code_of(judge(retained=True, **changes)) is Code.RETAINED


def test_CMD_1_size_is_checked_before_anything_is_parsed() -> None:
    verdict = check(b"x" * (SIZE_LIMIT + 1), name="open", retained=False, context=CONTEXT)
    assert code_of(verdict) is Code.SIZE


def test_CMD_1_a_command_belongs_to_the_topic_it_was_signed_for() -> None:
    raw = sign(claims(), kid="k1", key=KEY, typ=COMMAND_TYPE)
    assert code_of(check(raw, name="close", retained=False, context=CONTEXT)) is Code.AUDIENCE


def test_CMD_1_without_a_connection_there_is_no_nonce_to_match() -> None:
    assert code_of(judge(replace(CONTEXT, nonce=""), sn="")) is Code.NONCE


@pytest.mark.parametrize(
    "changes",
    [
        *({key: ...} for key in claims()),
        {"jti": ""},
        {"jti": "a b"},
        {"jti": "x" * 65},
        {"jti": "门"},
        {"ctr": True},
        {"ctr": 0},
        {"ctr": 2**62},
        {"ctr": 1.5},
        {"iat": "now"},
        {"iat": -1},
        {"exp": 2**41},
        {"args": []},
        {"cmd": 7},
        {"surplus": 1},
    ],
)
def test_CMD_1_claims_are_whole_and_typed(changes: dict[str, object]) -> None:
    assert code_of(judge(**changes)) is Code.CLAIMS


def test_CMD_1_without_a_clock_only_the_live_challenge_counts() -> None:
    unset = replace(CONTEXT, clock_state=ClockState.UNSET, now_utc_s=0.0)
    assert code_of(judge(unset)) is Code.CLOCK_UNSET
    assert code_of(judge(unset, chl="")) is Code.CLOCK_UNSET
    challenged = replace(unset, challenge="c1")
    assert code_of(judge(challenged, chl="c2")) is Code.CLOCK_UNSET
    assert code_of(judge(challenged, chl="c1", exp=NOW_S + 60)) is Code.LIFE
    assert code_of(judge(challenged, chl="c1", ctr=10)) is Code.COUNTER
    command = judge(challenged, chl="c1")
    assert isinstance(command, Command)
    assert command.not_after_ns == (77 + 5) * NS_PER_S


def test_a_clock_in_holdover_is_a_clock() -> None:
    assert isinstance(judge(replace(CONTEXT, clock_state=ClockState.HOLDOVER)), Command)


def test_a_deadline_is_never_later_than_the_life_of_the_command() -> None:
    command = judge(iat=NOW_S + 1.5, exp=NOW_S + 11.5)
    assert isinstance(command, Command)
    assert command.not_after_ns == (77 + 10) * NS_PER_S


def test_only_an_expired_command_is_called_expired() -> None:
    results = {code: judge(**change) for code, change in BREAKS.items()}
    words = {code: verdict.result for code, verdict in results.items() if isinstance(verdict, Rejected)}
    assert [code for code, word in words.items() if word == "expired"] == [Code.EXPIRED]
    assert set(words.values()) == {"expired", "rejected"}


def test_CMD_1_recorded_commands_in_any_order_pass_at_most_once_each_and_only_rising() -> None:
    chance = random.Random(20261123)
    recorded = [sign(claims(jti=f"c{n}", ctr=n), kid="k1", key=KEY, typ=COMMAND_TYPE) for n in range(11, 51)]
    seen: dict[str, int] = {"k1": 10}
    obeyed: list[Command] = []
    context = replace(
        CONTEXT,
        last_counter=lambda kid: seen[kid],
        is_known=lambda jti: any(jti == command.jti for command in obeyed),
    )
    for _ in range(2000):
        verdict = check(chance.choice(recorded), name="open", retained=False, context=context)
        if isinstance(verdict, Command):
            obeyed.append(verdict)
            seen["k1"] = verdict.ctr
    assert [command.ctr for command in obeyed] == sorted({command.ctr for command in obeyed})
    assert obeyed


@settings(max_examples=300)
@given(st.binary(max_size=400), st.booleans(), st.text(max_size=10))
def test_CMD_1_no_bytes_from_outside_raise(raw: bytes, retained: bool, name: str) -> None:
    assert isinstance(check(raw, name=name, retained=retained, context=CONTEXT), Rejected)


@settings(max_examples=300)
@given(
    st.dictionaries(
        st.sampled_from([*claims(), "chl"]),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        min_size=1,
    )
)
def test_CMD_1_no_signed_claims_raise(changes: dict[str, object]) -> None:
    verdict = judge(**changes)
    assert isinstance(verdict, Rejected | Command)
