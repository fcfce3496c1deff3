"""Sequenced lanes, sending side: the newest message of each key (docs/protocol/ncp.md, section 9)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import islice
from typing import Any, Final

from netcore.delivery import Delivery
from netcore.fragments import MAX_UNRELIABLE_BYTES, PART_BYTES
from netcore.frames import message_head
from netcore.send_lanes import Cut, Draft
from netcore.shared import SharedBlock, SharedMessage
from netcore.varint import MAX_VARINT, SHORT_VARINTS, encode_varint

MAX_KEYS: Final = 256
"""Keys of one sequenced lane."""

_HEAD_KEY1: Final = struct.Struct(">BBHB").pack
_HEAD_KEY2: Final = struct.Struct(">BBHH").pack


class SequencedSender:
    """The newest message of each key; a newer one replaces one not sent yet.

    Ids count for each key, so that 16 bits suffice however many keys there are.
    """

    follows = False
    """True where `_sent` and `_sent_shared` want to hear of what goes out (`netcore.settled`)."""

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
        self._shared: dict[int, tuple[bytes, SharedMessage]] = {}  # with their frames, by key
        self._shared_large: dict[int, SharedMessage] = {}  # those that go in parts
        self.kind = Delivery.SEQUENCED
        self._lane = lane
        self._slot = Delivery.SEQUENCED << 6 | lane
        self._type = message_head(self._slot)[0]
        self._ids: dict[int, int] = {}
        self._pending: dict[int, bytes] = {}
        self._cut: Cut | None = None
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
                self._shared[message.key] = (message.frame, message)

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
                if self.follows:
                    self._sent_shared(draft, block.messages)
            else:
                self._unpack_block()
        if self._shared and not self._fill_shared(draft):
            return False
        if self._shared_large and not self._fill_shared_large(draft):
            return False
        pending, ids = self._pending, self._ids
        parts, room = draft.parts, draft.room
        head_type, lane, follows = self._type, self._lane, self.follows
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
            if follows:
                self._sent(draft, key, number, data)
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
        for frame, _ in shared.values():
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
            gone = [shared.pop(key)[1] for key in list(islice(shared, done))]
            if self.follows:
                self._sent_shared(draft, gone)
        return not shared

    def _fill_shared_large(self, draft: Draft) -> bool:
        for key, message in list(self._shared_large.items()):
            del self._shared_large[key]
            draft.messages += 1
            self._cut = self._cut_shared(message)
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
            self._cut = self._cut_own(key, number, data)
            if not self._cut.fill(draft):
                return False
            self._cut = None
            return True
        if not self._write(draft, key, number, data):
            return False
        self._ids[key] = number
        if self.follows:
            self._sent(draft, key, number, data)
        return True

    def _write(self, draft: Draft, key: int, number: int, data: bytes) -> bool:
        """Write a message of one part, whatever its lane and key. False where it does not fit."""
        head = message_head(self._slot) + number.to_bytes(2, "big") + encode_varint(key)
        size = len(data)
        if len(head) + size > draft.room:
            return False
        length = SHORT_VARINTS[size]
        draft.parts += (head, length, data)
        draft.room -= len(head) + len(length) + size
        return True

    def _cut_own(self, key: int, number: int, data: bytes) -> Cut:
        return Cut(data, self._slot, number, encode_varint(key))

    def _cut_shared(self, message: SharedMessage) -> Cut:
        return Cut(message.data, self._slot, message.number, encode_varint(message.key))

    def _sent(self, draft: Draft, key: int, number: int, data: bytes) -> None:
        """A message of one part is in `draft`."""

    def _sent_shared(self, draft: Draft, messages: Sequence[SharedMessage]) -> None:
        """Shared messages of one part each are in `draft`."""

    def queued_bytes(self) -> int:
        """Unsent bytes."""
        large = sum(len(message.data) for message in self._shared_large.values())
        block = 0 if self._block is None else sum(len(message.data) for message in self._block.messages)
        shared = sum(len(frame) for frame, _ in self._shared.values())
        return sum(map(len, self._pending.values())) + shared + large + block
