"""Domain errors: what the hub refuses, as one numbered type (registry: docs/protocol/errors.md)."""

from __future__ import annotations

import enum
from typing import Final, NamedTuple

from netcore.codes import COME_BACK


class ErrorCode(enum.IntEnum):
    """Every domain error. 0x1xx: request and access; 0x2xx: channel and message; 0x3xx: session and link.

    Bit 0x80 says "come back". All stay below 1000, so that a WebSocket can close with 4000 + code.
    """

    REQUEST_INVALID = 0x101
    NAME_INVALID = 0x102
    KEY_REFUSED = 0x103
    SCOPE_INVALID = 0x104
    THROTTLED = 0x181
    BUSY = 0x182
    DRAINING = 0x183

    NAME_TAKEN = 0x201
    CHANNEL_FULL = 0x202
    GAME_REFUSED = 0x203
    GAME_CONFLICT = 0x204
    NO_SUCH_AGENT = 0x205
    MESSAGE_TOO_LARGE = 0x206
    TYPE_REFUSED = 0x207
    NOT_STORABLE = 0x208
    FILTER_REFUSED = 0x209

    SESSION_REFUSED = 0x301
    SESSION_UNKNOWN = 0x381
    LINK_REFUSED = 0x382


class ErrorFacts(NamedTuple):
    """What the registry says about one code."""

    type: str
    title: str
    http_status: int


ERRORS: Final[dict[ErrorCode, ErrorFacts]] = {
    ErrorCode.REQUEST_INVALID: ErrorFacts("request-invalid", "The request is not valid", 400),
    ErrorCode.NAME_INVALID: ErrorFacts("name-invalid", "The name is not allowed", 400),
    ErrorCode.KEY_REFUSED: ErrorFacts("key-refused", "The API key is not accepted", 401),
    ErrorCode.SCOPE_INVALID: ErrorFacts("scope-invalid", "The key scope is neither private nor public", 400),
    ErrorCode.THROTTLED: ErrorFacts("throttled", "Too many attempts", 429),
    ErrorCode.BUSY: ErrorFacts("busy", "The server has no room for another channel", 503),
    ErrorCode.DRAINING: ErrorFacts("draining", "The server is shutting down", 503),
    ErrorCode.NAME_TAKEN: ErrorFacts("name-taken", "Another agent has this name", 409),
    ErrorCode.CHANNEL_FULL: ErrorFacts("channel-full", "The channel is full", 409),
    ErrorCode.GAME_REFUSED: ErrorFacts("game-refused", "The game is unknown or its options are wrong", 400),
    ErrorCode.GAME_CONFLICT: ErrorFacts("game-conflict", "The channel runs another game", 409),
    ErrorCode.NO_SUCH_AGENT: ErrorFacts("no-such-agent", "The addressed agent is not here", 404),
    ErrorCode.MESSAGE_TOO_LARGE: ErrorFacts("message-too-large", "The message is too large", 413),
    ErrorCode.TYPE_REFUSED: ErrorFacts("type-refused", "The message type cannot be used", 400),
    ErrorCode.NOT_STORABLE: ErrorFacts("not-storable", "The message cannot be stored", 400),
    ErrorCode.FILTER_REFUSED: ErrorFacts("filter-refused", "The filter cannot be used", 400),
    ErrorCode.SESSION_REFUSED: ErrorFacts("session-refused", "The session is not yours", 403),
    ErrorCode.SESSION_UNKNOWN: ErrorFacts("session-unknown", "The session has ended or never was", 401),
    ErrorCode.LINK_REFUSED: ErrorFacts("link-refused", "The connect token is out of date", 403),
}
"""The one table from which HTTP answers and close codes are made."""


class ChannelError(Exception):
    """The hub refuses a request. `text` is one sentence for a person and never holds a secret."""

    def __init__(self, code: ErrorCode, text: str = "", retry_after_s: float | None = None) -> None:
        self.code = code
        self.text = text or ERRORS[code].title
        self.retry_after_s = retry_after_s
        """Seconds after which another try has a chance; None where nothing is known."""
        super().__init__(self.text)

    @property
    def type(self) -> str:
        """The error's slug, e.g. `name-taken`."""
        return ERRORS[self.code].type

    @property
    def title(self) -> str:
        """The error in general words, the same for every case of it."""
        return ERRORS[self.code].title

    @property
    def http_status(self) -> int:
        """The HTTP status to answer with."""
        return ERRORS[self.code].http_status

    @property
    def close_code(self) -> int:
        """The code to close a link with (a WebSocket adds 4000)."""
        return int(self.code)

    @property
    def come_back(self) -> bool:
        """True where a client may try again by itself."""
        return bool(self.code & COME_BACK)
