"""What a game must offer to be run by a room: pure rules of one match with fixed options."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

State = TypeVar("State")
State_contra = TypeVar("State_contra", contravariant=True)


@dataclass(frozen=True, slots=True)
class Result:
    """How a match ended."""

    winner: int | None
    """The team that won; None: a draw."""
    reason: str
    """The rule that ended it: `goals`, `time`, `forfeit`, ..."""
    score: tuple[int, ...]
    """One number for each team."""


class Tally(Protocol[State_contra]):
    """What a match's players did, read off its states; no part of the rules."""

    def see(self, state: State_contra) -> list[dict[str, Any]]:
        """Take each state in order. Returns what happened in its tick and no client may miss: JSON objects."""

    def seats(self) -> list[dict[str, Any]]:
        """For each seat what it did so far, as JSON objects."""


class Game(Protocol[State]):
    """Pure rules. A state is never changed once it is made, and is all there is to know of a match."""

    name: str
    """As in `connect(game=...)`."""
    version: int
    """Rises with any change that could change one bit of a state."""
    replayable: frozenset[int]
    """The versions whose recordings this one replays bit for bit, its own among them."""
    tick_hz: int
    seat_count: int
    neutral: bytes
    """The input of a seat that does nothing. Every input has its length, and rules take any bytes of it."""
    options: dict[str, Any]
    """As announced and written into recordings: `make_game(name, options)` makes this game again."""

    def team_of(self, seat: int) -> int:
        """The team that `seat` plays for, from 0."""

    def start(self, seed: int) -> State:
        """The state at tick 0."""

    def step(self, state: State, inputs: Sequence[bytes]) -> State:
        """The state one tick later. One input for each seat."""

    def forfeit(self, state: State, seat: int) -> State:
        """The state after the agent of `seat` left for good: the match is over, its team has lost."""

    def snapshot(self, state: State) -> bytes:
        """The state for the clients, complete."""

    def tally(self) -> Tally[State]:
        """An empty tally for one match."""

    def result(self, state: State) -> Result | None:
        """How the match ended, None while it goes on."""

    def state_hash(self, state: State) -> str:
        """Equal hashes, equal states, on every machine and in every language."""

    def bot(self, seat: int, seed: int) -> Callable[[State], bytes]:
        """A player for `seat` that runs beside the rules: called once a tick, gives its next input."""
