"""Message log in memory: the reference backend of `hub.ports.MessageLog`. Bounded; gone with the process."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from hub.ports import LogPage, StoredMessage

MAX_MESSAGES: Final = 1000
"""Newest messages kept for each channel."""
MAX_CHANNEL_BYTES: Final = 4 * 1024 * 1024
MAX_TOTAL_BYTES: Final = 256 * 1024 * 1024
"""Of all channels; beyond, the channel that was written to longest ago is forgotten whole."""
_OVERHEAD: Final = 200
"""Bytes counted for a message besides its texts and content."""


class _ChannelLog:
    __slots__ = ("bytes", "epoch", "last_offset", "messages")

    def __init__(self, epoch: str) -> None:
        self.epoch = epoch
        self.last_offset = 0
        self.messages: deque[StoredMessage] = deque()
        self.bytes = 0


class MemoryLog:
    """Keeps the newest messages of each channel. An append is stored when the call returns."""

    __slots__ = ("_bytes", "_channels", "_max_bytes", "_max_messages", "_max_total", "_random")

    def __init__(
        self,
        random: Callable[[int], bytes],
        max_messages: int = MAX_MESSAGES,
        max_channel_bytes: int = MAX_CHANNEL_BYTES,
        max_total_bytes: int = MAX_TOTAL_BYTES,
    ) -> None:
        self._random = random
        self._max_messages = max_messages
        self._max_bytes = max_channel_bytes
        self._max_total = max_total_bytes
        self._channels: OrderedDict[str, _ChannelLog] = OrderedDict()  # least recently written first
        self._bytes = 0

    def append(
        self, channel_id: str, message: StoredMessage, stored: Callable[[StoredMessage], None]
    ) -> None:
        """Store `message` under the next offset and call `stored` with it, before this returns."""
        log = self._log(channel_id)
        log.last_offset += 1
        kept = replace(message, offset=log.last_offset)
        size = _size(kept)
        log.messages.append(kept)
        log.bytes += size
        self._bytes += size
        while len(log.messages) > self._max_messages or log.bytes > self._max_bytes:
            self._drop_oldest(log)
        self._channels.move_to_end(channel_id)
        while self._bytes > self._max_total and len(self._channels) > 1:
            self.forget(next(iter(self._channels)))
        stored(kept)

    async def read(self, channel_id: str, after: int, limit: int) -> LogPage:
        """Up to `limit` messages with an offset above `after`, oldest first."""
        log = self._log(channel_id)
        first = log.last_offset - len(log.messages) + 1
        start = max(0, after + 1 - first)
        stop = min(len(log.messages), start + limit)
        messages = tuple(log.messages[index] for index in range(start, stop))
        return LogPage(log.epoch, messages, log.last_offset, first, "memory")

    def position(self, channel_id: str) -> tuple[str, int]:
        """(epoch, last offset). Asking settles the epoch: messages to come are in it. Undone by `forget`."""
        log = self._log(channel_id)
        return log.epoch, log.last_offset

    def forget(self, channel_id: str) -> None:
        """Drop the channel's messages and epoch; harmless where there are none."""
        log = self._channels.pop(channel_id, None)
        if log is not None:
            self._bytes -= log.bytes

    def _log(self, channel_id: str) -> _ChannelLog:
        log = self._channels.get(channel_id)
        if log is None:
            log = self._channels[channel_id] = _ChannelLog(self._random(8).hex())
        return log

    def _drop_oldest(self, log: _ChannelLog) -> None:
        size = _size(log.messages.popleft())
        log.bytes -= size
        self._bytes -= size


def _size(message: StoredMessage) -> int:
    return _OVERHEAD + len(message.content) + len(message.sender) + len(message.type)
