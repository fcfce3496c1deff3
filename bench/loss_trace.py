"""Loss traces: which moments of a path lose packets, the same for every implementation that is compared.

A fate belongs to a millisecond of the path, not to the n-th packet: two implementations that send a message at the same
time meet the same fate there, however many packets each sent before. Traces come from a seed; their digest is pinned in
`tests/bench/test_loss_trace.py`, so that figures of two years can be compared.
"""

from __future__ import annotations

import hashlib
import math
import random
from dataclasses import dataclass

SLOTS_PER_S = 1000
_ROUNDING = 1e-3
"""In slots: a clock that comes out a nanosecond short of a full millisecond still means that millisecond."""


@dataclass(frozen=True, slots=True)
class LossTrace:
    """One direction of a path: the fate and the delay of whatever is sent in each millisecond."""

    lost: bytes
    """One byte a slot: 1 where packets are lost. Beyond its end nothing is lost."""
    delay_s: tuple[float, ...]
    """One-way delay a slot, in seconds."""

    @classmethod
    def draw(cls, seed: str, loss: float, seconds: float, delay_s: float, jitter_s: float) -> LossTrace:
        """A trace of independent losses; `delay_s + U(0, jitter_s)` for each slot."""
        source = random.Random(seed)
        slots = math.ceil(seconds * SLOTS_PER_S)
        lost = bytes(source.random() < loss for _ in range(slots))
        return cls(lost, tuple(delay_s + source.random() * jitter_s for _ in range(slots)))

    def arrival(self, now: float) -> float | None:
        """When a packet sent at `now` arrives; None where it is lost."""
        slot = int(now * SLOTS_PER_S + _ROUNDING)
        if slot >= len(self.lost):
            return now + self.delay_s[slot % len(self.delay_s)]
        return None if self.lost[slot] else now + self.delay_s[slot]

    def transmit(self, data: bytes, now: float) -> list[tuple[float, bytes]]:
        """The trace as a link model (see `simnet.link`)."""
        arrival = self.arrival(now)
        return [] if arrival is None else [(arrival, data)]

    def digest(self) -> str:
        """A short fingerprint of the whole trace."""
        delays = ",".join(f"{delay:.9f}" for delay in self.delay_s)
        return hashlib.sha256(self.lost + delays.encode()).hexdigest()[:16]


def trace_pair(seed: int, loss: float, seconds: float) -> tuple[LossTrace, LossTrace]:
    """The two directions of the path on which `loss` is measured: 25 ms one way, up to 4 ms of jitter."""
    up, down = (
        LossTrace.draw(f"{seed}/{loss}/{direction}", loss, seconds, delay_s=0.025, jitter_s=0.004)
        for direction in ("up", "down")
    )
    return up, down
