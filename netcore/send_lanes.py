"""Unreliable and sequenced lanes, sending side: what waits, and its frames (docs/protocol/ncp.md, section 9).

A lane queues messages and, when a packet is being filled, writes as many of them into the `Draft` as fit.
Frames are three pieces in `Draft.parts` (head, length, data), joined once a packet.
"""

from __future__ import annotations

import struct
from itertools import islice
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
from netcore.shared import SharedBlock, SharedMessage
from netcore.stats import ConnectionStats
from netcore.varint import MAX_VARINT, SHORT_VARINTS, encode_varint

MAX_KEYS: Final = 256
"""Keys of one sequenced lane."""

_FOREVER: Final = float("inf")
_HEAD_KEY1: Final = struct.Struct(">BBHB").pack
_HEAD_KEY2: Final = struct.Struct(">BBHH").pack


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
        """Reliable parts inside, for the record of sent packets."""
        self.messages = 0

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
        "_waiting",
        "kind",
    )

    def __init__(self, lane: int, cap_bytes: int, ready_lanes: list[Any], stats: ConnectionStats) -> None:
        """`cap_bytes` of unsent messages, each counted with MESSAGE_COST bytes more."""
        self.kind = Delivery.UNRELIABLE
        self._slot = lane
        self._head = message_head(lane)
        self._cap = cap_bytes
        self._stats = stats
        self._fresh: list[tuple[bytes, float | None]] = []
        self._waiting: list[tuple[bytes, float]] = []  # with deadlines; all older than those in _fresh
        self._cut: _Cut | None = None
        self._cost = 0
        self._next_id = 0
        self._ready = False
        self._ready_lanes = ready_lanes

    def put(self, data: bytes, key: int, ttl_s: float | None) -> None:
        """Queue a message; `ttl_s` counts from the flush that first could not send it."""
        size = len(data)
        if size > MAX_UNRELIABLE_BYTES:
            raise ValueError(f"unreliable message of {size} bytes; the limit is {MAX_UNRELIABLE_BYTES}")
        if key:
            raise ValueError(f"key {key} on an unreliable lane; only sequenced lanes have keys")
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
                self._cut = _Cut(data, self._slot, self._next_id, b"")
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


