"""Parked messages: those that arrived before the announcement of their sender or their type.

docs/protocol/messaging.md: lanes are independent, so a message may overtake the control message that
explains it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from messaging.envelope import Delivered
from messaging.errors import ProtocolError
from messaging.lanes import TO_CLIENT_ORDERED, TO_CLIENT_RELIABLE, TO_CLIENT_SEQUENCED
from netcore.codes import CloseCode

MAX_EPHEMERAL: Final = 256
"""So many unreliable and sequenced messages wait at most; the oldest goes."""
MAX_STREAM: Final = 1024
"""So many stream messages wait at most: no honest server has more of them unacknowledged."""

_KEEP_ORDER = frozenset({TO_CLIENT_ORDERED, TO_CLIENT_SEQUENCED})
_STREAM = frozenset({TO_CLIENT_ORDERED, TO_CLIENT_RELIABLE})


class Parking:
    """Holds messages back until they are understood; keeps order on the ordered and the sequenced lane."""

    __slots__ = ("_is_known", "_parked", "_stream_count", "dropped")

    def __init__(self, is_known: Callable[[Delivered], bool]) -> None:
        """`is_known` tells whether a message's sender and type have been announced."""
        self._is_known = is_known
        self._parked: deque[tuple[int, Delivered]] = deque()
        self._stream_count = 0
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._parked)

    def admit(self, lane: int, delivery: Delivered) -> bool:
        """True where the message may be handed on now; else it is parked. Raises ProtocolError at the cap."""
        if self._is_known(delivery) and not (self._parked and lane in _KEEP_ORDER and self._blocked(lane)):
            return True
        if lane in _STREAM:
            if self._stream_count >= MAX_STREAM:
                raise ProtocolError(CloseCode.LIMIT_EXCEEDED, "parked_messages")
            self._stream_count += 1
        elif len(self._parked) - self._stream_count >= MAX_EPHEMERAL:
            self._drop_oldest_ephemeral()
        self._parked.append((lane, delivery))
        return False

    def released(self) -> list[tuple[int, Delivered]]:
        """The messages that can be handed on since the last announcement, in order; they are no longer
        parked."""
        ready: list[tuple[int, Delivered]] = []
        still: deque[tuple[int, Delivered]] = deque()
        blocked: set[int] = set()
        for lane, delivery in self._parked:
            if lane not in blocked and self._is_known(delivery):
                ready.append((lane, delivery))
                self._stream_count -= lane in _STREAM
                continue
            still.append((lane, delivery))
            if lane in _KEEP_ORDER:
                blocked.add(lane)
        self._parked = still
        return ready

    def _blocked(self, lane: int) -> bool:
        return any(parked_lane == lane for parked_lane, _ in self._parked)

    def _drop_oldest_ephemeral(self) -> None:
        for position, (lane, _) in enumerate(self._parked):
            if lane not in _STREAM:
                del self._parked[position]
                self.dropped += 1
                return
