"""The session's timer: keeps one call pending for when the session asks, on whatever clock there is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from messaging_agent.session_core import ClientSession


class PendingCall(Protocol):
    """A call that is still to come."""

    def cancel(self) -> object:
        """Forget it."""


class SessionTimer:
    """Drives `ClientSession.handle_timer`.

    `call_at(when, callback)` schedules on the same clock that `now()` reads: a virtual world's, or a loop's.
    """

    __slots__ = ("_armed_for", "_call", "_call_at", "_now", "_session", "_stopped")

    def __init__(
        self,
        session: ClientSession,
        now: Callable[[], float],
        call_at: Callable[[float, Callable[[], None]], PendingCall],
    ) -> None:
        self._session = session
        self._now = now
        self._call_at = call_at
        self._call: PendingCall | None = None
        self._armed_for: float | None = None
        self._stopped = False
        session.wake = self.arm
        self.arm()

    def arm(self) -> None:
        """Look again when the session wants to be called."""
        when = None if self._stopped else self._session.next_timer()
        if when == self._armed_for:
            return
        # A call that comes too early only looks again, so a timer that moved later is left where it is.
        if when is not None and self._armed_for is not None and self._armed_for <= when:
            return
        if self._call is not None:
            self._call.cancel()
            self._call = None
        self._armed_for = when
        if when is not None:
            self._call = self._call_at(when, self._fire)

    def stop(self) -> None:
        """Call no more."""
        self._stopped = True
        self.arm()

    def _fire(self) -> None:
        self._call = self._armed_for = None
        now = self._now()
        due = self._session.next_timer()
        if due is not None and due <= now:
            self._session.handle_timer(now)
        self.arm()
