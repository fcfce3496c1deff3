"""Errors of the client: each says what was expected, what came instead and what to do."""

from __future__ import annotations

from collections.abc import Sequence

from netcore.codes import CloseCode, may_come_back


class MessagingError(Exception):
    """Anything the client raises on purpose, apart from `ValueError` for a wrong argument."""


class ServerUnreachable(MessagingError):
    """No HTTP answer came from the server's address: it is not running, the address is wrong, or a firewall
    stands between."""


class RequestRefused(MessagingError):
    """The server answered an HTTP request with a problem (RFC 9457).

    `status` is the HTTP status, `type` the problem's short name, `code` the server's own number for it
    (docs/protocol/errors.md; None where the answer named none), `detail` the server's sentence,
    `retry_after_s` the seconds to wait where the server said so, `may_retry` whether trying later can help.
    """

    advice = "Read the server's sentence; the documentation of the HTTP API lists what each request may hold."

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        type: str = "",
        code: int | None = None,
        retry_after_s: float | None = None,
        may_retry: bool = False,
    ) -> None:
        self.status = status
        self.detail = detail
        self.type = type
        self.code = code
        self.retry_after_s = retry_after_s
        self.may_retry = may_retry
        super().__init__(f"The server refused the request ({status}): {detail} {self.advice}")


class BadApiKey(RequestRefused):
    """401 or 403: the API key is unknown, expired, or not allowed to do this."""

    advice = "Check the api_key: a server for development prints its key when it starts."


class BadRequest(RequestRefused):
    """400, 413 or 422: a value in the request is not one the server takes."""

    advice = "Correct the value the sentence names and connect again."


class Conflict(RequestRefused):
    """409: what was asked contradicts what is there."""

    advice = "Use the value the channel was opened with, or another channel."


class NameTaken(Conflict):
    """409: another agent of the channel has this name."""

    advice = "Take another agent name, or resume with the session id of the agent that has it."


class NoSeat(Conflict):
    """409: the channel is full."""

    advice = "Try again later, or take another channel."


class SessionGone(RequestRefused):
    """404 or 410: the server does not know the session (any more)."""

    advice = "Connect anew: the session ended, or was away for longer than the server keeps it."


class Throttled(RequestRefused):
    """429: too many requests in too short a time."""

    advice = "Wait for retry_after_s seconds before the next attempt."


class ServerFault(RequestRefused):
    """5xx: the server could not do it now: it stops, starts, or is out of order."""

    advice = "Try again in a moment; if it persists, the server's log tells more."


class UnexpectedAnswer(MessagingError):
    """Something answered under the server's address, but not in the words of a netplay server."""


class LinkFailed(MessagingError):
    """One transport could not be opened, or broke. `code` is a close code (docs/protocol/errors.md)."""

    def __init__(self, transport: str, code: int, reason: str) -> None:
        self.transport = transport
        self.code = code
        self.reason = reason
        super().__init__(f"{transport}: {reason or code_sentence(code)}")


class NoTransport(MessagingError):
    """The server was reached by HTTP, yet none of its transports could be opened."""

    def __init__(self, attempts: Sequence[LinkFailed]) -> None:
        self.attempts = tuple(attempts)
        told = "; ".join(str(attempt) for attempt in attempts) or "the server offered none that was asked for"
        super().__init__(
            f"No transport to the server could be opened ({told}). "
            "Check the transports= argument, and that the server's port is reachable over TCP and over UDP."
        )


class ChannelClosed(MessagingError):
    """The session ended. `code` is the close code, `reason` the server's words, `remote` who ended it."""

    advice = "Connect again to go on."

    def __init__(self, code: int, reason: str = "", *, remote: bool = True) -> None:
        self.code = code
        self.reason = reason
        self.remote = remote
        who = "The server ended the session" if remote else "The session ended"
        why = code_sentence(code)
        super().__init__(f"{who}: {why}{f' ({reason})' if reason else ''}. {self.advice}")


class Kicked(ChannelClosed):
    """The server, or an owner of the channel, sent this agent away."""

    advice = "The agent is not wanted here; connecting again at once will not help."


class Replaced(ChannelClosed):
    """The session went on elsewhere: another client resumed it with the same session id."""

    advice = "Use one client for each session."


class ChannelFull(ChannelClosed):
    """The channel has no seat left."""

    advice = "Try again later, or another channel."


class NotAllowed(ChannelClosed):
    """The key does not allow this."""

    advice = "Use a key with the needed rights."


class SessionLost(ChannelClosed):
    """The session could not be resumed: the server no longer has it, or the time to come back is over."""

    advice = "Connect again: messages sent meanwhile by others are lost to this agent."


