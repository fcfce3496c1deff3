"""How many commands an agent may give: each can make the room tell everyone, so nobody gives them by the hundred."""

from __future__ import annotations

from typing import Final

BURST: Final = 10.0
PER_S: Final = 2.0


class CommandBudgets:
    """A token bucket for each agent, by index."""

    __slots__ = ("_buckets",)

    def __init__(self) -> None:
        self._buckets: dict[int, tuple[float, float]] = {}
        """Tokens, and when they were counted."""

    def admit(self, index: int, now: float) -> bool:
        """Whether the agent with `index` may give a command at `now`; then it has."""
        tokens, at = self._buckets.get(index, (BURST, now))
        tokens = min(BURST, tokens + (now - at) * PER_S)
        admitted = tokens >= 1.0
        self._buckets[index] = (tokens - 1.0 if admitted else tokens, now)
        return admitted

    def forget(self, index: int) -> None:
        """The agent left."""
        self._buckets.pop(index, None)
