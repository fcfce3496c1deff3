"""The whole state of a match at one tick, its canonical bytes, and its hash.

docs/protocol/games/air-hockey.md, section "State".
"""

from __future__ import annotations

import enum
import hashlib
import struct
from itertools import chain
from typing import Final

from games.airhockey import table


class Phase(enum.IntEnum):
    """What the match is doing. Wire values."""

    COUNTDOWN = 0
    """Paddles move, the puck waits in the middle; then it is served."""
    PLAY = 1
    GOAL = 2
    """A goal fell; the puck lies in the goal until the next serve."""
    OVER = 3
    """Nothing moves any more but the tick."""


class Reason(enum.IntEnum):
    """Why a match is over. Wire values."""

    NONE = 0
    GOALS = 1
    """A team has the goals that win."""
    TIME = 2
    """The time limit, with one team ahead; or a draw after sudden death."""
    SUDDEN_DEATH = 3
    """The first goal after the time limit of an even match."""
    FORFEIT = 4
    """A seat's agent left."""


NOBODY: Final = -1
"""`winner` of a match that goes on, or of a draw."""


class Happened(enum.IntFlag):
    """What happened within a tick. Wire values."""

    HIT_0 = 1
    HIT_1 = 2
    WALL = 4
    POST = 8
    SERVE = 16
    GOAL_0 = 32
    """Team 0 scored."""
    GOAL_1 = 64
    POSSESSION = 128
    """The puck stayed too long in one half and is served to the other team."""
    OVER = 256
    HIT_2 = 512
    HIT_3 = 1024
    HIT_4 = 2048
    HIT_5 = 4096


HITS: Final = (Happened.HIT_0, Happened.HIT_1, Happened.HIT_2, Happened.HIT_3, Happened.HIT_4, Happened.HIT_5)
"""By seat."""
Point = tuple[float, float]


class MatchState:
    """Plain values; `rules.step` makes a new one each tick and never changes an old one.

    Puck values lie on the grid of 1 / PUCK_GRID, paddle positions on that of 1 / PADDLE_GRID, so that a
    snapshot carries the state bit for bit. `phase`, `happened`, `reason` are plain ints for speed.
    """

    __slots__ = (
        "happened",
        "paddles",
        "phase",
        "phase_ticks",
        "possession_ticks",
        "puck_vx",
        "puck_vy",
        "puck_x",
        "puck_y",
        "random",
        "reason",
        "receiver",
        "score0",
        "score1",
        "tick",
        "winner",
    )

    tick: int
    phase: int
    phase_ticks: int
    """Ticks left of COUNTDOWN or GOAL; 0 otherwise."""
    score0: int
    score1: int
    receiver: int
    """The team that the next serve goes to."""
    possession_ticks: int
    """How long the puck has been in its present half (y < 0 is team 0's)."""
    random: int
    """Park-Miller generator: 1 .. 2**31 - 2."""
    happened: int
    winner: int
    """A team, or NOBODY."""
    reason: int
    puck_x: float
    puck_y: float
    puck_vx: float
    puck_vy: float
    paddles: tuple[Point, ...]
    """Where each seat's paddle is: 2 to 6."""

    def copy(self) -> MatchState:
        """A new state with the same values."""
        new = MatchState.__new__(MatchState)
        new.tick = self.tick
        new.phase = self.phase
        new.phase_ticks = self.phase_ticks
        new.score0 = self.score0
        new.score1 = self.score1
        new.receiver = self.receiver
        new.possession_ticks = self.possession_ticks
        new.random = self.random
        new.happened = self.happened
        new.winner = self.winner
        new.reason = self.reason
        new.puck_x = self.puck_x
        new.puck_y = self.puck_y
        new.puck_vx = self.puck_vx
        new.puck_vy = self.puck_vy
        new.paddles = self.paddles
        return new

    @property
    def is_over(self) -> bool:
        """True once the match has ended."""
        return self.phase == Phase.OVER

    def paddle(self, seat: int) -> tuple[float, float]:
        """Where the paddle of `seat` is."""
        return self.paddles[seat]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, MatchState):
            return NotImplemented
        return canonical_bytes(self) == canonical_bytes(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"MatchState({', '.join(f'{name}={getattr(self, name)}' for name in self.__slots__)})"


_CANONICAL: Final = {
    players: struct.Struct(f">IBHBBBHIHbB{4 + 2 * players}d")
    for players in range(table.MIN_PLAYERS, table.MAX_PLAYERS + 1)
}


def canonical_bytes(state: MatchState) -> bytes:
    """The state as bytes: equal bytes, equal states. Integers big-endian, then IEEE 754 doubles."""
    return _CANONICAL[len(state.paddles)].pack(
        state.tick,
        state.phase,
        state.phase_ticks,
        state.score0,
        state.score1,
        state.receiver,
        state.possession_ticks,
        state.random,
        state.happened,
        state.winner,
        state.reason,
        state.puck_x,
        state.puck_y,
        state.puck_vx,
        state.puck_vy,
        *chain.from_iterable(state.paddles),
    )


def state_hash(state: MatchState) -> str:
    """SHA-256 of the canonical bytes, in hexadecimal."""
    return hashlib.sha256(canonical_bytes(state)).hexdigest()


def team_of(seat: int) -> int:
    """The team of a seat: they alternate."""
    return seat & 1


def homes(players: int) -> tuple[Point, ...]:
    """Where each seat's paddle stands at the start."""
    sizes = ((players + 1) // 2, players // 2)
    result = []
    for seat in range(players):
        x, y = table.HOMES[sizes[team_of(seat)] - 1][seat // 2]
        result.append((x, y) if team_of(seat) == 0 else (0.0 - x, -y))
    return tuple(result)


def initial_state(seed: int, players: int = 2) -> MatchState:
    """The state at tick 0: countdown, the first receiver drawn from `seed` (any int)."""
    state = MatchState()
    state.tick = 0
    state.phase = Phase.COUNTDOWN
    state.phase_ticks = table.COUNTDOWN_TICKS
    state.score0 = state.score1 = 0
    state.random = 1 + seed % 2147483646
    state.receiver = next_random(state) & 1
    state.possession_ticks = 0
    state.happened = 0
    state.winner = NOBODY
    state.reason = Reason.NONE
    state.puck_x = state.puck_y = state.puck_vx = state.puck_vy = 0.0
    state.paddles = homes(players)
    return state


def next_random(state: MatchState) -> int:
    """Step the generator. The product stays below 2**53, so doubles compute it exactly too."""
    state.random = state.random * 48271 % 2147483647
    return state.random
