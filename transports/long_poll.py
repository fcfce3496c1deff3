"""The long-poll transport: links over plain HTTP requests, for networks where nothing else passes.

Pure of HTTP itself: `signaling.routes.links` hands the bodies in. docs/protocol/long-poll.md.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from hub.errors import ChannelError
from hub.ports import LinkAcceptor
from messaging.link_frames import MAX_FRAME_DATA_BYTES
from messaging.poll_bodies import decode_open
from netcore.errors import ProtocolError
from transports.framed_link import FramedLink
from transports.long_poll_carrier import LongPollCarrier
from transports.outgoing import QueueLimits
from transports.websocket import Redeemer

SECRET_BYTES: Final = 24
TRANSPORT: Final = "long-poll"


@dataclass(frozen=True, slots=True)
class LongPollConfig:
    """How links over long poll behave. Times in seconds."""

    wait_s: float = 25.0
    """How long a poll waits for something to answer with."""
    idle_timeout_s: float = 15.0
    """A link without a request, waiting or arriving, for so long is gone."""
    linger_s: float = 5.0
    """How long a closed link can still be asked for its last batches."""
    max_message_bytes: int = MAX_FRAME_DATA_BYTES
    answer_budget_bytes: int = 65_536
    """What one answer takes from the queue where not everything fits."""
    queue: QueueLimits = field(default_factory=QueueLimits)


@dataclass(slots=True)
class LongPollStats:
    """Counters since start."""

    opened: int = 0
    """Links attached."""
    tokens_refused: int = 0
    attach_refused: int = 0
    """Tokens that were good while the hub refused their session."""
    polls: int = 0
    uploads: int = 0
    repeated: int = 0
    """Uploads and answers that came, or were asked for, a second time."""
    replaced: int = 0
    """Polls that a newer one of the same link ended."""
    idle: int = 0
    """Links that ended because nobody asked any more."""
    unknown: int = 0
    """Requests of links that are not here."""
    malformed: dict[int, int] = field(default_factory=dict)
    """Links closed for a broken rule, by close code."""

    def count_malformed(self, code: int) -> None:
        """One more link closed with `code`."""
        self.malformed[code] = self.malformed.get(code, 0) + 1


class UnknownLink(Exception):
    """No link has this secret: it never was, or has ended."""


class LongPollTransport:
    """Every link over long poll, by the hash of its secret."""

    def __init__(
        self,
        gate: Redeemer,
        acceptor: LinkAcceptor,
        config: LongPollConfig | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """`gate` is shared by every transport, so that a token works once anywhere. The running loop is
        looked up with the first link."""
        self.gate = gate
        self.acceptor = acceptor
        self.config = config or LongPollConfig()
        self.clock = clock
        self.wall = wall
        self.stats = LongPollStats()
        self.loop: asyncio.AbstractEventLoop
        self._carriers: dict[bytes, LongPollCarrier] = {}
        self._woken: list[LongPollCarrier] = []

    @property
    def links(self) -> int:
        """How many links there are, closed ones that linger included."""
        return len(self._carriers)

    def open(self, body: bytes) -> str:
        """Open a link by the token in `body`; its secret, for the requests to come.

        Raises ProtocolError where the token is not good, ChannelError where its session refuses the link.
        """
        try:
            opened = self.gate.redeem(decode_open(body), self.wall())
        except ProtocolError:
            self.stats.tokens_refused += 1
            raise
        self.loop = asyncio.get_running_loop()
        secret = secrets.token_urlsafe(SECRET_BYTES)
        name = _hashed(secret)
        carrier = LongPollCarrier(self, lambda: self._carriers.pop(name, None))
        link = FramedLink(TRANSPORT, carrier, self.config.queue, self.config.max_message_bytes)
        carrier.link = link
        try:
            link.handler = self.acceptor.attach(opened.claims, link)
        except ChannelError:
            self.stats.attach_refused += 1
            raise
        self.stats.opened += 1
        self._carriers[name] = carrier
        carrier.begin()
        return secret

    def link(self, secret: str) -> LongPollCarrier:
        """The link whose secret this is. Raises UnknownLink."""
        carrier = self._carriers.get(_hashed(secret))
        if carrier is None:
            self.stats.unknown += 1
            raise UnknownLink
        return carrier

    def wake(self, carrier: LongPollCarrier) -> None:
        """Let `carrier` answer when the present wake-up ends: one callback for however many links."""
        if not self._woken:
            self.loop.call_soon(self._end_of_wake_up)
        self._woken.append(carrier)

    def _end_of_wake_up(self) -> None:
        woken, self._woken = self._woken, []
        for carrier in woken:
            carrier.woken()


def _hashed(secret: str) -> bytes:
    # What is looked up is the hash, so the time that takes tells nothing about any secret.
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()
