"""Replay window: which of the last 1,024 packet numbers were accepted (docs/protocol/ncp.md, section 7)."""

from __future__ import annotations

WINDOW = 1024
_FULL = (1 << WINDOW) - 1


class ReplayWindow:
    """Accepts each packet number once. Ask `seen` before decrypting, call `commit` after authentication.

    Everything from `_run_start` to `largest` has been accepted; bit i of `_mask` tells it of
    `_run_start - 1 - i`. So packets in order cost one store, and the wide integer is touched only where
    something was lost.
    """

    __slots__ = ("_mask", "_run_start", "largest")

    def __init__(self) -> None:
        """Nothing accepted yet: `largest` is -1."""
        self.largest = -1
        self._run_start = 0
        self._mask = 0

    def seen(self, pn: int) -> bool:
        """True where `pn` was accepted before or is too old to tell."""
        if pn > self.largest:
            return False
        if pn <= self.largest - WINDOW or pn >= self._run_start:
            return True
        return bool(self._mask >> (self._run_start - 1 - pn) & 1)

    def commit(self, pn: int) -> None:
        """Accept `pn`, of which `seen` said False, now that its packet is authentic."""
        largest = self.largest
        if pn == largest + 1:
            self.largest = pn
        elif pn > largest:
            run = min(largest - self._run_start + 1, WINDOW)
            gap = pn - largest - 1
            if gap < WINDOW:
                self._mask = ((self._mask << run | (1 << run) - 1) << gap) & _FULL
            else:
                self._mask = 0
            self.largest = self._run_start = pn
        else:
            self._mask |= 1 << (self._run_start - 1 - pn)
            while self._mask & 1:
                self._mask >>= 1
                self._run_start -= 1
