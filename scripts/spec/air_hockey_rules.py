"""Air Hockey's step, to the bit: games/air-hockey.md sections 1 to 8."""

from __future__ import annotations

import math
from dataclasses import dataclass

GOAL_HALF, PUCK_RADIUS, CONTACT = 0.1875, 0.0390625, 0.1015625
PUCK_X, PUCK_Y, PADDLE_X = 0.4609375, 0.9609375, 0.4375
PADDLE_NEAR, PADDLE_FAR, PUCK_MAX = 0.0625, 0.9375, 3.5
WALL, BOUNCE, DRAG = 0.875, 1.75, 0.9990234375
SERVE_SPEED, SERVE_SPREAD = 0.75, 0.5
SUBSTEPS, H, REACH = 6, 1.0 / 360, 4.0 / 60
PAUSE, POSSESSION, SUDDEN_DEATH, MAX_SCORE = 60, 420, 3600, 99
PUCK_GRID, PADDLE_GRID = 1048576.0, 16384.0
SPACE = 0.125
TOUCHING = (SPACE - 1.0 / 1024.0) * (SPACE - 1.0 / 1024.0)
PINNED = (CONTACT - 1.0 / 1048576.0) * (CONTACT - 1.0 / 1048576.0)

COUNTDOWN_PHASE, PLAY, GOAL, OVER = 0, 1, 2, 3
HIT = (1, 2, 512, 1024, 2048, 4096)
WALL_HIT, POST_HIT, SERVE, POSSESSION_BIT, OVER_BIT = 4, 8, 16, 128, 256
GOALS, TIME, SUDDEN = 1, 2, 3

Target = tuple[int, int] | None


@dataclass
class State:
    """Section 3. `puck` is x, y, vx, vy; `paddles` are [x, y]."""

    tick: int
    phase: int
    phase_ticks: int
    score: list[int]
    random: int
    receiver: int
    possession: int
    happened: int
    winner: int
    reason: int
    puck: list[float]
    paddles: list[list[float]]


def step(state: State, inputs: list[Target], win_score: int, time_limit_s: int) -> None:
    """Section 5, in place."""
    state.tick += 1
    state.happened = 0
    if state.phase == OVER:
        return
    moves = [_move(state.paddles[seat], target, seat) for seat, target in enumerate(inputs)]
    for seat in range(len(moves)):
        moves[seat] = _spaced(state.paddles, moves, seat)
    if state.phase == PLAY:
        _play(state, moves, win_score, time_limit_s)
    else:
        for paddle, (dx, dy) in zip(state.paddles, moves, strict=True):
            paddle[0], paddle[1] = paddle[0] + dx, paddle[1] + dy
        state.phase_ticks -= 1
        if state.phase_ticks == 0:
            _serve(state)
    state.puck = [math.floor(value * PUCK_GRID + 0.5) / PUCK_GRID for value in state.puck]
    for paddle in state.paddles:
        paddle[:] = [math.floor(value * PADDLE_GRID + 0.5) / PADDLE_GRID for value in paddle]
    late = state.tick - 60 * time_limit_s
    if late >= 0 and state.phase != OVER:
        first, second = state.score
        if first != second:
            _end(state, 0 if first > second else 1, TIME)
        elif late >= SUDDEN_DEATH:
            _end(state, -1, TIME)


def _clamped(x: float, y: float, seat: int) -> tuple[float, float]:
    low, high = (-PADDLE_FAR, -PADDLE_NEAR) if seat % 2 == 0 else (PADDLE_NEAR, PADDLE_FAR)
    x = PADDLE_X if x > PADDLE_X else -PADDLE_X if x < -PADDLE_X else x
    y = high if y > high else low if y < low else y
    return x, y


def _shortened(dx: float, dy: float) -> tuple[float, float]:
    s = dx * dx + dy * dy
    if s > REACH * REACH:
        k = REACH / math.sqrt(s)
        return dx * k, dy * k
    return dx, dy


def _move(paddle: list[float], target: Target, seat: int) -> tuple[float, float]:
    if target is None:
        return 0.0, 0.0
    x, y = _clamped(target[0] / PADDLE_GRID, target[1] / PADDLE_GRID, seat)
    return _shortened(x - paddle[0], y - paddle[1])


