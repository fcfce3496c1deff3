"""A bot player on a clock: messages in, inputs out, its timer kept armed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from games.airhockey.player import BotPlayer, Send
from hub.ports import Clock, Timer


class SeatedBot:
    """Drives a `BotPlayer` on whatever clock there is: the event loop's, or a virtual world's."""

    def __init__(
        self,
        clock: Clock,
        send: Send,
        rtt_s: Callable[[], float | None],
        *,
        index: int,
        seed: int,
        rematch: bool = False,
    ) -> None:
        """`rtt_s` tells the link's round trip; `index` is the agent's own in the channel."""
        self.player = BotPlayer(send, index=index, seed=seed, rematch=rematch)
        self.started_at: float | None = None
        self.ended_at: float | None = None
        self.over: dict[str, Any] | None = None
        self.on_over: Callable[[], None] = _nothing
        self._clock = clock
        self._rtt_s = rtt_s
        self._timer: Timer | None = None
        self._armed_for: float | None = None

    def receive(self, type: str, content: bytes) -> None:
        """A message of the game's."""
        now = self._clock.now()
        self.player.receive(type, content, now)
        if self.started_at is None and self.player.view is not None:
            self.started_at = now
        if self.over is None and self.player.over is not None:
            self.over, self.ended_at = self.player.over, now
            self.on_over()
        self._arm()

    def stop(self) -> None:
        """Play no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @property
    def match_s(self) -> float:
        """How long the match has been going on, or went on."""
        if self.started_at is None:
            return 0.0
        return (self._clock.now() if self.ended_at is None else self.ended_at) - self.started_at

    def _arm(self) -> None:
        when = self.player.next_timer
        if self._timer is not None and when == self._armed_for:
            return
        self.stop()
        self._armed_for = when
        if when is not None:
            self._timer = self._clock.call_at(when, self._fire)

    def _fire(self) -> None:
        self._timer = None
        self.player.rtt_s = self._rtt_s()
        self.player.handle_timer(self._clock.now())
        self._arm()


def _nothing() -> None:
    pass
