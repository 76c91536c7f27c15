"""Has moved to ``edge.jws``, because passes are signed documents too; this name is kept for one version."""

from edge.jws import (
    COMMAND_TYPE,
    CONFIG_TYPE,
    JwsError,
    Signed,
    canonical,
    decode_part,
    encode_part,
    parse_object,
    sign,
    unverified_claims,
    verify,
)

__all__ = [
    "COMMAND_TYPE",
    "CONFIG_TYPE",
    "JwsError",
    "Signed",
    "canonical",
    "decode_part",
    "encode_part",
    "parse_object",
    "sign",
    "unverified_claims",
    "verify",
]
