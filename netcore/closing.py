"""How a connection ends: drain, CLOSE, its repetitions, silence (docs/protocol/ncp.md, section 13)."""

from __future__ import annotations

import enum
from typing import Final

CLOSE_COPIES: Final = 3
"""CLOSE goes out this often, one probe timeout apart."""


class Phase(enum.Enum):
    """Where in its life a connection is."""

    OPEN = 0
    DRAINING = 1
    """Told to close; reliable messages still go out until acknowledged, or until the drain time is over."""
    CLOSING = 2
    """CLOSE was sent and is repeated for whoever did not hear it."""
    CLOSED = 3
    """Nothing is sent or delivered any more."""


class Closing:
    """The end of a connection on this side: its reason, and when the next CLOSE goes out."""

    __slots__ = (
        "_copies",
        "_drain_s",
        "_heard",
        "code",
        "copy_at",
        "drain_until",
        "ends_at",
        "phase",
        "reason",
    )

    def __init__(self) -> None:
        """Open."""
        self.phase = Phase.OPEN
        self.code = 0
        self.reason = ""
        self._drain_s = 0.0
        self.drain_until: float | None = None
        """When draining ends; None before the first flush after `begin`."""
        self.copy_at: float | None = None
        """When CLOSE is sent (again); None: not by itself."""
        self.ends_at: float | None = None
        self._copies = 0
        self._heard = 0

    def begin(self, code: int, reason: str, drain_s: float) -> None:
        """Drain, then close. The drain time starts with the next flush."""
        self.code, self.reason = code, reason
        self._drain_s = drain_s
        self.phase = Phase.DRAINING

    def drained(self, outstanding: bool, now: float) -> bool:
        """True where it is time for CLOSE: nothing is outstanding, or the drain time is over."""
        if self.drain_until is None:
            self.drain_until = now + self._drain_s
        return not outstanding or now >= self.drain_until

    def close(self, code: int, reason: str) -> None:
        """CLOSE goes out with the next flush."""
        self.code, self.reason = code, reason
        self.phase = Phase.CLOSING
        self.copy_at = 0.0
        self.drain_until = None

    def copy_due(self, now: float, interval_s: float) -> bool:
        """True where CLOSE goes out now; `interval_s` is one probe timeout."""
        if self.ends_at is None:
            self.ends_at = now + CLOSE_COPIES * interval_s
        if self.copy_at is None or now < self.copy_at:
            return False
        self._copies += 1
        self.copy_at = now + interval_s if self._copies < CLOSE_COPIES else None
        return True

    def heard(self, now: float) -> bool:
        """A packet came in after CLOSE was sent: True where CLOSE is sent again, more and more rarely."""
        self._heard += 1
        if self._heard & (self._heard - 1) or self.ends_at is None:
            return False
        self.copy_at = now
        return True

    def end(self) -> None:
        """Nothing more."""
        self.phase = Phase.CLOSED
        self.copy_at = self.ends_at = self.drain_until = None

    def timer(self) -> float | None:
        """When `expire` or a flush has something to do."""
        if self.copy_at is not None and self.ends_at is not None:
            return min(self.copy_at, self.ends_at)
        return self.ends_at
