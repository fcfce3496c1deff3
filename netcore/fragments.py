"""Fragments: messages too big for one packet, cut by the sender, joined by the receiver.

docs/protocol/ncp.md, section 9. All parts of a message have the same size but for the last, which may be
shorter.
"""

from __future__ import annotations

from typing import Final

from netcore.codes import CloseCode
from netcore.errors import ProtocolError

PART_BYTES: Final = 1136
"""Largest whole message and largest part: with any header and a short ACK it fits a packet of 1,200 bytes."""
MIN_PART_BYTES: Final = 256
"""Every part but the last holds this much, so that parts in memory are bounded by bytes."""
MAX_RELIABLE_PARTS: Final = 1024
MAX_UNRELIABLE_PARTS: Final = 16
MAX_UNRELIABLE_BYTES: Final = PART_BYTES * MAX_UNRELIABLE_PARTS
MESSAGE_COST: Final = 64
"""What a message counts in a receiver's budget beside its bytes, at both ends."""
REASSEMBLY_TIMEOUT_S: Final = 1.0


def part_size(length: int) -> int:
    """Bytes of each part but the last, for a message of `length` bytes above PART_BYTES."""
    count = -(-length // PART_BYTES)
    return -(-length // count)


def part_count(length: int) -> int:
    """Parts of a message of `length` bytes above PART_BYTES."""
    return -(-length // part_size(length))


class PartialMessage:
    """The parts of one message that have arrived."""

    __slots__ = ("_last", "_part_bytes", "_parts", "size", "started_at")

    def __init__(self, last: int, now: float) -> None:
        """`last` is the highest index, as the first part told it."""
        self._last = last
        self._parts: dict[int, bytes] = {}
        self._part_bytes = 0  # of every part but the last; 0 until one of them arrived
        self.size = 0
        self.started_at = now

    def add(self, index: int, last: int, data: bytes) -> int:
        """Bytes that this part adds; 0 where it is a repetition.

        Raises `ProtocolError(PROTOCOL_VIOLATION)` where it does not fit the other parts.
        """
        if last != self._last:
            raise ProtocolError(CloseCode.PROTOCOL_VIOLATION, "fragment_last")
        size = len(data)
        if index < last:
            if self._part_bytes == 0:
                final = self._parts.get(last)
                if size < MIN_PART_BYTES or (final is not None and len(final) > size):
                    raise ProtocolError(CloseCode.PROTOCOL_VIOLATION, "fragment_size")
                self._part_bytes = size
            elif size != self._part_bytes:
                raise ProtocolError(CloseCode.PROTOCOL_VIOLATION, "fragment_size")
        elif not size or (self._part_bytes and size > self._part_bytes):
            raise ProtocolError(CloseCode.PROTOCOL_VIOLATION, "fragment_size")
        if index in self._parts:
            return 0
        self._parts[index] = data
        self.size += size
        return size

    def joined(self) -> bytes | None:
        """The whole message once every part is there."""
        if len(self._parts) <= self._last:
            return None
        return b"".join([self._parts[index] for index in range(self._last + 1)])


class Reassembly:
    """Unfinished unreliable and sequenced messages of a connection: bounded in bytes and in time."""

    __slots__ = ("_limit_bytes", "_sets", "_used_bytes", "dropped")

    def __init__(self, limit_bytes: int) -> None:
        """`limit_bytes` of parts, each set counted with MESSAGE_COST bytes more."""
        self._limit_bytes = limit_bytes
        self._sets: dict[tuple[int, int, int], PartialMessage] = {}
        self._used_bytes = 0
        self.dropped = 0
        """Sets that never became whole."""

    def add(
        self, slot: int, number: int, key: int, index: int, last: int, data: bytes, now: float
    ) -> bytes | None:
        """The whole message where this part completes it. Older sets of the same (slot, key) end with it.

        Raises `ProtocolError` for too many parts or parts that do not fit together.
        """
        if last >= MAX_UNRELIABLE_PARTS:
            raise ProtocolError(CloseCode.LIMIT_EXCEEDED, "fragment_parts")
        self._expire(now)
        name = (slot, key, number)
        partial = self._sets.get(name)
        if partial is None:
            partial = self._sets[name] = PartialMessage(last, now)
            self._used_bytes += MESSAGE_COST
        self._used_bytes += partial.add(index, last, data)
        whole = partial.joined()
        if whole is not None:
            self._remove(name)
            self._end_older(slot, key, number)
        while self._used_bytes > self._limit_bytes:
            self._drop(next(iter(self._sets)))
        return whole

    def _end_older(self, slot: int, key: int, number: int) -> None:
        if self._sets:
            for name in [name for name in self._sets if name[0] == slot and name[1] == key]:
                if (number - name[2]) & 0xFFFF < 0x8000:
                    self._drop(name)

    def _expire(self, now: float) -> None:
        while self._sets:
            name = next(iter(self._sets))
            if now - self._sets[name].started_at < REASSEMBLY_TIMEOUT_S:
                return
            self._drop(name)

    def _drop(self, name: tuple[int, int, int]) -> None:
        self.dropped += 1
        self._remove(name)

    def _remove(self, name: tuple[int, int, int]) -> None:
        self._used_bytes -= self._sets.pop(name).size + MESSAGE_COST

    @property
    def used_bytes(self) -> int:
        """Bytes counted against the limit."""
        return self._used_bytes
