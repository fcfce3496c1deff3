"""Inboxes: bounded queues between the network, which never waits, and a program that reads when it likes."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

from messaging_agent.errors import MessagesMissed

T = TypeVar("T")


class Inbox(Generic[T]):
    """A queue with an end. When it is full the oldest item goes, and the reader hears of it once."""

    __slots__ = ("_ended", "_error", "_items", "_limit", "_missed", "_readers", "dropped")

    def __init__(self, limit: int) -> None:
        if limit < 1:
            raise ValueError(f"an inbox holds at least 1 item, not {limit}")
        self._limit = limit
        self._items: deque[T] = deque()
        self._readers: deque[asyncio.Future[None]] = deque()
        self._missed = 0
        self._ended = False
        self._error: Exception | None = None
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: T) -> None:
        """Add an item; never waits. Nothing happens after the end."""
        if self._ended:
            return
        if len(self._items) >= self._limit:
            self._items.popleft()
            self._missed += 1
            self.dropped += 1
        self._items.append(item)
        self._wake_one()

    def end(self, error: Exception | None = None) -> None:
        """No more items: readers get the rest, then `error`, or the end of their iteration."""
        if not self._ended:
            self._ended = True
            self._error = error
            while self._readers:
                self._wake_one()

    def take(self) -> T:
        """The oldest item of an inbox that is not empty."""
        return self._items.popleft()

    async def get(self) -> T:
        """The oldest item. Raises `MessagesMissed` once after a gap, `StopAsyncIteration` at a normal end."""
        while True:
            if self._missed:
                missed, self._missed = self._missed, 0
                raise MessagesMissed(missed)
            if self._items:
                return self._items.popleft()
            if self._ended:
                if self._error is not None:
                    raise self._error
                raise StopAsyncIteration
            reader = asyncio.get_running_loop().create_future()
            self._readers.append(reader)
            try:
                await reader
            except asyncio.CancelledError:
                if reader in self._readers:
                    self._readers.remove(reader)
                elif reader.done() and not reader.cancelled():
                    self._wake_one()  # the wake-up was for us, and we go: pass it on
                raise

    def _wake_one(self) -> None:
        while self._readers:
            reader = self._readers.popleft()
            if not reader.done():
                reader.set_result(None)
                return
