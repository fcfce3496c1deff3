"""The link feed: puts messages on the present link, no faster than the server takes them, and knows what
waits."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

from messaging.stream import StreamMessage
from messaging_agent.errors import OutboxFull
from messaging_agent.links import Link
from messaging_agent.send_budget import SendBudget
from netcore.delivery import Delivery

RETRY_S: Final = 0.02
"""How soon a link whose queue was full is tried again."""


class LinkFeed:
    """Writes to one link at a time.

    Messages of the session stream are kept by the stream whatever happens here, so those that wait for the
    budget or for a full link are forgotten with the link, and come back with the replay on the next one.
    """

    __slots__ = ("_budget", "_link", "_retry_at", "_waiting")

    def __init__(self, now: float) -> None:
        self._budget = SendBudget(now)
        self._link: Link | None = None
        self._waiting: deque[tuple[int, Delivery, bytes]] = deque()
        self._retry_at = 0.0

    def use(self, link: Link | None, replay: Iterable[StreamMessage] = ()) -> None:
        """Write to `link` from now on, beginning with the stream messages in `replay`; None: to nobody."""
        self._link = link
        self._retry_at = 0.0
        self._waiting = deque((kept.lane, kept.kind, kept.wire()) for kept in replay)

    def stream_message(self, lane: int, kind: Delivery, wire: bytes, now: float) -> None:
        """A message that the session stream keeps: now, or as soon as the budget and the link allow."""
        if self._link is not None:
            self._waiting.append((lane, kind, wire))
            if len(self._waiting) == 1:
                self.drain(now)

    def ephemeral(self, lane: int, kind: Delivery, wire: bytes, key: int, now: float) -> None:
        """A message that is worthless later: now."""
        if self._link is not None:
            self._budget.spend(len(wire), now)
            self._link.send(lane, kind, wire, key)

    def control(self, lane: int, kind: Delivery, wire: bytes, now: float) -> bool:
        """A message about the link itself: now. False where the link did not take it."""
        if self._link is None:
            return False
        self._budget.spend(len(wire), now)
        try:
            self._link.send(lane, kind, wire)
        except OutboxFull:
            return False
        return True

    def flush(self) -> None:
        """Let what the link has go out."""
        if self._link is not None:
            self._link.flush()

    def next_timer(self, now: float) -> float | None:
        """When `drain` can do more; None where nothing waits."""
        if not self._waiting or self._link is None:
            return None
        return max(self._retry_at, self._budget.ready_at(len(self._waiting[0][2]), now))

    def drain(self, now: float) -> bool:
        """Put on the link what waits and may go. True where something went."""
        link, waiting = self._link, self._waiting
        if link is None or now < self._retry_at:
            return False
        went = False
        while waiting and self._budget.take(len(waiting[0][2]), now):
            lane, kind, wire = waiting[0]
            try:
                link.send(lane, kind, wire)
            except OutboxFull:
                self._retry_at = now + RETRY_S
                break
            waiting.popleft()
            went = True
        return went
