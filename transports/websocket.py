"""The WebSocket transport: hands out framed links on an HTTP server's TCP port.

`WebSocketTransport.protocol` is what uvicorn's `Config(ws=...)` takes. docs/protocol/websocket.md.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from hub.ports import LinkAcceptor
from messaging.link_frames import MAX_FRAME_DATA_BYTES
from transports.outgoing import QueueLimits
from transports.websocket_protocol import WebSocketProtocol

MAX_WEBSOCKET_MESSAGE_BYTES = 524_288
"""The largest WebSocket message either side sends: several frames, or one of the largest."""


@dataclass(frozen=True, slots=True)
class WebSocketConfig:
    """How links over WebSocket behave. Times in seconds."""

    path: str = "/link"
    allowed_origins: frozenset[str] | None = None
    """Origins whose pages may open links; None: every one. Never a proof of who connects."""
    token_deadline_s: float = 3.0
    ping_interval_s: float = 10.0
    idle_timeout_s: float = 20.0
    """A link that received nothing for so long, not even a pong, is gone (checked at each ping)."""
    close_timeout_s: float = 1.0
    """How long a closed link waits for the other side before the stream is cut."""
    max_message_bytes: int = MAX_FRAME_DATA_BYTES
    max_websocket_message_bytes: int = MAX_WEBSOCKET_MESSAGE_BYTES
    write_budget_bytes: int = 49_152
    """What one write takes from the queue where not everything fits."""
    unsent_bytes: int = 16_384
    """TCP_NOTSENT_LOWAT: what the kernel may hold beyond what is on its way."""
    queue: QueueLimits = field(default_factory=QueueLimits)


@dataclass(slots=True)
class WebSocketStats:
    """Counters since start."""

    openings_refused: int = 0
    """Upgrade requests answered with a problem document."""
    opened: int = 0
    token_timeouts: int = 0
    attach_refused: int = 0
    """Tokens that were good while the hub refused their session."""
    attached: int = 0
    malformed: dict[int, int] = field(default_factory=dict)
    """Links closed for a broken rule, by close code (1002-1011: a rule of RFC 6455 itself)."""

    def count_malformed(self, code: int) -> None:
        """One more link closed with `code`."""
        self.malformed[code] = self.malformed.get(code, 0) + 1


class RedeemedToken(Protocol):
    """What the gate says of a good token."""

    @property
    def claims(self) -> bytes:
        """Opaque here: the hub reads them."""


class Redeemer(Protocol):
    """The part of `netcore.token.TokenGate` that this transport needs."""

    def redeem(self, token: bytes, wall_now: float) -> RedeemedToken:
        """Open and consume a token at once; `ProtocolError` (TOKEN_REFUSED) where it is not good, or used."""


class WebSocketTransport:
    """Makes one protocol for each upgrade and pumps those with something to send once a wake-up."""

    def __init__(
        self,
        gate: Redeemer,
        acceptor: LinkAcceptor,
        config: WebSocketConfig | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """`gate` is shared by every transport, so that a token works once anywhere. The running loop
        is looked up at the first connection."""
        self.gate = gate
        self.acceptor = acceptor
        self.config = config or WebSocketConfig()
        self.clock = clock
        self.wall = wall
        self.stats = WebSocketStats()
        self.protocols: set[WebSocketProtocol] = set()
        self.loop: asyncio.AbstractEventLoop
        self._woken: list[WebSocketProtocol] = []

    def protocol(
        self,
        config: Any = None,
        server_state: Any = None,
        app_state: Any = None,
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> WebSocketProtocol:
        """A protocol for one upgraded connection; called by uvicorn with its own objects."""
        self.loop = _loop or asyncio.get_running_loop()
        return WebSocketProtocol(self, server_state.connections if server_state is not None else set())

    def wake(self, protocol: WebSocketProtocol) -> None:
        """Pump `protocol` when the present wake-up ends: one callback for however many links."""
        if not self._woken:
            self.loop.call_soon(self._end_of_wake_up)
        self._woken.append(protocol)

    def _end_of_wake_up(self) -> None:
        woken, self._woken = self._woken, []
        for protocol in woken:
            protocol.woken()
