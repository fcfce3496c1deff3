"""The rules of Air Hockey: one pure step function. docs/protocol/games/air-hockey.md, section "Step".

Only + - * / square root, floor and comparisons on doubles, in the order written here, so that any IEEE 754
language gets the same bits (no `min` or `max`: languages differ on -0.0). The vectors prove it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor
from typing import Final

from games.airhockey import table
from games.airhockey.contact import run_substeps
from games.airhockey.spacing import Move, Target, paddle_moves
from games.airhockey.state import (
    NOBODY,
    Happened,
    MatchState,
    Phase,
    Reason,
    initial_state,
    next_random,
    team_of,
)

_LENGTH: Final = table.HALF_LENGTH
_PLAY: Final = int(Phase.PLAY)
_PAUSE: Final = int(Phase.GOAL)
_OVER: Final = int(Phase.OVER)
_SCORED: Final = (int(Happened.GOAL_0), int(Happened.GOAL_1))


@dataclass(frozen=True, slots=True)
class MatchOptions:
    """What two matches may differ in. Raises `ValueError` for what is not offered."""

    win_score: int = table.DEFAULT_WIN_SCORE
    """3, 5, 7 or 10 goals win; 0: no number of goals does."""
    time_limit_s: int = table.DEFAULT_TIME_LIMIT_S
    """Game time, the breaks after goals included. Whoever is ahead then has won; an even match goes to sudden
    death."""
    players: int = table.MIN_PLAYERS
    """2 to 6; seats alternate between the teams."""

    def __post_init__(self) -> None:
        if self.win_score not in table.WIN_SCORES:
            raise ValueError(
                f"win_score is {self.win_score!r}, not one of {', '.join(map(str, table.WIN_SCORES))}"
            )
        if not 1 <= self.time_limit_s <= table.MAX_TIME_LIMIT_S:
            raise ValueError(f"time_limit_s is {self.time_limit_s!r}, not 1 to {table.MAX_TIME_LIMIT_S}")
        if not table.MIN_PLAYERS <= self.players <= table.MAX_PLAYERS:
            raise ValueError(f"players is {self.players!r}, not {table.MIN_PLAYERS} to {table.MAX_PLAYERS}")

    @property
    def time_limit_ticks(self) -> int:
        """The time limit in ticks."""
        return self.time_limit_s * table.TICK_HZ


def start(seed: int, players: int = table.MIN_PLAYERS) -> MatchState:
    """The state at tick 0."""
    return initial_state(seed, players)


def step(state: MatchState, targets: Sequence[Target | None], options: MatchOptions) -> MatchState:
    """The state one tick later. `state` stays as it was; one target for each seat, of any size: clamped."""
    new = state.copy()
    new.tick += 1
    new.happened = 0
    if new.phase == _OVER:
        return new
    moves = paddle_moves(new.paddles, targets)
    if new.phase == _PLAY:
        _play(new, moves, options)
    else:
        _pause(new, moves)
    _round(new)
    _watch_time(new, options)
    return new


def forfeit(state: MatchState, seat: int) -> MatchState:
    """The state after the agent of `seat` left: the other team has won. No effect on a match that is over."""
    new = state.copy()
    if new.phase != _OVER:
        _end(new, 1 - team_of(seat), Reason.FORFEIT)
    return new


def _pause(s: MatchState, moves: Sequence[Move]) -> None:
    """A tick of COUNTDOWN or GOAL: paddles move freely, then the puck is served."""
    s.paddles = tuple((x + dx, y + dy) for (x, y), (dx, dy) in zip(s.paddles, moves, strict=True))
    s.phase_ticks -= 1
    if s.phase_ticks == 0:
        _serve(s)


def _serve(s: MatchState) -> None:
    """From the middle towards the receiver, a little to one side."""
    s.phase = _PLAY
    s.phase_ticks = 0
    s.possession_ticks = 0
    s.puck_x = s.puck_y = 0.0
    s.puck_vx = (next_random(s) / 1073741823.5 - 1.0) * table.SERVE_SPREAD
    s.puck_vy = -table.SERVE_SPEED if s.receiver == 0 else table.SERVE_SPEED
    s.happened += int(Happened.SERVE)


def _play(s: MatchState, moves: Sequence[Move], options: MatchOptions) -> None:
    """A tick of PLAY: substeps of puck and paddles, then what follows from where the puck is."""
    half = s.puck_y < 0.0
    scorer = run_substeps(s, moves)
    if scorer != NOBODY:
        _goal(s, scorer, options)
        return
    s.puck_vx *= table.DRAG
    s.puck_vy *= table.DRAG
    if (s.puck_y < 0.0) is not half:
        s.possession_ticks = 0
        return
    s.possession_ticks += 1
    if s.possession_ticks >= table.POSSESSION_TICKS:
        s.receiver = 1 if half else 0
        s.happened += int(Happened.POSSESSION)
        _serve(s)


def _goal(s: MatchState, scorer: int, options: MatchOptions) -> None:
    """Count the goal, end the match or pause; the puck lies in the goal."""
    if scorer == 0:
        s.score0 = s.score0 + 1 if s.score0 < table.MAX_SCORE else table.MAX_SCORE
    else:
        s.score1 = s.score1 + 1 if s.score1 < table.MAX_SCORE else table.MAX_SCORE
    s.happened += _SCORED[scorer]
    s.puck_vx = s.puck_vy = 0.0
    s.puck_y = _LENGTH if scorer == 0 else -_LENGTH
    s.receiver = 1 - scorer
    s.possession_ticks = 0
    if options.win_score and (s.score0 >= options.win_score or s.score1 >= options.win_score):
        _end(s, scorer, Reason.GOALS)
    elif s.tick > options.time_limit_ticks:
        _end(s, scorer, Reason.SUDDEN_DEATH)
    else:
        s.phase = _PAUSE
        s.phase_ticks = table.GOAL_TICKS


def _watch_time(s: MatchState, options: MatchOptions) -> None:
    """End the match at its limit when a team is ahead, and an even one when sudden death took too long."""
    late = s.tick - options.time_limit_ticks
    if late < 0 or s.phase == _OVER:
        return
    if s.score0 != s.score1:
        _end(s, 0 if s.score0 > s.score1 else 1, Reason.TIME)
    elif late >= table.SUDDEN_DEATH_TICKS:
        _end(s, NOBODY, Reason.TIME)


def _end(s: MatchState, winner: int, reason: Reason) -> None:
    s.phase = _OVER
    s.phase_ticks = 0
    s.puck_vx = s.puck_vy = 0.0
    s.winner = winner
    s.reason = int(reason)
    s.happened |= int(Happened.OVER)


def _round(s: MatchState) -> None:
    """Put the state on its grids, so that a snapshot in integers is the state bit for bit."""
    s.puck_x = floor(s.puck_x * table.PUCK_GRID + 0.5) / table.PUCK_GRID
    s.puck_y = floor(s.puck_y * table.PUCK_GRID + 0.5) / table.PUCK_GRID
    s.puck_vx = floor(s.puck_vx * table.PUCK_GRID + 0.5) / table.PUCK_GRID
    s.puck_vy = floor(s.puck_vy * table.PUCK_GRID + 0.5) / table.PUCK_GRID
    s.paddles = tuple(
        (
            floor(x * table.PADDLE_GRID + 0.5) / table.PADDLE_GRID,
            floor(y * table.PADDLE_GRID + 0.5) / table.PADDLE_GRID,
        )
        for x, y in s.paddles
    )
