"""Errors of messaging: bad bytes are `netcore.errors.ProtocolError`; a full stream is `StreamFull`."""

from __future__ import annotations

from netcore.codes import CloseCode
from netcore.errors import ProtocolError

__all__ = ["ProtocolError", "StreamFull", "malformed"]


class StreamFull(Exception):
    """The session stream holds as many unacknowledged messages, bytes or seconds as it may."""


def malformed(text: str) -> ProtocolError:
    """Bytes that cannot be decoded. `text` is a short constant: the name of a counter."""
    return ProtocolError(CloseCode.FRAME_ENCODING, text)
