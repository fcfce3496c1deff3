"""Air Hockey's bytes: inputs and snapshots. docs/protocol/games/air-hockey.md, "Input" and "Snapshot".

The state lies on grids, so a snapshot in integers is the state bit for bit. All integers are big-endian.
"""

from __future__ import annotations

import struct
from math import floor
from typing import Final

from games.airhockey import table
from games.airhockey.rules import Target
from games.airhockey.state import NOBODY, MatchState, Phase, Reason

_INPUT: Final = struct.Struct(">hh")
_SNAPSHOT: Final = struct.Struct(">BBBBHIH4i4h")
INPUT_BYTES: Final = _INPUT.size
_STAND: Final = -32768
NEUTRAL: Final = _INPUT.pack(_STAND, _STAND)
"""The input that lets the paddle stand."""
SNAPSHOT_BYTES: Final = _SNAPSHOT.size

_PUCK: Final = table.PUCK_GRID
_PADDLE: Final = table.PADDLE_GRID
_MAX_X: Final = round(table.PUCK_X * _PUCK)
_MAX_Y: Final = round((table.HALF_LENGTH + table.PUCK_RADIUS) * _PUCK)
_MAX_SPEED: Final = round(table.PUCK_MAX_SPEED * _PUCK) + 1
_PADDLE_X: Final = round(table.PADDLE_X * _PADDLE)
_NEAR: Final = round(table.PADDLE_NEAR * _PADDLE)
_FAR: Final = round(table.PADDLE_FAR * _PADDLE)
_MAX_PAUSE: Final = max(table.COUNTDOWN_TICKS, table.GOAL_TICKS)
_MAX_SCORE: Final = max(table.WIN_SCORES)


class WireError(ValueError):
    """The bytes are no input or snapshot of this game."""


def encode_input(target: Target | None) -> bytes:
    """`target` in grid steps, each clamped to +-32767; None lets the paddle stand."""
    if target is None:
        return NEUTRAL
    x, y = target
    return _INPUT.pack(max(-32767, min(32767, x)), max(-32767, min(32767, y)))


def decode_input(data: bytes) -> Target | None:
    """The target in `data`, None where x is -32768. Raises `WireError` for another length."""
    if len(data) != INPUT_BYTES:
        raise WireError(f"an input has {INPUT_BYTES} bytes, not {len(data)}")
    x, y = _INPUT.unpack(data)
    return None if x == _STAND else (x, y)


def target_at(x: float, y: float) -> Target:
    """The target nearest to (x, y), metres."""
    return floor(x * _PADDLE + 0.5), floor(y * _PADDLE + 0.5)


def encode_snapshot(state: MatchState) -> bytes:
    """The whole state but its tick, which travels in the room's frame."""
    return _SNAPSHOT.pack(
        state.phase | state.receiver << 2 | (state.winner + 1) << 3 | state.reason << 5,
        state.phase_ticks,
        state.score0,
        state.score1,
        state.possession_ticks,
        state.random,
        state.happened,
        int(state.puck_x * _PUCK),
        int(state.puck_y * _PUCK),
        int(state.puck_vx * _PUCK),
        int(state.puck_vy * _PUCK),
        int(state.paddle0_x * _PADDLE),
        int(state.paddle0_y * _PADDLE),
        int(state.paddle1_x * _PADDLE),
        int(state.paddle1_y * _PADDLE),
    )


def decode_snapshot(data: bytes, tick: int) -> MatchState:
    """The state at `tick`. Raises `WireError` for what no match can come to."""
    if len(data) != SNAPSHOT_BYTES:
        raise WireError(f"a snapshot has {SNAPSHOT_BYTES} bytes, not {len(data)}")
    head, pause, score0, score1, possession, random, happened, *places = _SNAPSHOT.unpack(data)
    x, y, vx, vy, x0, y0, x1, y1 = places
    state = MatchState()
    state.tick = tick
    state.phase = head & 3
    state.receiver = head >> 2 & 1
    state.winner = (head >> 3 & 3) - 1
    state.reason = head >> 5
    if state.winner > 1 or state.reason > Reason.FORFEIT:
        raise WireError(f"bad head {head:#04x}")
    if (state.phase != Phase.OVER) != (state.reason == Reason.NONE):
        raise WireError("a match is over for a reason")
    if state.winner != NOBODY and state.phase != Phase.OVER:
        raise WireError("a winner before the end")
    if (
        pause > _MAX_PAUSE
        or score0 > _MAX_SCORE
        or score1 > _MAX_SCORE
        or possession >= table.POSSESSION_TICKS
    ):
        raise WireError("a count above its limit")
    if not 1 <= random <= 2147483646 or happened > 511:
        raise WireError("bad random or happened")
    if abs(x) > _MAX_X or abs(y) > _MAX_Y or abs(vx) > _MAX_SPEED or abs(vy) > _MAX_SPEED:
        raise WireError("the puck is off the table or too fast")
    if abs(x0) > _PADDLE_X or abs(x1) > _PADDLE_X or not (-_FAR <= y0 <= -_NEAR and _NEAR <= y1 <= _FAR):
        raise WireError("a paddle is outside its half")
    state.phase_ticks = pause
    state.score0 = score0
    state.score1 = score1
    state.possession_ticks = possession
    state.random = random
    state.happened = happened
    state.puck_x = x / _PUCK
    state.puck_y = y / _PUCK
    state.puck_vx = vx / _PUCK
    state.puck_vy = vy / _PUCK
    state.paddle0_x = x0 / _PADDLE
    state.paddle0_y = y0 / _PADDLE
    state.paddle1_x = x1 / _PADDLE
    state.paddle1_y = y1 / _PADDLE
    return state
