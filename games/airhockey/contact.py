"""Where things meet on the table: puck and walls, puck and posts, puck and paddles, within a tick's substeps.

docs/protocol/games/air-hockey.md, section "Substeps". Only + - * / square root and comparisons on doubles, in
the order written here.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Final

from games.airhockey import table
from games.airhockey.spacing import Move, clamped
from games.airhockey.state import HITS, NOBODY, Happened, MatchState, team_of

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
_BOUNCE: Final = 1.0 + table.PADDLE_RESTITUTION
_SUBSTEPS: Final = table.SUBSTEPS
_SUBSTEP: Final = 1.0 / (table.TICK_HZ * table.SUBSTEPS)
_MAX: Final = table.PUCK_MAX_SPEED
_MAX_SQUARED: Final = _MAX * _MAX
_HIT: Final = tuple(int(hit) for hit in HITS)
_WALL_HIT: Final = int(Happened.WALL)
_POST_HIT: Final = int(Happened.POST)


def _order(players: int, first_team: int) -> tuple[int, ...]:
    return (*range(first_team, players, 2), *range(1 - first_team, players, 2))


_ORDERS: Final = {
    players: (_order(players, 0), _order(players, 1))
    for players in range(table.MIN_PLAYERS, table.MAX_PLAYERS + 1)
}
"""By players and by whether y < 0: the team in whose half the puck is comes last, in both halves alike."""


def run_substeps(s: MatchState, moves: Sequence[Move]) -> int:
    """Move puck and paddles through the tick. Returns the team that scored, or NOBODY."""
    # The hot loop: everything in local names, calls only on contact.
    x, y, vx, vy = s.puck_x, s.puck_y, s.puck_vx, s.puck_vy
    paddles = [
        [px, py, dx / _SUBSTEPS, dy / _SUBSTEPS] for (px, py), (dx, dy) in zip(s.paddles, moves, strict=True)
    ]
    hits = 0
    scorer = NOBODY
    for _ in range(_SUBSTEPS):
        x += vx * _SUBSTEP
        y += vy * _SUBSTEP
        if x > _PUCK_X or x < -_PUCK_X or y > _PUCK_Y or y < -_PUCK_Y:
            x, y, vx, vy, hit = _contain(x, y, vx, vy)
            hits |= hit
        touching = False
        for paddle in paddles:
            px, py, sx, sy = paddle
            paddle[0] = px = px + sx
            paddle[1] = py = py + sy
            px = x - px
            py = y - py
            if px * px + py * py < _CONTACT_SQUARED:
                touching = True
        if touching:
            x, y, vx, vy, hit = _collide(x, y, vx, vy, paddles)
            hits |= hit
            for seat, paddle in enumerate(paddles):
                px, py = paddle[0], paddle[1]
                if (x - px) * (x - px) + (y - py) * (y - py) < _PINNED:
                    paddle[0], paddle[1] = _yield(x, y, px, py, seat)
                    paddle[2] = paddle[3] = 0.0
        if y >= _LENGTH:
            scorer = 0
            break
        if y <= -_LENGTH:
            scorer = 1
            break
    s.puck_x, s.puck_y, s.puck_vx, s.puck_vy = x, y, vx, vy
    s.paddles = tuple((paddle[0], paddle[1]) for paddle in paddles)
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


def _collide(x: float, y: float, vx: float, vy: float, paddles: Sequence[Sequence[float]]) -> _Puck:
    """All paddles against the puck, one after the other."""
    hits = 0
    for seat in _ORDERS[len(paddles)][y < 0.0]:
        px, py, sx, sy = paddles[seat]
        dx = x - px
        dy = y - py
        squared = dx * dx + dy * dy
        if squared >= _CONTACT_SQUARED:
            continue
        if squared == 0.0:  # centre on centre, which no play leads to: out towards the middle
            nx, ny, distance = 0.0, -1.0 if team_of(seat) else 1.0, 0.0
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


def _yield(x: float, y: float, px: float, py: float, seat: int) -> tuple[float, float]:
    """Where a paddle at (px, py) ends that overlaps a pinned puck: at contact, inside its half."""
    dx = px - x
    dy = py - y
    squared = dx * dx + dy * dy
    if squared == 0.0:
        return px, py
    scale = _CONTACT / sqrt(squared)
    return clamped(x + dx * scale, y + dy * scale, seat)