# Section 6


def _spaced(paddles: list[list[float]], moves: list[tuple[float, float]], seat: int) -> tuple[float, float]:
    dx, dy = moves[seat]
    if dx == 0 and dy == 0:
        return dx, dy
    x, y = paddles[seat]
    places = []
    for other in range(seat % 2, len(paddles), 2):
        if other == seat:
            continue
        qx, qy = paddles[other]
        places.append((qx, qy))
        if other < seat:
            places.append((qx + moves[other][0], qy + moves[other][1]))
    for qx, qy in places:
        ox, oy = x + dx - qx, y + dy - qy
        a = ox * ox + oy * oy
        b = (x - qx) * (x - qx) + (y - qy) * (y - qy)
        if a >= SPACE * SPACE or a >= b:
            continue
        if b < TOUCHING or a == 0:
            return 0.0, 0.0
        k = SPACE / math.sqrt(a)
        tx, ty = _clamped(qx + ox * k, qy + oy * k, seat)
        dx, dy = tx - x, ty - y
    dx, dy = _shortened(dx, dy)
    for qx, qy in places:
        ox, oy = x + dx - qx, y + dy - qy
        a = ox * ox + oy * oy
        b = (x - qx) * (x - qx) + (y - qy) * (y - qy)
        if a < TOUCHING and a < b:
            return 0.0, 0.0
    return dx, dy


# Sections 5.4, 7 and 8


def _play(state: State, moves: list[tuple[float, float]], win_score: int, time_limit_s: int) -> None:
    half = state.puck[1] < 0
    scorer = _substeps(state, [[dx / 6, dy / 6] for dx, dy in moves])
    if scorer is not None:
        _goal(state, scorer, win_score, time_limit_s)
        return
    state.puck[2], state.puck[3] = state.puck[2] * DRAG, state.puck[3] * DRAG
    if (state.puck[1] < 0) is not half:
        state.possession = 0
        return
    state.possession += 1
    if state.possession == POSSESSION:
        state.receiver = 1 if half else 0
        state.happened += POSSESSION_BIT
        _serve(state)


def _near(state: State, seat: int) -> float:
    px, py = state.paddles[seat]
    x, y = state.puck[0], state.puck[1]
    return (x - px) * (x - px) + (y - py) * (y - py)


def _substeps(state: State, speeds: list[list[float]]) -> int | None:
    seats = range(len(speeds))
    puck = state.puck
    for _ in range(SUBSTEPS):
        puck[0], puck[1] = puck[0] + puck[2] * H, puck[1] + puck[3] * H
        for paddle, (sx, sy) in zip(state.paddles, speeds, strict=True):
            paddle[0], paddle[1] = paddle[0] + sx, paddle[1] + sy
        if puck[0] > PUCK_X or puck[0] < -PUCK_X or puck[1] > PUCK_Y or puck[1] < -PUCK_Y:
            _contain(state)
        if any(_near(state, seat) < CONTACT * CONTACT for seat in seats):
            _collide(state, speeds)
            for seat in seats:
                if _near(state, seat) < PINNED:
                    _yield(state, seat)
                    speeds[seat] = [0.0, 0.0]
        if puck[1] >= 1:
            return 0
        if puck[1] <= -1:
            return 1
    return None


def _contain(state: State) -> None:
    puck = state.puck
    if puck[0] > PUCK_X:
        puck[0] = PUCK_X
        if puck[2] > 0:
            puck[2] = -puck[2] * WALL
            state.happened |= WALL_HIT
    elif puck[0] < -PUCK_X:
        puck[0] = -PUCK_X
        if puck[2] < 0:
            puck[2] = -puck[2] * WALL
            state.happened |= WALL_HIT
    if -PUCK_Y <= puck[1] <= PUCK_Y:
        return
    if -GOAL_HALF < puck[0] < GOAL_HALF:
        _post(state)
    elif puck[1] > 0:
        puck[1] = PUCK_Y
        if puck[3] > 0:
            puck[3] = -puck[3] * WALL
            state.happened |= WALL_HIT
    else:
        puck[1] = -PUCK_Y
        if puck[3] < 0:
            puck[3] = -puck[3] * WALL
            state.happened |= WALL_HIT


