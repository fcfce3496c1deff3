"""What a link still has to send: the latest sequenced message wins, the oldest unreliable one gives way.

The queue stands above a byte stream that takes bytes only as fast as the receiver does. While the stream is
stuck, messages wait here, where a newer state can still replace an older one.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Final

from hub.ports import QueueFull
from netcore.delivery import Delivery

_SEQUENCED: Final = Delivery.SEQUENCED
_UNRELIABLE: Final = Delivery.UNRELIABLE


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """Caps of one link's queue. Bytes count whole frames.

    The reliable caps stand above what a session keeps unacknowledged (1,000 messages, 1 MiB), so that a
    resumed session's replay fits together with the presence messages before it.
    """

    reliable_messages: int = 4_096
    reliable_bytes: int = 2_097_152
    sequenced_bytes: int = 1_048_576
    unreliable_messages: int = 1_024
    unreliable_bytes: int = 262_144


class OutgoingQueue:
    """Frames that wait for a byte stream, each kind under its own policy.

    Order is kept within a lane. Across kinds reliable frames go first, then the newest states, then the rest;
    a partial `take` gives each of the three its share, so none starves another.
    """

    __slots__ = (
        "_limits",
        "_reliable",
        "_reliable_bytes",
        "_sequenced",
        "_sequenced_bytes",
        "_unreliable",
        "_unreliable_bytes",
        "dropped",
        "replaced",
    )

    def __init__(self, limits: QueueLimits) -> None:
        """An empty queue."""
        self._limits = limits
        self._reliable: deque[bytes] = deque()
        self._sequenced: OrderedDict[int, bytes] = OrderedDict()
        self._unreliable: deque[bytes] = deque()
        self._reliable_bytes = 0
        self._sequenced_bytes = 0
        self._unreliable_bytes = 0
        self.dropped = 0
        """Frames that gave way at a cap."""
        self.replaced = 0
        """Sequenced frames that a newer one of the same lane and key replaced."""

    def __len__(self) -> int:
        return len(self._reliable) + len(self._sequenced) + len(self._unreliable)

    @property
    def size_bytes(self) -> int:
        """Bytes of every waiting frame."""
        return self._reliable_bytes + self._sequenced_bytes + self._unreliable_bytes

    def put(self, lane: int, kind: Delivery, key: int, frame: bytes) -> None:
        """Queue one encoded frame. Raises `hub.ports.QueueFull` for a reliable or ordered one at the cap."""
        if kind is _SEQUENCED:
            self._put_sequenced(key << 6 | lane, frame)
        elif kind is _UNRELIABLE:
            self._put_unreliable(frame)
        else:
            size = self._reliable_bytes + len(frame)
            if len(self._reliable) >= self._limits.reliable_messages or size > self._limits.reliable_bytes:
                raise QueueFull(
                    f"{len(self._reliable)} reliable messages of {self._reliable_bytes} bytes wait already"
                )
            self._reliable.append(frame)
            self._reliable_bytes = size

    def _put_sequenced(self, place: int, frame: bytes) -> None:
        # A replaced frame keeps its place in the queue: a key that changes often is not pushed back for ever.
        older = self._sequenced.get(place)
        if older is not None:
            self.replaced += 1
            self._sequenced_bytes -= len(older)
        self._sequenced[place] = frame
        self._sequenced_bytes += len(frame)
        while self._sequenced_bytes > self._limits.sequenced_bytes and len(self._sequenced) > 1:
            _, oldest = self._sequenced.popitem(last=False)
            self._sequenced_bytes -= len(oldest)
            self.dropped += 1

    def _put_unreliable(self, frame: bytes) -> None:
        waiting = self._unreliable
        waiting.append(frame)
        self._unreliable_bytes += len(frame)
        limits = self._limits
        while len(waiting) > limits.unreliable_messages or (
            self._unreliable_bytes > limits.unreliable_bytes and len(waiting) > 1
        ):
            self._unreliable_bytes -= len(waiting.popleft())
            self.dropped += 1

    def take(self, budget_bytes: int) -> list[bytes]:
        """The next frames to write together: all where they fit `budget_bytes`, else a share of each kind.

        At least one frame where any waits, however large; never a second one that would pass the budget.
        """
        if self.size_bytes <= budget_bytes:
            frames = [*self._reliable, *self._sequenced.values(), *self._unreliable]
            self.clear()
            return frames
        frames = []
        share = budget_bytes // 3
        used = self._take_from(self._reliable, frames, 0, share, budget_bytes)
        self._reliable_bytes -= used
        sequenced = self._take_sequenced(frames, used, share, budget_bytes)
        self._sequenced_bytes -= sequenced
        used += sequenced
        self._unreliable_bytes -= self._take_from(self._unreliable, frames, used, share, budget_bytes)
        return frames

    @staticmethod
    def _take_from(waiting: deque[bytes], frames: list[bytes], used: int, share: int, budget: int) -> int:
        taken = 0
        while waiting and taken < share:
            size = len(waiting[0])
            if frames and used + taken + size > budget:
                break
            frames.append(waiting.popleft())
            taken += size
        return taken

    def _take_sequenced(self, frames: list[bytes], used: int, share: int, budget: int) -> int:
        waiting = self._sequenced
        taken = 0
        while waiting and taken < share:
            place = next(iter(waiting))
            size = len(waiting[place])
            if frames and used + taken + size > budget:
                break
            frames.append(waiting.pop(place))
            taken += size
        return taken

    def clear(self) -> None:
        """Forget every waiting frame; nothing is counted as dropped."""
        self._reliable.clear()
        self._sequenced.clear()
        self._unreliable.clear()
        self._reliable_bytes = self._sequenced_bytes = self._unreliable_bytes = 0
