"""What the link tests see: handlers that write down what they were told, and a way to wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from hub.errors import ChannelError, ErrorCode
from hub.ports import Link
from netcore.delivery import Delivery

PATIENCE_S = 5.0
REFUSED_CLAIMS = b"refuse me"


class Changes:
    """Wakes those who wait whenever anything was written down."""

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[None]] = []

    def notify(self) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def until(self, condition: Callable[[], object], timeout_s: float = PATIENCE_S) -> None:
        """Return once `condition` holds; it is looked at after every change and now and then."""
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout_s
        while not condition():
            left = end - loop.time()
            assert left > 0, "waited in vain"
            future: asyncio.Future[None] = loop.create_future()
            self._waiting.append(future)
            await asyncio.wait([future], timeout=min(left, 0.02))


@dataclass
class Recorder:
    """A `LinkHandler`, and the receiving half of a remote."""

    changes: Changes
    messages: list[tuple[int, Delivery, int, bytes]] = field(default_factory=list)
    closes: list[tuple[int, str, bool]] = field(default_factory=list)
    on_message: Callable[[int, Delivery, int, bytes], None] | None = None

    def link_message(self, lane: int, kind: Delivery, key: int, data: bytes) -> None:
        assert not self.closes, "a message after the close"
        self.messages.append((lane, kind, key, data))
        if self.on_message is not None:
            self.on_message(lane, kind, key, data)
        self.changes.notify()

    def link_closed(self, code: int, reason: str, remote: bool) -> None:
        self.closes.append((code, reason, remote))
        self.changes.notify()

    def data_of(self, lane: int) -> list[bytes]:
        return [data for at, _, _, data in self.messages if at == lane]


class RecordingAcceptor:
    """A `LinkAcceptor` that takes every claim but one."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self.links: list[Link] = []
        self.claims: list[bytes] = []
        self.handlers: list[Recorder] = []

    def attach(self, claims: bytes, link: Link) -> Recorder:
        self.claims.append(claims)
        if claims == REFUSED_CLAIMS:
            self._changes.notify()
            raise ChannelError(ErrorCode.LINK_REFUSED, "this token is for something else")
        handler = Recorder(self._changes)
        self.links.append(link)
        self.handlers.append(handler)
        self._changes.notify()
        return handler
