"""Unreliable lanes, sending side: what waits, and its frames (docs/protocol/ncp.md, section 9).

A lane queues messages and, when a packet is being filled, writes as many of them into the `Draft` as fit.
Frames are three pieces in `Draft.parts` (head, length, data), joined once a packet.
"""

from __future__ import annotations

from typing import Any, Final

from netcore.delivery import Delivery
from netcore.fragments import (
    MAX_UNRELIABLE_BYTES,
    MESSAGE_COST,
    PART_BYTES,
    part_count,
    part_size,
)
from netcore.frames import message_head
from netcore.recovery import Part
from netcore.stats import ConnectionStats
from netcore.varint import SHORT_VARINTS

_FOREVER: Final = float("inf")


class Draft:
    """A packet being filled. `parts` holds three pieces a message after whatever frames stand in front."""

    __slots__ = ("chunks", "messages", "parts", "room", "whole")

    def __init__(self) -> None:
        """Empty, without room: `reset` first."""
        self.parts: list[bytes] = []
        self.whole = 0
        """Length of `parts` after a frame that is one piece: a shared one, which keeps its length field."""
        self.room = 0
        self.chunks: list[Part] | None = None
        """Parts inside whose fate matters, for the record of sent packets."""
        self.messages = 0

    def note(self, part: Part) -> None:
        """What was just written has a fate that somebody wants to know."""
        if self.chunks is None:
            self.chunks = [part]
        else:
            self.chunks.append(part)

    def reset(self, room: int) -> None:
        """Start a packet with `room` bytes for frames."""
        self.parts = []
        self.whole = 0
        self.room = room
        self.chunks = None
        self.messages = 0


class UnreliableSender:
    """Messages that go out once or not at all; the oldest are dropped at the byte cap, or when their time is
    up."""

    __slots__ = (
        "_cap",
        "_cost",
        "_cut",
        "_fresh",
        "_head",
        "_next_id",
        "_ready",
        "_ready_lanes",
        "_slot",
        "_stats",
        "_ttl_s",
        "_waiting",
        "kind",
    )

    def __init__(
        self,
        lane: int,
        cap_bytes: int,
        ready_lanes: list[Any],
        stats: ConnectionStats,
        ttl_s: float | None = None,
    ) -> None:
        """`cap_bytes` of unsent messages, each counted with MESSAGE_COST bytes more; `ttl_s` of those that are
        put without one."""
        self._ttl_s = ttl_s
        self.kind = Delivery.UNRELIABLE
        self._slot = lane
        self._head = message_head(lane)
        self._cap = cap_bytes
        self._stats = stats
        self._fresh: list[tuple[bytes, float | None]] = []
        self._waiting: list[tuple[bytes, float]] = []  # with deadlines; all older than those in _fresh
        self._cut: Cut | None = None
        self._cost = 0
        self._next_id = 0
        self._ready = False
        self._ready_lanes = ready_lanes

    def put(self, data: bytes, key: int, ttl_s: float | None) -> None:
        """Queue a message; `ttl_s` counts from the flush that first could not send it. What is being sent in parts
        is sent to its end."""
        size = len(data)
        if size > MAX_UNRELIABLE_BYTES:
            raise ValueError(f"unreliable message of {size} bytes; the limit is {MAX_UNRELIABLE_BYTES}")
        if key:
            raise ValueError(f"key {key} on an unreliable lane; only sequenced lanes have keys")
        if ttl_s is None:
            ttl_s = self._ttl_s
        elif not ttl_s >= 0:
            raise ValueError(f"ttl of {ttl_s} s, must be 0 or more")
        self._fresh.append((data, ttl_s))
        self._cost += size + MESSAGE_COST
        if self._cost > self._cap:
            self._drop_oldest()
        if not self._ready:
            self._ready = True
            self._ready_lanes.append(self)

    def _drop_oldest(self) -> None:
        while self._cost > self._cap and len(self._fresh) + len(self._waiting) > 1:
            data = (self._waiting or self._fresh).pop(0)[0]
            self._cost -= len(data) + MESSAGE_COST
            self._stats.dropped_queue += 1

    def stamp(self, now: float) -> None:
        """A flush could not send everything: start the clock of what is left."""
        for data, ttl_s in self._fresh:
            self._waiting.append((data, _FOREVER if ttl_s is None else now + ttl_s))
        self._fresh.clear()

    def _expire(self, now: float) -> None:
        live = [entry for entry in self._waiting if entry[1] > now]
        self._stats.dropped_ttl += len(self._waiting) - len(live)
        self._waiting = live
        self._recount()

    def _recount(self) -> None:
        queues: tuple[list[Any], list[Any]] = (self._waiting, self._fresh)
        self._cost = sum(len(entry[0]) + MESSAGE_COST for queue in queues for entry in queue)

    def fill(self, draft: Draft, now: float) -> bool:
        """Write what fits into `draft`. False where the packet is full and more is left."""
        if self._cut is not None:
            if not self._cut.fill(draft):
                return False
            self._cut = None
        if self._waiting:
            self._expire(now)
            if not self._fill_from(self._waiting, draft):
                return False
        if not self._fill_from(self._fresh, draft):
            return False
        self._cost = 0
        self._ready = False
        return True

    def _fill_from(self, queue: list[Any], draft: Draft) -> bool:
        parts, room, head = draft.parts, draft.room, self._head
        need = len(head)
        done = 0
        for data, _ in queue:
            size = len(data)
            if size > PART_BYTES:
                draft.room = room
                done += 1
                self._cut = Cut(data, self._slot, self._next_id, b"")
                self._next_id += 1
                if not self._cut.fill(draft):
                    break
                self._cut = None
                room = draft.room
                continue
            if need + size > room:
                draft.room = room
                break
            length = SHORT_VARINTS[size]
            parts += (head, length, data)
            room -= need + len(length) + size
            done += 1
        else:
            draft.room = room
            draft.messages += done
            queue.clear()
            return True
        draft.messages += done
        del queue[:done]
        self._recount()
        return False

    def queued_bytes(self) -> int:
        """Unsent bytes."""
        return int(self._cost) - MESSAGE_COST * (len(self._waiting) + len(self._fresh))


class Cut:
    """An unreliable or sequenced message on its way in parts."""

    __slots__ = ("_data", "_head", "_index", "_last", "_size")

    follows = False
    """True where `sent` wants to hear of every part."""

    def __init__(self, data: bytes, slot: int, number: int, key: bytes) -> None:
        self._data = data
        self._head = message_head(slot, fragment=True) + (number & 0xFFFF).to_bytes(2, "big") + key
        self._size = part_size(len(data))
        self._last = part_count(len(data)) - 1
        self._index = 0

    def fill(self, draft: Draft) -> bool:
        """Write the next parts into `draft`; False while some are left."""
        while self._index <= self._last:
            if not self.write(draft, self._index):
                return False
            self._index += 1
        return True

    def write(self, draft: Draft, index: int) -> bool:
        """Write one part into `draft`; False where it does not fit."""
        data = self._data[index * self._size : (index + 1) * self._size]
        head = self._head + SHORT_VARINTS[index] + SHORT_VARINTS[self._last]
        if len(head) + len(data) > draft.room:
            return False
        length = SHORT_VARINTS[len(data)]
        draft.parts += (head, length, data)
        draft.room -= len(head) + len(length) + len(data)
        if self.follows:
            self.sent(draft, index)
        return True

    def sent(self, draft: Draft, index: int) -> None:
        """Part `index` is in `draft`."""
