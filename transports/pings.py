"""The round trip of a link by its own pings: which one is out, and what its pong says."""

from __future__ import annotations

import struct
from typing import Final

_PAYLOAD: Final = struct.Struct(">I")


class RoundTrip:
    """One ping at a time; a pong counts only as the answer to the newest. Times are monotonic seconds."""

    __slots__ = ("_number", "_sent_at", "smoothed_s")

    def __init__(self) -> None:
        """No ping is out."""
        self._number = 0
        self._sent_at: float | None = None
        self.smoothed_s: float | None = None
        """7/8 of what it was and 1/8 of the last sample (RFC 6298); None before the first."""

    def ping(self, now: float) -> bytes:
        """The payload of the next ping, which leaves now."""
        self._number = (self._number + 1) & 0xFFFFFFFF
        self._sent_at = now
        return _PAYLOAD.pack(self._number)

    def pong(self, payload: bytes, now: float) -> None:
        """A pong arrived. Anything but the answer to the newest ping changes nothing."""
        if self._sent_at is None or payload != _PAYLOAD.pack(self._number):
            return
        sample = now - self._sent_at
        self._sent_at = None
        self.smoothed_s = (
            sample if self.smoothed_s is None else self.smoothed_s + (sample - self.smoothed_s) / 8
        )
