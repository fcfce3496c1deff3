"""Close codes on a WebSocket: 4000 + code, and what every other close means.

docs/protocol/websocket.md, section "Close".
"""

from __future__ import annotations

from typing import Final

from netcore.codes import CloseCode

FIRST: Final = 4000
"""The WebSocket close code of `CloseCode.NORMAL`."""
LAST: Final = 4999
MAX_REASON_BYTES: Final = 123
"""What a close frame of 125 bytes leaves for its reason."""

_STANDARD: Final[dict[int, CloseCode]] = {
    1000: CloseCode.NORMAL,
    1001: CloseCode.NORMAL,
    1005: CloseCode.NORMAL,
    1002: CloseCode.PROTOCOL_VIOLATION,
    1003: CloseCode.PROTOCOL_VIOLATION,
    1007: CloseCode.PROTOCOL_VIOLATION,
    1008: CloseCode.NOT_ALLOWED,
    1009: CloseCode.LIMIT_EXCEEDED,
    1010: CloseCode.PROTOCOL_VIOLATION,
    1011: CloseCode.INTERNAL,
    1012: CloseCode.SERVER_SHUTDOWN,
    1013: CloseCode.SERVER_SHUTDOWN,
    1014: CloseCode.INTERNAL,
}


def to_websocket(code: int) -> int:
    """The WebSocket close code for a link's close code. `ValueError` for a code above 999."""
    if not 0 <= code <= LAST - FIRST:
        raise ValueError(f"close code {code} is not in 0..{LAST - FIRST}: a WebSocket cannot carry it")
    return FIRST + code


def from_websocket(code: int) -> int:
    """The link's close code for a received WebSocket close code.

    1006 stands for a stream that ended without a close frame; like every unknown code it means IDLE, which
    invites to come back.
    """
    if FIRST <= code <= LAST:
        return code - FIRST
    return _STANDARD.get(code, CloseCode.IDLE)


def clipped_reason(reason: str) -> str:
    """`reason` cut at a character so that it fits a close frame."""
    raw = reason.encode("utf-8", "replace")
    if len(raw) <= MAX_REASON_BYTES:
        return raw.decode("utf-8")
    return raw[:MAX_REASON_BYTES].decode("utf-8", "ignore")