class SequencedSender:
    """The newest message of each key; a newer one replaces one not sent yet.

    Ids count for each key, so that 16 bits suffice however many keys there are.
    """

    __slots__ = (
        "_block",
        "_cut",
        "_ids",
        "_lane",
        "_pending",
        "_ready",
        "_ready_lanes",
        "_shared",
        "_shared_large",
        "_slot",
        "_type",
        "kind",
    )

    def __init__(self, lane: int, ready_lanes: list[Any]) -> None:
        """No key known yet."""
        self._block: SharedBlock | None = None  # the newest, while it is all that waits of shared messages
        self._shared: dict[int, bytes] = {}  # frames, by key
        self._shared_large: dict[int, SharedMessage] = {}  # those that go in parts
        self.kind = Delivery.SEQUENCED
        self._lane = lane
        self._slot = Delivery.SEQUENCED << 6 | lane
        self._type = message_head(self._slot)[0]
        self._ids: dict[int, int] = {}
        self._pending: dict[int, bytes] = {}
        self._cut: _Cut | None = None
        self._ready = False
        self._ready_lanes = ready_lanes

    def put(self, data: bytes, key: int, ttl_s: float | None) -> None:
        """Queue the newest message of `key`, in place of an unsent older one."""
        if key not in self._ids:
            self._admit(key)
        if len(data) > MAX_UNRELIABLE_BYTES:
            raise ValueError(f"sequenced message of {len(data)} bytes; the limit is {MAX_UNRELIABLE_BYTES}")
        if ttl_s is not None:
            raise ValueError("a ttl on a sequenced lane; only unreliable messages have one")
        self._pending[key] = data
        if not self._ready:
            self._ready = True
            self._ready_lanes.append(self)

    def put_shared(self, block: SharedBlock) -> None:
        """Queue messages that other connections send as well, in place of unsent older ones of their keys."""
        if self._block is None and not self._shared and not self._shared_large:
            self._block = block
        else:
            self._unpack_block()
            self._block = block
            self._unpack_block()
        if not self._ready:
            self._ready = True
            self._ready_lanes.append(self)

    def _unpack_block(self) -> None:
        """Put the block's messages one by one: they do not go out as they came."""
        block, self._block = self._block, None
        for message in () if block is None else block.messages:
            if message.frame is None:
                self._shared.pop(message.key, None)
                self._shared_large[message.key] = message
            else:
                self._shared_large.pop(message.key, None)
                self._shared[message.key] = message.frame

    def _admit(self, key: int) -> None:
        if not 0 <= key <= MAX_VARINT:
            raise ValueError(f"key {key} out of range, must be 0 to {MAX_VARINT}")
        if len(self._ids) >= MAX_KEYS:
            raise ValueError(f"key {key} would be one too many on lane {self._lane}; the limit is {MAX_KEYS}")
        self._ids[key] = 0xFFFF  # the first id is 0

    def stamp(self, now: float) -> None:
        """A flush could not send everything; nothing to do, what is newer replaces it."""

    def fill(self, draft: Draft, now: float) -> bool:
        """Write what fits into `draft`. False where the packet is full and more is left."""
        if self._cut is not None:
            if not self._cut.fill(draft):
                return False
            self._cut = None
        block = self._block
        if block is not None:
            data = block.data
            if data is not None and len(data) <= draft.room:
                self._block = None
                draft.parts.append(data)
                draft.room -= len(data)
                draft.messages += len(block.messages)
                draft.whole = len(draft.parts)
            else:
                self._unpack_block()
        if self._shared and not self._fill_shared(draft):
            return False
        if self._shared_large and not self._fill_shared_large(draft):
            return False
        pending, ids = self._pending, self._ids
        parts, room = draft.parts, draft.room
        head_type, lane = self._type, self._lane
        done = 0
        for key, data in pending.items():
            size = len(data)
            if size + 6 > room or size > PART_BYTES or key >= 0x4000 or not lane:
                draft.room = room
                if not self._fill_rare(draft, key, data):
                    break
                room = draft.room
                done += 1
                continue
            number = ids[key] = (ids[key] + 1) & 0xFFFF
            length = SHORT_VARINTS[size]
            if key < 0x40:
                parts += (_HEAD_KEY1(head_type, lane, number, key), length, data)
                room -= size + 5 + len(length)
            else:
                parts += (_HEAD_KEY2(head_type, lane, number, key | 0x4000), length, data)
                room -= size + 6 + len(length)
            done += 1
        else:
            draft.room = room
            draft.messages += done
            pending.clear()
            self._ready = False
            return True
        done += self._cut is not None  # taken, though not all of its parts are out
        draft.messages += done
        for key in list(islice(pending, done)):
            del pending[key]
        return False

    def _fill_shared(self, draft: Draft) -> bool:
        shared, parts, room = self._shared, draft.parts, draft.room
        before = len(parts)
        for frame in shared.values():
            size = len(frame)
            if size > room:
                break
            parts.append(frame)
            room -= size
        done = len(parts) - before
        if done:
            draft.room = room
            draft.messages += done
            draft.whole = len(parts)
            for key in list(islice(shared, done)):
                del shared[key]
        return not shared

    def _fill_shared_large(self, draft: Draft) -> bool:
        for key, message in list(self._shared_large.items()):
            del self._shared_large[key]
            draft.messages += 1
            self._cut = _Cut(message.data, self._slot, message.number, encode_varint(key))
            if not self._cut.fill(draft):
                return False
            self._cut = None
        return True

    def _fill_rare(self, draft: Draft, key: int, data: bytes) -> bool:
        """A message that needs more than the fast path: lane 0, a long key, parts, or a tight packet."""
        size = len(data)
        number = (self._ids[key] + 1) & 0xFFFF
        if size > PART_BYTES:
            self._ids[key] = number
            self._cut = _Cut(data, self._slot, number, encode_varint(key))
            if not self._cut.fill(draft):
                return False
            self._cut = None
            return True
        head = message_head(self._slot) + number.to_bytes(2, "big") + encode_varint(key)
        if len(head) + size > draft.room:
            return False
        self._ids[key] = number
        length = SHORT_VARINTS[size]
        draft.parts += (head, length, data)
        draft.room -= len(head) + len(length) + size
        return True

    def queued_bytes(self) -> int:
        """Unsent bytes."""
        large = sum(len(message.data) for message in self._shared_large.values())
        block = 0 if self._block is None else sum(len(message.data) for message in self._block.messages)
        return sum(map(len, self._pending.values())) + sum(map(len, self._shared.values())) + large + block


class _Cut:
    """An unreliable or sequenced message on its way in parts."""

    __slots__ = ("_data", "_head", "_index", "_last", "_size")

    def __init__(self, data: bytes, slot: int, number: int, key: bytes) -> None:
        self._data = data
        self._head = message_head(slot, fragment=True) + (number & 0xFFFF).to_bytes(2, "big") + key
        self._size = part_size(len(data))
        self._last = part_count(len(data)) - 1
        self._index = 0

    def fill(self, draft: Draft) -> bool:
        """Write the next parts into `draft`; False while some are left."""
        while self._index <= self._last:
            at = self._index * self._size
            data = self._data[at : at + self._size]
            head = self._head + SHORT_VARINTS[self._index] + SHORT_VARINTS[self._last]
            if len(head) + len(data) > draft.room:
                return False
            length = SHORT_VARINTS[len(data)]
            draft.parts += (head, length, data)
            draft.room -= len(head) + len(length) + len(data)
            self._index += 1
        return True
