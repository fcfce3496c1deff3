"""Sequenced messages for many connections: framed once, sealed for each (docs/protocol/ncp.md, section 9).

A relay says the same thing to everyone. The id in a MSG frame only has to rise for each key, so whoever shares a
message counts ids for each key itself, and every connection can send the very same bytes. What is left for a
receiver is one reference to a block of frames in its queue and one in its packet (bench scenario `relay`).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Final

from netcore.delivery import Delivery
from netcore.fragments import MAX_UNRELIABLE_BYTES, PART_BYTES
from netcore.frames import MAX_LANE, message_head
from netcore.varint import SHORT_VARINTS

PACKET_ROOM_BYTES: Final = 1172
"""Frames of so many bytes fill a server's packet, an ACK beside them."""
MAX_SHARED_KEY: Final = 255
"""Keys of shared messages, so that no receiver can ever meet more than 256 of them on a lane."""

_NUMBER_KEY: Final = struct.Struct(">HB").pack
_NUMBER_LONG_KEY: Final = struct.Struct(">HH").pack
_HEADS: Final = tuple(message_head(Delivery.SEQUENCED << 6 | lane) for lane in range(MAX_LANE + 1))


class SharedMessage:
    """One sequenced message, ready for any number of connections."""

    __slots__ = ("_newest", "data", "frame", "key", "number")

    def __init__(
        self, lane: int, key: int, number: int, data: bytes, newest: Sequence[int] | None = None
    ) -> None:
        """`number` rises by one for each message of `key`, modulo 2**16, whoever receives them.

        On one connection a key is either shared or the connection's own, and fewer than 16,384 messages of a
        shared key may pass between two that the connection is given. Raises `ValueError` out of range.

        `newest` holds the number of the newest message of each key: its keeper counts there, and so tells every
        lane that settles (`LaneOptions.settle`) whether a message that was lost still matters. Without it shared
        messages go out once.
        """
        size = len(data)
        if not 0 <= lane <= MAX_LANE or not 0 <= key <= MAX_SHARED_KEY:
            raise ValueError(
                f"shared message on lane {lane} (0 to {MAX_LANE}), key {key} (0 to {MAX_SHARED_KEY})"
            )
        if size > MAX_UNRELIABLE_BYTES:
            raise ValueError(f"shared message of {size} bytes; the limit is {MAX_UNRELIABLE_BYTES}")
        self.key = key
        self._newest = newest
        self.number = number = number & 0xFFFF
        self.data = data
        self.frame: bytes | None = None
        """The whole MSG frame; None where the message has to go in parts."""
        if size <= PART_BYTES:
            tail = _NUMBER_KEY(number, key) if key < 0x40 else _NUMBER_LONG_KEY(number, key | 0x4000)
            self.frame = _HEADS[lane] + tail + SHORT_VARINTS[size] + data

    def is_newest(self) -> bool:
        """True where no newer message of its key exists, as far as anyone keeps count."""
        return self._newest is not None and self._newest[self.key] == self.number


class SharedBlock:
    """Shared messages of one lane that leave together, joined once. Of each key it holds one."""

    __slots__ = ("data", "messages")

    def __init__(self, messages: Iterable[SharedMessage]) -> None:
        """`messages` have different keys."""
        self.messages = tuple(messages)
        frames = [message.frame for message in self.messages]
        self.data: bytes | None = None if None in frames else b"".join(frames)  # type: ignore[arg-type]
        """All frames; None where one of the messages has to go in parts."""
