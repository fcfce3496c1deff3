"""Retry cookies: proof that a client receives at its address, without a byte of memory at the server.

docs/protocol/ncp.md, section 5.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Final

COOKIE_BYTES: Final = 24
LIFETIME_S: Final = 10.0
ROTATION_S: Final = 60.0

_TIME_BYTES: Final = 8


class CookieJar:
    """Bakes and checks cookies: `t_ms u64 | HMAC-SHA256(key, address 18 | t_ms | attempt_id | e_c)[:16]`.

    The key is random and changes every 60 s of use; the one before stays until the next change.
    """

    __slots__ = ("_key", "_previous", "_random", "_rotated_at")

    def __init__(self, random: Callable[[int], bytes]) -> None:
        """`random(n)` gives n unpredictable bytes."""
        self._random = random
        self._key = self._previous = random(32)
        self._rotated_at: float | None = None

    def bake(self, address: bytes, attempt_id: bytes, ephemeral: bytes, now: float) -> bytes:
        """A 24-byte cookie for a packed address, one attempt and one ephemeral public key."""
        self._rotate(now)
        time = int(now * 1000).to_bytes(_TIME_BYTES, "big")
        return time + _mac(self._key, address, time, attempt_id, ephemeral)

    def check(self, cookie: bytes, address: bytes, attempt_id: bytes, ephemeral: bytes, now: float) -> bool:
        """True for a cookie that was baked here, for just this sender, in the last 10 s."""
        time = cookie[:_TIME_BYTES]
        age_ms = int(now * 1000) - int.from_bytes(time, "big")
        if len(cookie) != COOKIE_BYTES or not 0 <= age_ms <= LIFETIME_S * 1000:
            return False
        self._rotate(now)
        given = cookie[_TIME_BYTES:]
        return any(
            hmac.compare_digest(given, _mac(key, address, time, attempt_id, ephemeral))
            for key in (self._key, self._previous)
        )

    def _rotate(self, now: float) -> None:
        if self._rotated_at is None:
            self._rotated_at = now
        elif now - self._rotated_at >= ROTATION_S:
            self._previous, self._key = self._key, self._random(32)
            self._rotated_at = now


def _mac(key: bytes, address: bytes, time: bytes, attempt_id: bytes, ephemeral: bytes) -> bytes:
    return hmac.digest(key, address + time + attempt_id + ephemeral, "sha256")[:16]