def _post(state: State) -> None:
    puck = state.puck
    qx = puck[0] - (GOAL_HALF if puck[0] > 0 else -GOAL_HALF)
    qy = puck[1] - (1 if puck[1] > 0 else -1)
    s = qx * qx + qy * qy
    if s >= PUCK_RADIUS * PUCK_RADIUS or puck[1] >= 1 or puck[1] <= -1:
        return
    d = math.sqrt(s)
    nx, ny = qx / d, qy / d
    puck[0], puck[1] = puck[0] + nx * (PUCK_RADIUS - d), puck[1] + ny * (PUCK_RADIUS - d)
    t = puck[2] * nx + puck[3] * ny
    if t < 0:
        p = (1.0 + WALL) * t
        puck[2], puck[3] = puck[2] - p * nx, puck[3] - p * ny
        state.happened |= POST_HIT


def _collide(state: State, speeds: list[list[float]]) -> None:
    puck = state.puck
    own, other = (1, 0) if puck[1] < 0 else (0, 1)
    seats = [*range(own, len(speeds), 2), *range(other, len(speeds), 2)]
    for seat in seats:
        px, py = state.paddles[seat]
        qx, qy = puck[0] - px, puck[1] - py
        s = qx * qx + qy * qy
        if s >= CONTACT * CONTACT:
            continue
        d = math.sqrt(s)
        nx, ny = (qx / d, qy / d) if s else (0.0, 1.0 if seat % 2 == 0 else -1.0)
        puck[0], puck[1] = puck[0] + nx * (CONTACT - d), puck[1] + ny * (CONTACT - d)
        sx, sy = speeds[seat]
        t = (puck[2] - sx / H) * nx + (puck[3] - sy / H) * ny
        if t < 0:
            p = BOUNCE * t
            puck[2], puck[3] = puck[2] - p * nx, puck[3] - p * ny
            q = puck[2] * puck[2] + puck[3] * puck[3]
            if q > PUCK_MAX * PUCK_MAX:
                k = PUCK_MAX / math.sqrt(q)
                puck[2], puck[3] = puck[2] * k, puck[3] * k
            state.happened |= HIT[seat]
        _contain(state)


def _yield(state: State, seat: int) -> None:
    paddle, (x, y) = state.paddles[seat], state.puck[:2]
    qx, qy = paddle[0] - x, paddle[1] - y
    s = qx * qx + qy * qy
    if s == 0:
        return
    k = CONTACT / math.sqrt(s)
    paddle[:] = _clamped(x + qx * k, y + qy * k, seat)


def _serve(state: State) -> None:
    state.phase, state.phase_ticks, state.possession = PLAY, 0, 0
    state.random = state.random * 48271 % 2147483647
    vx = (state.random / 1073741823.5 - 1.0) * SERVE_SPREAD
    state.puck[:] = [0.0, 0.0, vx, -SERVE_SPEED if state.receiver == 0 else SERVE_SPEED]
    state.happened += SERVE


def _end(state: State, winner: int, reason: int) -> None:
    state.phase, state.phase_ticks = OVER, 0
    state.puck[2] = state.puck[3] = 0.0
    state.winner, state.reason = winner, reason
    state.happened |= OVER_BIT


def _goal(state: State, scorer: int, win_score: int, time_limit_s: int) -> None:
    if state.score[scorer] < MAX_SCORE:
        state.score[scorer] += 1
    state.happened += 32 if scorer == 0 else 64
    state.puck[1:] = [1.0 if scorer == 0 else -1.0, 0.0, 0.0]
    state.receiver, state.possession = 1 - scorer, 0
    if win_score and max(state.score) >= win_score:
        _end(state, scorer, GOALS)
    elif state.tick > 60 * time_limit_s:
        _end(state, scorer, SUDDEN)
    else:
        state.phase, state.phase_ticks = GOAL, PAUSE
