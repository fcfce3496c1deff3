"""The claims inside a connect token: which session, which link generation, which transport.

docs/protocol/messaging.md, section 2. Opaque to the transports, which only carry them.
"""

from __future__ import annotations

from struct import Struct
from typing import Final, NamedTuple

from messaging.errors import malformed

TRANSPORTS: Final[dict[str, int]] = {
    "udp": 1,
    "websocket": 2,
    "long-poll": 3,
    "quic": 4,
    "webtransport": 5,
    "datachannel": 6,
}
"""Every transport's number in a token, so that a token seen on one does not open another."""

SESSION_ID_BYTES: Final = 16
_CLAIMS = Struct(">16sIB")
_NAMES = {number: name for name, number in TRANSPORTS.items()}


class Claims(NamedTuple):
    """What a connect token says."""

    session_id: bytes
    """16 bytes."""
    generation: int
    """Rises with every set of tokens minted for the session."""
    transport: str
    """A name of `TRANSPORTS`."""


def encode_claims(claims: Claims) -> bytes:
    """21 bytes. ValueError for a value out of range."""
    if len(claims.session_id) != SESSION_ID_BYTES:
        raise ValueError(f"session id has {len(claims.session_id)} bytes, must have {SESSION_ID_BYTES}")
    if not 0 <= claims.generation < 1 << 32:
        raise ValueError(f"generation is {claims.generation}, must be a u32")
    if claims.transport not in TRANSPORTS:
        raise ValueError(f"transport is {claims.transport!r}, must be one of {', '.join(TRANSPORTS)}")
    return _CLAIMS.pack(claims.session_id, claims.generation, TRANSPORTS[claims.transport])


def decode_claims(data: bytes) -> Claims:
    """The claims in `data`. Raises ProtocolError."""
    if len(data) != _CLAIMS.size:
        raise malformed("claims_length")
    session_id, generation, number = _CLAIMS.unpack(data)
    if number not in _NAMES:
        raise malformed("claims_transport")
    return Claims(session_id, generation, _NAMES[number])