class ServerReadsAlong(MessagingError):
    """The channel is readable: the server has to see what is said in it, and this agent did not expect that."""

    def __init__(self, channel: str, game: str | None) -> None:
        self.game = game
        why = f"the server runs {game!r} in it" if game else "the server says so"
        with_game = f"game={game!r}" if game else "encrypt=False"
        super().__init__(
            f"The channel {channel!r} cannot be encrypted end to end: {why}. "
            f"Connect with {with_game} where that is what you want, or take another channel."
        )


class NotConnected(MessagingError):
    """The session has not been welcomed by the server yet: wait until it is ready, then send."""


class UnknownAgent(MessagingError):
    """`to` names an agent that is not in the channel. `agents` lists those who are."""


class OutboxFull(MessagingError):
    """Too much waits for the server's acknowledgement: the link is slower than the sending, or away.

    Nothing was queued. Await earlier receipts before sending more, or use unreliable or sequenced delivery.
    """


class MessageRefused(MessagingError):
    """The server took a message and refused to pass it on; `code` is the server's number for the reason."""

    def __init__(self, code: int, text: str) -> None:
        self.code = code
        self.text = text
        super().__init__(f"The server refused the message: {text}")


class MessagesMissed(MessagingError):
    """`count` received messages were dropped because the program did not read them in time.

    Raised once by the iteration, at the place of the gap; iterate again to go on. Read faster, raise
    `inbox_limit`, or handle messages in a callback.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        super().__init__(f"{count} messages were dropped: the inbox was full because nobody read it in time.")


_SENTENCES: dict[int, str] = {
    CloseCode.NORMAL: "closed normally",
    CloseCode.KICKED: "sent away",
    CloseCode.REPLACED: "another client took the session over",
    CloseCode.CHANNEL_FULL: "the channel is full",
    CloseCode.NOT_ALLOWED: "not allowed",
    CloseCode.PROTOCOL_VIOLATION: "one side broke the protocol",
    CloseCode.FRAME_ENCODING: "malformed bytes arrived",
    CloseCode.LIMIT_EXCEEDED: "a limit was exceeded",
    CloseCode.VERSION: "client and server speak different versions",
    CloseCode.SERVER_SHUTDOWN: "the server stops",
    CloseCode.SLOW_CONSUMER: "messages were not read in time",
    CloseCode.RATE_LIMIT: "too many messages in too short a time",
    CloseCode.IDLE: "nothing was heard from the other side",
    CloseCode.INTERNAL: "an internal error",
    CloseCode.TOKEN_REFUSED: "the connect token was refused",
    0x381: "the session could not be resumed",
}

SESSION_UNKNOWN = 0x381
"""The code with which a session ends that could not be resumed (docs/protocol/errors.md)."""

_CLOSED: dict[int, type[ChannelClosed]] = {
    CloseCode.KICKED: Kicked,
    CloseCode.REPLACED: Replaced,
    CloseCode.CHANNEL_FULL: ChannelFull,
    CloseCode.NOT_ALLOWED: NotAllowed,
    SESSION_UNKNOWN: SessionLost,
}

_REFUSED: dict[int, type[RequestRefused]] = {
    400: BadRequest,
    401: BadApiKey,
    403: BadApiKey,
    404: SessionGone,
    409: Conflict,
    410: SessionGone,
    413: BadRequest,
    415: BadRequest,
    422: BadRequest,
    429: Throttled,
}


_REFUSED_TYPES: dict[str, type[RequestRefused]] = {
    "name-taken": NameTaken,
    "channel-full": NoSeat,
    "session-unknown": SessionGone,
    "session-refused": SessionGone,
    "no-such-agent": BadRequest,
}


def code_sentence(code: int) -> str:
    """A few plain words for a close code; an unknown one is given as its number."""
    known = _SENTENCES.get(code)
    if known is not None:
        return known
    return f"code {code:#x}" + (", come back later" if may_come_back(code) else "")


def channel_closed(code: int, reason: str, *, remote: bool) -> ChannelClosed:
    """The exception for a session that ended with `code`."""
    return _CLOSED.get(code, ChannelClosed)(code, reason, remote=remote)


def request_refused(
    status: int, detail: str, *, slug: str, code: int | None, retry_after_s: float | None, may_retry: bool
) -> RequestRefused:
    """The exception for an HTTP answer of `status`."""
    by_status = _REFUSED.get(status, ServerFault if status >= 500 else RequestRefused)
    kind = _REFUSED_TYPES.get(slug, by_status)
    return kind(status, detail, type=slug, code=code, retry_after_s=retry_after_s, may_retry=may_retry)
