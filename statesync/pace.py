"""How far a client runs ahead of the server, and how fast its ticks go to stay there.

An input must reach the server just before its tick is played there: too early is felt as delay, too late is
lost. The client therefore runs ahead by half the round trip, a margin for jitter, and one or two ticks; what
the server reports as slack trims that.
"""

from __future__ import annotations

import math

DILATION = 0.02
STARVING_DILATION = 0.05
SNAP_S = 0.250
CORRECTION_S = 1.0
"""An error is made up for over about this long, within the limits of dilation."""
TRIM_PER_S = 0.25
"""Share of the slack's error that goes into the trim in a second."""
MAX_TRIM_S = 0.250


class TickPacer:
    """Says which ticks to play now. Feed it `target` (often) and `slack`; call `advance` each frame.

    Ticks are counted on the server's time line: tick n is played there at n / tick_hz of its tick clock.
    """

    __slots__ = (
        "_at",
        "_lead",
        "_played",
        "_position",
        "_server_at",
        "_server_tick",
        "_slack_at",
        "_starving",
        "_trim",
        "slack_target",
        "snaps",
        "speed",
        "tick_hz",
    )

    def __init__(self, tick_hz: float, *, slack_target: float = 1.5) -> None:
        """`slack_target` is how many ticks early the latest 5 % of inputs shall reach the server."""
        if tick_hz <= 0:
            raise ValueError(f"tick_hz must be positive, got {tick_hz}")
        self.tick_hz = tick_hz
        self.slack_target = slack_target
        self.speed = 1.0
        """How fast ticks go at present, 0.95 to 1.05."""
        self.snaps = 0
        """How often the position jumped because it was wrong by more than 250 ms (the start is the first)."""
        self._server_tick = 0.0
        self._server_at: float | None = None
        self._lead = 0.0
        self._trim = 0.0
        self._starving = False
        self._slack_at: float | None = None
        self._position = 0.0
        self._played = -1
        self._at: float | None = None

    def target(self, server_tick: float, rtt_s: float, jitter_s: float, now: float) -> None:
        """At local `now` the server is at `server_tick` (fractional); `rtt_s` and `jitter_s` of the way."""
        self._server_tick, self._server_at = server_tick, now
        self._lead = (max(rtt_s, 0.0) / 2 + max(jitter_s, 0.0)) * self.tick_hz + self.slack_target

    def slack(self, ticks: float, now: float) -> None:
        """The server reported how early our inputs come. Nonsense is bounded.

        What the position still has to make up is no news of the way: a client that is too far ahead hears of too
        much slack until it has slowed down, and trimming by that would carry it past the place it is going to.
        """
        if not math.isfinite(ticks):
            return
        if self._at is not None:
            ticks -= self._position + (now - self._at) * self.tick_hz - self.wanted(now)
        elapsed = 0.0 if self._slack_at is None else min(max(now - self._slack_at, 0.0), 1.0)
        self._slack_at = now
        self._starving = ticks < 0
        most = MAX_TRIM_S * self.tick_hz
        trim = self._trim + (self.slack_target - ticks) * TRIM_PER_S * elapsed
        self._trim = max(-most, min(most, trim))

    @property
    def position(self) -> float:
        """The client's place on the ticks' time line, as of the last `advance`."""
        return self._position

    def wanted(self, now: float) -> float:
        """Where the client should be at local `now`."""
        if self._server_at is None:
            return self._position
        return self._server_tick + (now - self._server_at) * self.tick_hz + self._lead + self._trim

    def advance(self, now: float) -> range:
        """The ticks to play now: those that the position passed since the last call, none before `target`.

        After a snap forward the range starts behind a gap, after a snap back it repeats ticks: `snaps` tells.
        """
        if self._server_at is None:
            return range(0)
        wanted = self.wanted(now)
        if self._at is None or abs(wanted - self._position) > SNAP_S * self.tick_hz:
            return self._snap(wanted, now)
        elapsed = max(now - self._at, 0.0)
        self._at = max(now, self._at)
        most = STARVING_DILATION if self._starving else DILATION
        ahead_s = (wanted - elapsed * self.tick_hz - self._position) / self.tick_hz
        self.speed = 1.0 + max(-most, min(most, ahead_s / CORRECTION_S))
        self._position += elapsed * self.tick_hz * self.speed
        first, self._played = self._played + 1, max(self._played, math.floor(self._position))
        return range(first, self._played + 1)

    def _snap(self, wanted: float, now: float) -> range:
        self.snaps += 1
        self.speed = 1.0
        self._position, self._at = max(wanted, 0.0), now
        self._played = math.floor(self._position)
        return range(self._played, self._played + 1)
