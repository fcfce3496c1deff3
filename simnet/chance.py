"""Seeded randomness: SplitMix64, the same in every language and every version of Python."""

from __future__ import annotations

import hashlib

_MASK = (1 << 64) - 1
_GAMMA = 0x9E3779B97F4A7C15


class Chance:
    """One independent stream of random numbers for each (seed, label).

    Streams with different labels never disturb each other: a link with more jitter loses the same datagrams.
    """

    __slots__ = ("_state",)

    def __init__(self, seed: int, label: str = "") -> None:
        digest = hashlib.sha256(f"{seed}/{label}".encode()).digest()
        self._state = int.from_bytes(digest[:8], "big")

    def u64(self) -> int:
        """The next number of SplitMix64 (Steele, Lea, Flood 2014)."""
        self._state = z = (self._state + _GAMMA) & _MASK
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        return z ^ (z >> 31)

    def uniform(self) -> float:
        """A float in [0, 1) with 53 random bits."""
        return (self.u64() >> 11) * 2.0**-53

    def below(self, bound: int) -> int:
        """An integer in [0, bound); `bound` far below 2**64."""
        return self.u64() % bound

    def take(self, length: int) -> bytes:
        """`length` bytes. For tests: predictable, so never a source of keys outside a simulation."""
        words = (self.u64().to_bytes(8, "big") for _ in range((length + 7) // 8))
        return b"".join(words)[:length]
