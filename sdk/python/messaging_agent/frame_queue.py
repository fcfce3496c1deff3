"""What waits to be written on a byte-stream link: in order, bounded, with latest-wins where that is meant."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Final

from messaging.link_frames import encode_frame
from messaging_agent.errors import OutboxFull
from netcore.delivery import Delivery

MAX_RELIABLE_BYTES: Final = 2 * 1024 * 1024
MAX_RELIABLE_FRAMES: Final = 4096
MAX_UNRELIABLE_BYTES: Final = 256 * 1024
MAX_SEQUENCED_FRAMES: Final = 1024


class FrameQueue:
    """Frames waiting behind a slow byte stream.

    A sequenced message replaces the waiting one of its lane and key, unreliable ones push out the oldest
    above 256 KiB, reliable and ordered ones raise `OutboxFull` above 2 MiB or 4,096 frames.
    """

    __slots__ = (
        "_frames",
        "_next",
        "_reliable_bytes",
        "_reliable_count",
        "_sequenced",
        "_unreliable",
        "_unreliable_bytes",
        "dropped",
    )

    def __init__(self) -> None:
        self._frames: OrderedDict[int, tuple[Delivery, bytes, tuple[int, int]]] = OrderedDict()
        self._sequenced: dict[tuple[int, int], int] = {}
        self._unreliable: deque[int] = deque()
        self._unreliable_bytes = 0
        self._reliable_bytes = 0
        self._reliable_count = 0
        self._next = 0
        self.dropped = 0
        """Messages that newer ones pushed out."""

    def __len__(self) -> int:
        return len(self._frames)

    def add(self, lane: int, kind: Delivery, key: int, data: bytes) -> None:
        """Queue one message as a frame."""
        frame = encode_frame(lane, kind, key, data)
        slot = (lane, key)
        if kind is Delivery.SEQUENCED:
            waiting = self._sequenced.get(slot)
            if waiting is not None:
                self._frames[waiting] = (kind, frame, slot)
                self.dropped += 1
                return
            if len(self._sequenced) >= MAX_SEQUENCED_FRAMES:
                self._drop_oldest_sequenced()
            self._sequenced[slot] = self._next
        elif kind is Delivery.UNRELIABLE:
            self._unreliable.append(self._next)
            self._unreliable_bytes += len(frame)
        else:
            too_many = self._reliable_count >= MAX_RELIABLE_FRAMES
            if too_many or self._reliable_bytes + len(frame) > MAX_RELIABLE_BYTES:
                raise OutboxFull(f"{self._reliable_count} messages wait for a link that does not take them.")
            self._reliable_count += 1
            self._reliable_bytes += len(frame)
        self._frames[self._next] = (kind, frame, slot)
        self._next += 1
        while self._unreliable_bytes > MAX_UNRELIABLE_BYTES and len(self._unreliable) > 1:
            self._drop_oldest_unreliable()

    def take(self, max_bytes: int) -> bytes:
        """The oldest frames up to `max_bytes`, at least one where any waits, as one byte string."""
        taken: list[bytes] = []
        size = 0
        while self._frames:
            serial, (kind, frame, slot) = next(iter(self._frames.items()))
            if taken and size + len(frame) > max_bytes:
                break
            del self._frames[serial]
            taken.append(frame)
            size += len(frame)
            if kind is Delivery.SEQUENCED:
                del self._sequenced[slot]
            elif kind is Delivery.UNRELIABLE:
                self._unreliable.popleft()
                self._unreliable_bytes -= len(frame)
            else:
                self._reliable_count -= 1
                self._reliable_bytes -= len(frame)
        return b"".join(taken)

    def _drop_oldest_sequenced(self) -> None:
        slot, serial = next(iter(self._sequenced.items()))
        del self._sequenced[slot], self._frames[serial]
        self.dropped += 1

    def _drop_oldest_unreliable(self) -> None:
        _, frame, _ = self._frames.pop(self._unreliable.popleft())
        self._unreliable_bytes -= len(frame)
        self.dropped += 1
