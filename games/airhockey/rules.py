"""The rules of Air Hockey: one pure step function. docs/protocol/games/air-hockey.md, section "Step".

Only + - * / square root, floor and comparisons on doubles, in the order written here, so that any IEEE 754
language gets the same bits (no `min` or `max`: languages differ on -0.0). The vectors prove it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, sqrt
from typing import Final

from games.airhockey import table
from games.airhockey.state import NOBODY, Happened, MatchState, Phase, Reason, initial_state, next_random

Target = tuple[int, int]
"""An input: where the seat wants its paddle, in steps of 1 / PADDLE_GRID metres. None: let it stand."""

_GOAL: Final = table.GOAL_HALF
_LENGTH: Final = table.HALF_LENGTH
_RADIUS: Final = table.PUCK_RADIUS
_RADIUS_SQUARED: Final = _RADIUS * _RADIUS
_CONTACT: Final = table.CONTACT
_CONTACT_SQUARED: Final = _CONTACT * _CONTACT
_PINNED: Final = (_CONTACT - 1.0 / 1048576.0) * (_CONTACT - 1.0 / 1048576.0)
"""Squared distance below which a paddle still overlaps a puck that has nowhere to go: it stops."""
_PUCK_X: Final = table.PUCK_X
_PUCK_Y: Final = table.PUCK_Y
_WALL: Final = table.WALL_RESTITUTION
_Moving = tuple[float, float, float, float]
"""A paddle: x, y, and how far it goes in a substep."""
_BOUNCE: Final = 1.0 + table.PADDLE_RESTITUTION
_REACH: Final = table.PADDLE_MAX_SPEED / table.TICK_HZ
"""How far a paddle gets in a tick."""
_SUBSTEP: Final = 1.0 / (table.TICK_HZ * table.SUBSTEPS)
_MAX: Final = table.PUCK_MAX_SPEED
_MAX_SQUARED: Final = _MAX * _MAX
_SUBSTEPS: Final = table.SUBSTEPS

_COUNTDOWN: Final = int(Phase.COUNTDOWN)
_PLAY: Final = int(Phase.PLAY)
_PAUSE: Final = int(Phase.GOAL)
_OVER: Final = int(Phase.OVER)
_HIT: Final = (int(Happened.HIT_0), int(Happened.HIT_1))
_WALL_HIT: Final = int(Happened.WALL)
_POST_HIT: Final = int(Happened.POST)
_SCORED: Final = (int(Happened.GOAL_0), int(Happened.GOAL_1))


@dataclass(frozen=True, slots=True)
class MatchOptions:
    """What two matches may differ in. Raises `ValueError` for what is not offered."""

    win_score: int = table.DEFAULT_WIN_SCORE
    """3, 5, 7 or 10 goals win."""
    time_limit_s: int = table.DEFAULT_TIME_LIMIT_S
    """Game time, pauses included. Whoever is ahead then has won; an even match goes to sudden death."""

    def __post_init__(self) -> None:
        if self.win_score not in table.WIN_SCORES:
            raise ValueError(
                f"win_score is {self.win_score!r}, not one of {', '.join(map(str, table.WIN_SCORES))}"
            )
        if not 1 <= self.time_limit_s <= table.MAX_TIME_LIMIT_S:
            raise ValueError(f"time_limit_s is {self.time_limit_s!r}, not 1 to {table.MAX_TIME_LIMIT_S}")

    @property
    def time_limit_ticks(self) -> int:
        """The time limit in ticks."""
        return self.time_limit_s * table.TICK_HZ


def start(seed: int) -> MatchState:
    """The state at tick 0."""
    return initial_state(seed)


def step(
    state: MatchState, input0: Target | None, input1: Target | None, options: MatchOptions
) -> MatchState:
    """The state one tick later. `state` stays as it was; inputs of any size are clamped to the table."""
    new = state.copy()
    new.tick += 1
    new.happened = 0
    if new.phase == _OVER:
        return new
    moves = (
        _paddle_move(new.paddle0_x, new.paddle0_y, input0, -table.PADDLE_FAR, -table.PADDLE_NEAR),
        _paddle_move(new.paddle1_x, new.paddle1_y, input1, table.PADDLE_NEAR, table.PADDLE_FAR),
    )
    if new.phase == _PLAY:
        _play(new, *moves[0], *moves[1], options)
    else:
        _pause(new, *moves[0], *moves[1])
    _round(new)
    _watch_time(new, options)
    return new


def forfeit(state: MatchState, seat: int) -> MatchState:
    """The state after the agent of `seat` left: the other has won. No effect on a match that is over."""
    new = state.copy()
    if new.phase != _OVER:
        _end(new, 1 - seat, Reason.FORFEIT)
    return new


def _paddle_move(x: float, y: float, target: Target | None, low: float, high: float) -> tuple[float, float]:
    """How far the paddle at (x, y) goes in this tick: towards the target, no faster than it may."""
    if target is None:
        return 0.0, 0.0
    tx = target[0] / table.PADDLE_GRID
    ty = target[1] / table.PADDLE_GRID
    if tx > table.PADDLE_X:
        tx = table.PADDLE_X
    elif tx < -table.PADDLE_X:
        tx = -table.PADDLE_X
    if ty > high:
        ty = high
    elif ty < low:
        ty = low
    dx = tx - x
    dy = ty - y
    squared = dx * dx + dy * dy
    if squared > _REACH * _REACH:
        scale = _REACH / sqrt(squared)
        dx = dx * scale
        dy = dy * scale
    return dx, dy


def _pause(s: MatchState, dx0: float, dy0: float, dx1: float, dy1: float) -> None:
    """A tick of COUNTDOWN or GOAL: paddles move freely, then the puck is served."""
    s.paddle0_x += dx0
    s.paddle0_y += dy0
    s.paddle1_x += dx1
    s.paddle1_y += dy1
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


def _play(s: MatchState, dx0: float, dy0: float, dx1: float, dy1: float, options: MatchOptions) -> None:
    """A tick of PLAY: substeps of puck and paddles, then what follows from where the puck is."""
    half = s.puck_y < 0.0
    scorer = _substeps(s, dx0, dy0, dx1, dy1)
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


def _substeps(s: MatchState, dx0: float, dy0: float, dx1: float, dy1: float) -> int:
    """Move puck and paddles through the tick. Returns the seat that scored, or NOBODY."""
    # The hot loop: everything in local names, calls only on contact (docs: "Step").
    x, y, vx, vy = s.puck_x, s.puck_y, s.puck_vx, s.puck_vy
    x0, y0, x1, y1 = s.paddle0_x, s.paddle0_y, s.paddle1_x, s.paddle1_y
    sx0, sy0, sx1, sy1 = dx0 / _SUBSTEPS, dy0 / _SUBSTEPS, dx1 / _SUBSTEPS, dy1 / _SUBSTEPS
    hits = 0
    scorer = NOBODY
    for _ in range(_SUBSTEPS):
        x += vx * _SUBSTEP
        y += vy * _SUBSTEP
        x0 += sx0
        y0 += sy0
        x1 += sx1
        y1 += sy1
        if x > _PUCK_X or x < -_PUCK_X or y > _PUCK_Y or y < -_PUCK_Y:
            x, y, vx, vy, hit = _contain(x, y, vx, vy)
            hits |= hit
        dx = x - x0
        dy = y - y0
        ex = x - x1
        ey = y - y1
        if dx * dx + dy * dy < _CONTACT_SQUARED or ex * ex + ey * ey < _CONTACT_SQUARED:
            x, y, vx, vy, hit = _collide(x, y, vx, vy, (x0, y0, sx0, sy0), (x1, y1, sx1, sy1))
            hits |= hit
            if (x - x0) * (x - x0) + (y - y0) * (y - y0) < _PINNED:
                x0, y0 = _yield(x, y, x0, y0, -table.PADDLE_FAR, -table.PADDLE_NEAR)
                sx0 = sy0 = 0.0
            if (x - x1) * (x - x1) + (y - y1) * (y - y1) < _PINNED:
                x1, y1 = _yield(x, y, x1, y1, table.PADDLE_NEAR, table.PADDLE_FAR)
                sx1 = sy1 = 0.0
        if y >= _LENGTH:
            scorer = 0
            break
        if y <= -_LENGTH:
            scorer = 1
            break
    s.puck_x, s.puck_y, s.puck_vx, s.puck_vy = x, y, vx, vy
    s.paddle0_x, s.paddle0_y, s.paddle1_x, s.paddle1_y = x0, y0, x1, y1
    s.happened += hits
    return scorer


_Puck = tuple[float, float, float, float, int]
"""x, y, vx, vy, and what was hit."""


def _contain(x: float, y: float, vx: float, vy: float) -> _Puck:
    """Keep the puck inside the walls and out of the posts; in the goal mouth it may pass the end."""
    hit = 0
    if x > _PUCK_X:
        x = _PUCK_X
        if vx > 0.0:
            vx = -vx * _WALL
            hit = _WALL_HIT
    elif x < -_PUCK_X:
        x = -_PUCK_X
        if vx < 0.0:
            vx = -vx * _WALL
            hit = _WALL_HIT
    if -_PUCK_Y <= y <= _PUCK_Y:
        return x, y, vx, vy, hit
    if -_GOAL < x < _GOAL:
        return _post(x, y, vx, vy, hit)
    if y > 0.0:
        y = _PUCK_Y
        if vy > 0.0:
            vy = -vy * _WALL
            hit = _WALL_HIT
    else:
        y = -_PUCK_Y
        if vy < 0.0:
            vy = -vy * _WALL
            hit = _WALL_HIT
    return x, y, vx, vy, hit


def _post(x: float, y: float, vx: float, vy: float, hit: int) -> _Puck:
    """In a goal mouth: bounce off the nearer post, a point where the end wall stops."""
    dx = x - (_GOAL if x > 0.0 else -_GOAL)
    dy = y - (_LENGTH if y > 0.0 else -_LENGTH)
    squared = dx * dx + dy * dy
    if squared >= _RADIUS_SQUARED or y >= _LENGTH or y <= -_LENGTH:
        return x, y, vx, vy, hit
    distance = sqrt(squared)
    nx = dx / distance
    ny = dy / distance
    x += nx * (_RADIUS - distance)
    y += ny * (_RADIUS - distance)
    towards = vx * nx + vy * ny
    if towards < 0.0:
        push = (1.0 + _WALL) * towards
        vx -= push * nx
        vy -= push * ny
        hit |= _POST_HIT
    return x, y, vx, vy, hit


def _collide(x: float, y: float, vx: float, vy: float, paddle0: _Moving, paddle1: _Moving) -> _Puck:
    """Both paddles against the puck; the one in whose half the puck is comes last, in both halves alike."""
    hits = 0
    for seat in (1, 0) if y < 0.0 else (0, 1):
        px, py, sx, sy = paddle1 if seat else paddle0
        dx = x - px
        dy = y - py
        squared = dx * dx + dy * dy
        if squared >= _CONTACT_SQUARED:
            continue
        if squared == 0.0:  # centre on centre, which no play leads to: out towards the middle
            nx, ny, distance = 0.0, -1.0 if seat else 1.0, 0.0
        else:
            distance = sqrt(squared)
            nx = dx / distance
            ny = dy / distance
        x += nx * (_CONTACT - distance)
        y += ny * (_CONTACT - distance)
        towards = (vx - sx / _SUBSTEP) * nx + (vy - sy / _SUBSTEP) * ny
        if towards < 0.0:
            push = _BOUNCE * towards
            vx -= push * nx
            vy -= push * ny
            vx, vy = _slow(vx, vy)
            hits |= _HIT[seat]
        x, y, vx, vy, hit = _contain(x, y, vx, vy)
        hits |= hit
    return x, y, vx, vy, hits


def _slow(vx: float, vy: float) -> tuple[float, float]:
    """The velocity, no faster than a puck may be."""
    squared = vx * vx + vy * vy
    if squared > _MAX_SQUARED:
        scale = _MAX / sqrt(squared)
        return vx * scale, vy * scale
    return vx, vy


def _yield(x: float, y: float, px: float, py: float, low: float, high: float) -> tuple[float, float]:
    """Where a paddle at (px, py) ends that overlaps a pinned puck: at contact, inside its half."""
    dx = px - x
    dy = py - y
    squared = dx * dx + dy * dy
    if squared == 0.0:
        return px, py
    scale = _CONTACT / sqrt(squared)
    px = x + dx * scale
    py = y + dy * scale
    if px > table.PADDLE_X:
        px = table.PADDLE_X
    elif px < -table.PADDLE_X:
        px = -table.PADDLE_X
    if py > high:
        py = high
    elif py < low:
        py = low
    return px, py


def _goal(s: MatchState, scorer: int, options: MatchOptions) -> None:
    """Count the goal, end the match or pause; the puck lies in the goal."""
    if scorer == 0:
        s.score0 += 1
    else:
        s.score1 += 1
    s.happened += _SCORED[scorer]
    s.puck_vx = s.puck_vy = 0.0
    s.puck_y = _LENGTH if scorer == 0 else -_LENGTH
    s.receiver = 1 - scorer
    s.possession_ticks = 0
    if s.score0 >= options.win_score or s.score1 >= options.win_score:
        _end(s, scorer, Reason.GOALS)
    elif s.tick > options.time_limit_ticks:
        _end(s, scorer, Reason.SUDDEN_DEATH)
    else:
        s.phase = _PAUSE
        s.phase_ticks = table.GOAL_TICKS


def _watch_time(s: MatchState, options: MatchOptions) -> None:
    """End the match at its limit when a seat is ahead, and an even one when sudden death took too long."""
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
    s.paddle0_x = floor(s.paddle0_x * table.PADDLE_GRID + 0.5) / table.PADDLE_GRID
    s.paddle0_y = floor(s.paddle0_y * table.PADDLE_GRID + 0.5) / table.PADDLE_GRID
    s.paddle1_x = floor(s.paddle1_x * table.PADDLE_GRID + 0.5) / table.PADDLE_GRID
    s.paddle1_y = floor(s.paddle1_y * table.PADDLE_GRID + 0.5) / table.PADDLE_GRID
