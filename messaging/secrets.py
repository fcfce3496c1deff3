"""What a client makes of a channel password: a proof for the server, and a key the server never sees.

docs/protocol/messaging.md, section 8. Slow by design: call it off the event loop, keep the result in memory.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from messaging.names import check_name

ROUNDS: Final = 600_000
SCOPES: Final = ("private", "public")
_LABEL = b"netplay channel secret v1"
_PROOF = b"netplay proof v1"
_MESSAGE_KEY = b"netplay message key v1"


class ChannelSecret(NamedTuple):
    """The two keys of a channel password."""

    proof: bytes
    """32 bytes for the server: opens the channel, decrypts nothing."""
    message_key: bytes
    """32 bytes that never leave the client."""


def salt_for(channel_name: str, scope: str) -> bytes:
    """Label, scope and channel name (NFC), each behind its length in two bytes."""
    parts = (_LABEL, scope.encode("ascii"), check_name(channel_name, "channel name").encode("utf-8"))
    return b"".join(len(part).to_bytes(2, "big") + part for part in parts)


def derive(
    password: str, channel_name: str, scope: str = "private", *, rounds: int = ROUNDS
) -> ChannelSecret:
    """PBKDF2-HMAC-SHA256, then HKDF-Expand-SHA256 to each key. Takes some tenths of a second.

    `rounds` is for test vectors only. ValueError for a bad name or scope.
    """
    if scope not in SCOPES:
        raise ValueError(f"scope is {scope!r}, must be private or public")
    salt = salt_for(channel_name, scope)
    root = PBKDF2HMAC(SHA256(), 32, salt, rounds).derive(password.encode("utf-8"))
    return ChannelSecret(
        HKDFExpand(SHA256(), 32, _PROOF).derive(root), HKDFExpand(SHA256(), 32, _MESSAGE_KEY).derive(root)
    )
