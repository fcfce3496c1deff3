"""Close codes: why a connection or link ended (registry: docs/protocol/errors.md).

Every code below 0x100 belongs to the protocol; 0x100 and above are the domain's. In every code, bit 0x80 says
"come back": a client may connect again by itself. A WebSocket closes with 4000 + code.
"""

from __future__ import annotations

import enum

COME_BACK = 0x80
"""The bit of a close code that tells a client to come back."""


class CloseCode(enum.IntEnum):
    """Reasons the protocol itself has to end a connection."""

    NORMAL = 0x00
    KICKED = 0x02
    REPLACED = 0x03
    CHANNEL_FULL = 0x04
    NOT_ALLOWED = 0x05
    PROTOCOL_VIOLATION = 0x10
    FRAME_ENCODING = 0x11
    LIMIT_EXCEEDED = 0x12
    VERSION = 0x14
    SERVER_SHUTDOWN = 0x81
    SLOW_CONSUMER = 0x86
    RATE_LIMIT = 0x87
    IDLE = 0x88
    INTERNAL = 0x93
    TOKEN_REFUSED = 0x95


def may_come_back(code: int) -> bool:
    """True where `code` invites the client to connect again."""
    return bool(code & COME_BACK)
