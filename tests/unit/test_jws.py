"""The signature format: what is exactly right passes, and nothing else (CMD-1)."""

import base64
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.jws import (
    COMMAND_TYPE,
    CONFIG_TYPE,
    JwsError,
    canonical,
    decode_part,
    encode_part,
    parse_object,
    sign,
    unverified_claims,
    verify,
)

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEYS = {"k1": KEY.public_key()}
GOOD = sign({"jti": "a", "n": 1}, kid="k1", key=KEY, typ=COMMAND_TYPE)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def _signed(header: bytes, body: bytes) -> bytes:
    signing_input = encode_part(header) + b"." + encode_part(body)
    return signing_input + b"." + encode_part(KEY.sign(signing_input))


def _header(**changes: object) -> bytes:
    members = {"alg": "EdDSA", "kid": "k1", "typ": COMMAND_TYPE} | changes
    return json.dumps({k: v for k, v in members.items() if v is not ...}).encode()


@given(st.dictionaries(st.text(max_size=10), json_values, max_size=5))
def test_what_is_signed_comes_back_unchanged(claims: dict[str, object]) -> None:
    signed = verify(sign(claims, kid="k1", key=KEY, typ=CONFIG_TYPE), KEYS, typ=CONFIG_TYPE)
    assert signed.kid == "k1"
    assert signed.claims == claims


def test_the_RFC_8037_example_verifies_with_its_key() -> None:
    # RFC 8037 appendix A.4: its payload is no JSON, so only the signature arithmetic is compared.
    seed = base64.urlsafe_b64decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
    signing_input = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
    expected = b"hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
    assert encode_part(Ed25519PrivateKey.from_private_bytes(seed).sign(signing_input)) == expected


@settings(max_examples=400)
@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_CMD_1_no_byte_may_be_changed(place: int, bits: int) -> None:
    changed = bytearray(GOOD)
    changed[place] ^= bits
    with pytest.raises(JwsError):
        verify(bytes(changed), KEYS, typ=COMMAND_TYPE)


@settings(max_examples=400)
@given(st.binary(max_size=300) | st.lists(st.binary(max_size=60), min_size=3, max_size=3).map(b".".join))
def test_CMD_1_rubbish_is_refused_and_never_crashes(raw: bytes) -> None:
    with pytest.raises(JwsError):
        verify(raw, KEYS, typ=COMMAND_TYPE)
    assert isinstance(unverified_claims(raw), dict)


@settings(max_examples=200)
@given(st.integers(0, len(GOOD)))
def test_CMD_1_nothing_may_be_cut_off(length: int) -> None:
    if length < len(GOOD):
        with pytest.raises(JwsError):
            verify(GOOD[:length], KEYS, typ=COMMAND_TYPE)


@pytest.mark.parametrize(
    "header",
    [
        _header(alg="none"),
        _header(alg="HS256"),
        _header(alg="ES256"),
        _header(alg="eddsa"),
        _header(alg=["EdDSA"]),
        _header(alg=...),
        _header(kid=...),
        _header(kid="k2"),
        _header(kid=1),
        _header(kid=["k1"]),
        _header(typ=...),
        _header(typ=CONFIG_TYPE),
        _header(crit=["exp"], exp=1),
        _header(crit=[]),
        _header(b64=False),
        _header(jwk={"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}),
        _header(x5u="http://127.0.0.1/key"),
        b'{"alg":"none","alg":"EdDSA","kid":"k1","typ":"gh-command"}',
        b'["EdDSA"]',
        b"{}",
        b"null",
        b"",
        _header() + b" " * 400,
    ],
)
def test_CMD_1_every_other_header_is_refused_though_the_signature_is_right(header: bytes) -> None:
    with pytest.raises(JwsError):
        verify(_signed(header, b'{"jti":"a"}'), KEYS, typ=COMMAND_TYPE)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":1,"a":2}',
        b'{"a":{"b":1,"b":1}}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":1e999}',
        b'{"a":"\\ud800"}',
        b'{"a":"\xff"}',
        b"[1]",
        b'"text"',
        b"",
        b'{"a":1} x',
        b"[" * 100_000,
        b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
        b'{"a":' + b"9" * 5000 + b"}",
    ],
)
def test_CMD_1_loose_JSON_is_refused_though_the_signature_is_right(body: bytes) -> None:
    with pytest.raises(JwsError):
        verify(_signed(_header(), body), KEYS, typ=COMMAND_TYPE)


def test_CMD_1_one_meaning_has_one_spelling() -> None:
    header, body, signature = GOOD.split(b".")
    last = signature[-1:]
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    sibling = alphabet[alphabet.index(last) + 1 :][:1]  # the same 64 bytes, unused bits set
    for other in (
        signature[:-1] + sibling,
        signature + b"==",
        signature.replace(b"_", b"/").replace(b"-", b"+") + b"\n",
        signature + b"\n",
        b" " + signature,
    ):
        with pytest.raises(JwsError):
            verify(b".".join((header, body, other)), KEYS, typ=COMMAND_TYPE)


@given(st.binary(max_size=80))
def test_base64_parts_round_trip(data: bytes) -> None:
    assert decode_part(encode_part(data)) == data


def test_canonical_JSON_does_not_depend_on_order() -> None:
    assert canonical({"b": 1, "a": [1, "门"]}) == '{"a":[1,"门"],"b":1}'.encode()
    assert parse_object(canonical({"b": 1, "a": 2})) == {"a": 2, "b": 1}
