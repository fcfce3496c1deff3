"""One application message on its way from its sender to whoever receives it."""

from __future__ import annotations

from typing import NamedTuple

from messaging.compression import unpack
from messaging.envelope import COMPRESSED, encode_delivery
from netcore.delivery import Delivery


class Message(NamedTuple):
    """Checked, with its true sender. Lane and key are the sender's."""

    sender: int
    """Agent index."""
    kind: Delivery
    lane: int
    key: int
    """0 unless sequenced."""
    flags: int
    """Format, `ENCRYPTED` and `COMPRESSED`, as in the envelope."""
    type_index: int
    content: bytes
    """As it travels."""

    def plain(self) -> bytes:
        """The content, not compressed."""
        return unpack(self.content) if self.flags & COMPRESSED else self.content

    def envelope(self, more_flags: int = 0, offset: int = 0, time_ms: int = 0) -> bytes:
        """The envelope that all receivers share. `more_flags`: TARGETED, STORED (with offset and time)."""
        return encode_delivery(
            self.flags | more_flags,
            self.sender,
            self.type_index,
            self.lane,
            self.content,
            key=self.key if self.kind == Delivery.SEQUENCED else None,
            offset=offset,
            time_ms=time_ms,
        )
