"""A fleet: the members of one room, whatever they speak, and what they have received."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

STAMP_BYTES = 8


class Tally:
    """Counts messages; each ends with the time at which it was meant to be sent."""

    __slots__ = ("ages_s", "delivered")

    def __init__(self) -> None:
        """Nothing has arrived yet."""
        self.delivered = 0
        self.ages_s: list[float] = []

    def reset(self) -> None:
        """Begin to count anew."""
        self.delivered, self.ages_s = 0, []

    def arrived(self, data: bytes) -> None:
        """One message reached one member."""
        self.delivered += 1
        stamp = int.from_bytes(data[-STAMP_BYTES:], "big")
        self.ages_s.append(time.perf_counter() - stamp / 1e9)


def stamped(intended: float, payload_bytes: int) -> bytes:
    """A message of `payload_bytes` that was meant to leave at `intended` (perf_counter seconds)."""
    return int(intended * 1e9).to_bytes(STAMP_BYTES, "big").rjust(payload_bytes, b".")


class Fleet(Protocol):
    """All members of one room. Made in the running loop; `join`, then send through `actions`, then `close`."""

    @property
    def actions(self) -> Sequence[Callable[[float], None]]:
        """For each member: send one message that was meant to leave at the time given."""

    @property
    def tally(self) -> Tally:
        """What all of them have received since `reset`."""

    @property
    def problem(self) -> str | None:
        """What spoils the measurement, such as a lost link."""

    async def join(self, ready: Any, size: int) -> None:
        """Bring `size` members into the room of the server that said `ready`. Raises OSError or TimeoutError."""

    def reset(self) -> None:
        """Begin to count anew."""

    def close(self) -> None:
        """Leave without ceremony."""


class CountingFleet:
    """What every fleet of plain messages needs: one tally for all its members."""

    def __init__(self, payload_bytes: int) -> None:
        """`payload_bytes` of every message."""
        self.payload_bytes = payload_bytes
        self.tally = Tally()
        self.problem: str | None = None
        self.actions: Sequence[Callable[[float], None]] = ()

    def reset(self) -> None:
        """Begin to count anew."""
        self.tally.reset()
