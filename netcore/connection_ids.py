"""Connection ids: 4 bytes chosen by the server, the first of them the worker, none used again too soon.

docs/protocol/ncp.md, section 7.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

CID_BYTES: Final = 4
REST_S: Final = 60.0
"""How long the id of an ended connection is not given to another."""
SILENT_S: Final = 3.0
"""How long late packets of an ended connection are dropped rather than answered with RESET."""


class ConnectionIds:
    """Gives out ids and remembers those at rest. Ids are bytes: the receive path makes no ints of them."""

    __slots__ = ("_ended", "_in_use", "_random", "_resting", "_worker")

    def __init__(self, worker: int, random: Callable[[int], bytes]) -> None:
        """`worker` (u8) becomes byte 0 of every id, so that the kernel can steer packets to it."""
        self._worker = bytes((worker,))
        self._random = random
        self._in_use: set[bytes] = set()
        self._resting: dict[bytes, float] = {}
        self._ended: deque[tuple[float, bytes]] = deque()

    def take(self, now: float) -> bytes:
        """A new id."""
        self._wake_rested(now)
        number = int.from_bytes(self._random(3), "big")
        while (cid := self._worker + number.to_bytes(3, "big")) in self._in_use or cid in self._resting:
            number = (number + 1) & 0xFFFFFF
        self._in_use.add(cid)
        return cid

    def end(self, cid: bytes, now: float) -> None:
        """The id's connection is gone: it rests for 60 s."""
        self._in_use.discard(cid)
        self._resting[cid] = now
        self._ended.append((now, cid))

    def forget(self, cid: bytes) -> None:
        """The id never carried a packet: it may be used again at once."""
        self._in_use.discard(cid)

    def is_mine(self, cid: bytes) -> bool:
        """True for an id that carries this worker's number."""
        return cid[:1] == self._worker

    def is_silent(self, cid: bytes, now: float) -> bool:
        """True where the id's connection ended so lately that its packets may still be on their way."""
        ended = self._resting.get(cid)
        return ended is not None and now - ended < SILENT_S

    def _wake_rested(self, now: float) -> None:
        while self._ended and now - self._ended[0][0] >= REST_S:
            del self._resting[self._ended.popleft()[1]]
