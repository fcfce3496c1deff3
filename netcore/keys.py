"""Key schedule: the keys of one direction, from the handshake's secret (docs/protocol/ncp.md, section 6)."""

from __future__ import annotations

from typing import NamedTuple

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

_KEY_LABEL = b"ncp key"
_IV_LABEL = b"ncp iv"
_NEXT_LABEL = b"ncp ku"


class PacketKeys(NamedTuple):
    """What one direction seals with during one key phase."""

    key: bytes
    """32 bytes, ChaCha20-Poly1305."""
    iv: bytes
    """12 bytes; XOR the packet number gives the nonce."""


def packet_keys(secret: bytes) -> PacketKeys:
    """The keys of the phase that `secret` (32 bytes) belongs to."""
    return PacketKeys(_expand(secret, _KEY_LABEL, 32), _expand(secret, _IV_LABEL, 12))


def next_secret(secret: bytes) -> bytes:
    """The secret of the phase after `secret`'s. Packet numbers run on."""
    return _expand(secret, _NEXT_LABEL, 32)


def _expand(secret: bytes, label: bytes, length: int) -> bytes:
    return HKDFExpand(SHA256(), length, label).derive(secret)
