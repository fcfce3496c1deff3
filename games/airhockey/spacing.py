"""How far each paddle goes in a tick: towards its target, within its half, not into a teammate.

docs/protocol/games/air-hockey.md, sections "Step" and "Teammates". Only + - * / square root and comparisons on
doubles, in the order written here.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Final

from games.airhockey import table
from games.airhockey.state import Point, team_of

Target = tuple[int, int]
"""An input: where the seat wants its paddle, in steps of 1 / PADDLE_GRID metres. None: let it stand."""
Move = tuple[float, float]

_REACH: Final = table.PADDLE_MAX_SPEED / table.TICK_HZ
"""How far a paddle gets in a tick."""
_SPACE: Final = table.SPACE
_SPACE_SQUARED: Final = _SPACE * _SPACE
_TOUCHING: Final = (_SPACE - 1.0 / 1024.0) * (_SPACE - 1.0 / 1024.0)
"""Squared distance below which teammates do not slide along each other any more, only apart."""
_BOUNDS: Final = ((-table.PADDLE_FAR, -table.PADDLE_NEAR), (table.PADDLE_NEAR, table.PADDLE_FAR))
"""Lowest and highest y, by team."""


def clamped(x: float, y: float, seat: int) -> Point:
    """The place nearest to (x, y) along each axis where the paddle of `seat` may be."""
    if x > table.PADDLE_X:
        x = table.PADDLE_X
    elif x < -table.PADDLE_X:
        x = -table.PADDLE_X
    low, high = _BOUNDS[team_of(seat)]
    if y > high:
        y = high
    elif y < low:
        y = low
    return x, y


def paddle_moves(paddles: Sequence[Point], targets: Sequence[Target | None]) -> list[Move]:
    """The move of each seat's paddle in this tick."""
    moves: list[Move] = []
    for seat, ((x, y), target) in enumerate(zip(paddles, targets, strict=True)):
        if target is None:
            moves.append((0.0, 0.0))
            continue
        tx, ty = clamped(target[0] / table.PADDLE_GRID, target[1] / table.PADDLE_GRID, seat)
        dx = tx - x
        dy = ty - y
        moves.append(_within_reach(dx, dy))
    if len(paddles) > 2:
        for seat in range(len(paddles)):
            moves[seat] = _beside_teammates(seat, paddles, moves)
    return moves


def _within_reach(dx: float, dy: float) -> Move:
    """The move, no longer than a paddle gets in a tick."""
    squared = dx * dx + dy * dy
    if squared > _REACH * _REACH:
        scale = _REACH / sqrt(squared)
        return dx * scale, dy * scale
    return dx, dy


def _beside_teammates(seat: int, paddles: Sequence[Point], moves: Sequence[Move]) -> Move:
    """The move of `seat`, bent around its teammates.

    Those of lower seats take up the place they have and the one they go to: the puck may stop them on the way.
    """
    dx, dy = moves[seat]
    if dx == 0.0 and dy == 0.0:
        return dx, dy
    x, y = paddles[seat]
    others = []
    for mate in range(team_of(seat), len(paddles), 2):
        if mate == seat:
            continue
        others.append(paddles[mate])
        if mate < seat:
            others.append((paddles[mate][0] + moves[mate][0], paddles[mate][1] + moves[mate][1]))
    for qx, qy in others:
        ox = x + dx - qx
        oy = y + dy - qy
        after = ox * ox + oy * oy
        if after >= _SPACE_SQUARED:
            continue
        before = (x - qx) * (x - qx) + (y - qy) * (y - qy)
        if after >= before:
            continue
        if before < _TOUCHING or after == 0.0:
            return 0.0, 0.0
        scale = _SPACE / sqrt(after)
        tx, ty = clamped(qx + ox * scale, qy + oy * scale, seat)
        dx = tx - x
        dy = ty - y
    dx, dy = _within_reach(dx, dy)
    for qx, qy in others:
        ox = x + dx - qx
        oy = y + dy - qy
        after = ox * ox + oy * oy
        if after < _TOUCHING and after < (x - qx) * (x - qx) + (y - qy) * (y - qy):
            return 0.0, 0.0
    return dx, dy
