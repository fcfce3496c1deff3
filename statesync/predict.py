"""Prediction: the client plays its own inputs at once and replays them where the server saw it otherwise."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

S = TypeVar("S")
I = TypeVar("I")  # noqa: E741


class Predictor(Generic[S, I]):
    """Runs ahead of the server and is corrected by it.

    `step(state, input)` gives the next state, leaves `state` as it is, and is the server's own function.
    `equal(predicted, authoritative)` compares as finely as states travel. At most `capacity` ticks are kept.
    """

    __slots__ = (
        "_capacity",
        "_entries",
        "_equal",
        "_oldest",
        "_step",
        "corrections",
        "ignored",
        "state",
        "tick",
    )

    def __init__(
        self,
        step: Callable[[S, I], S],
        equal: Callable[[S, S], bool],
        tick: int,
        state: S,
        *,
        capacity: int = 128,
    ) -> None:
        """Start from the authoritative `state` after `tick`."""
        if capacity < 1:
            raise ValueError(f"capacity must be positive, got {capacity}")
        self._step = step
        self._equal = equal
        self._capacity = capacity
        self.corrections = 0
        """How often the server saw it otherwise."""
        self.ignored = 0
        """Authoritative states too old to say anything."""
        self.restart(tick, state)

    def restart(self, tick: int, state: S) -> None:
        """Forget all predictions and go on from `state` after `tick`."""
        self.tick = tick
        self.state = state
        """The predicted state after `tick`."""
        self._oldest = tick
        """The last tick that is settled or forgotten: entries belong to the ticks after it."""
        self._entries: deque[tuple[I, S]] = deque()

    def __len__(self) -> int:
        """Ticks that are predicted and not yet confirmed."""
        return len(self._entries)

    def advance(self, data: I) -> S:
        """Play one more tick with the own input `data`."""
        self.state = self._step(self.state, data)
        self.tick += 1
        self._entries.append((data, self.state))
        if len(self._entries) > self._capacity:
            self._entries.popleft()
            self._oldest += 1
        return self.state

    def reconcile(self, tick: int, state: S) -> bool:
        """The server's `state` after `tick`. True where ours differed and was replayed from it."""
        if tick > self.tick:
            self.corrections += 1
            self.restart(tick, state)
            return True
        if tick <= self._oldest:
            self.ignored += 1
            return False
        while self._oldest < tick:
            _, predicted = self._entries.popleft()
            self._oldest += 1
        if self._equal(predicted, state):
            return False
        self.corrections += 1
        self._replay(state)
        return True

    def _replay(self, state: S) -> None:
        entries, step = self._entries, self._step
        for place, (data, _) in enumerate(entries):
            state = step(state, data)
            entries[place] = (data, state)
        self.state = state
