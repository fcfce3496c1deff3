"""Air Hockey's bytes: inputs and snapshots. docs/protocol/games/air-hockey.md, "Input" and "Snapshot".

The state lies on grids, so a snapshot in integers is the state bit for bit. All integers are big-endian.
"""

from __future__ import annotations

import struct
from math import floor
from typing import Final

from games.airhockey import table
from games.airhockey.spacing import Target
from games.airhockey.state import HITS, NOBODY, MatchState, Phase, Reason, team_of

_INPUT: Final = struct.Struct(">hh")
_SNAPSHOTS: Final = {
    players: struct.Struct(f">BBBBHIH4i{2 * players}h")
    for players in range(table.MIN_PLAYERS, table.MAX_PLAYERS + 1)
}
_PLAYERS_OF: Final = {layout.size: players for players, layout in _SNAPSHOTS.items()}
INPUT_BYTES: Final = _INPUT.size
_STAND: Final = -32768
NEUTRAL: Final = _INPUT.pack(_STAND, _STAND)
"""The input that lets the paddle stand."""
SNAPSHOT_BYTES: Final = _SNAPSHOTS[2].size
"""With two players; each further one adds 4."""

_PUCK: Final = table.PUCK_GRID
_PADDLE: Final = table.PADDLE_GRID
_MAX_X: Final = round(table.PUCK_X * _PUCK)
_MAX_Y: Final = round((table.HALF_LENGTH + table.PUCK_RADIUS) * _PUCK)
_MAX_SPEED: Final = round(table.PUCK_MAX_SPEED * _PUCK) + 1
_PADDLE_X: Final = round(table.PADDLE_X * _PADDLE)
_NEAR: Final = round(table.PADDLE_NEAR * _PADDLE)
_FAR: Final = round(table.PADDLE_FAR * _PADDLE)
_MAX_PAUSE: Final = max(table.COUNTDOWN_TICKS, table.GOAL_TICKS)
_MAX_HAPPENED: Final = sum(HITS) + 508


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
    places = []
    for x, y in state.paddles:
        places.append(int(x * _PADDLE))
        places.append(int(y * _PADDLE))
    return _SNAPSHOTS[len(state.paddles)].pack(
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
        *places,
    )


def decode_snapshot(data: bytes, tick: int) -> MatchState:
    """The state at `tick`; its length tells how many players. Raises `WireError` for what no match comes to."""
    players = _PLAYERS_OF.get(len(data))
    if players is None:
        raise WireError(f"no snapshot has {len(data)} bytes")
    head, pause, score0, score1, possession, random, happened, x, y, vx, vy, *places = _SNAPSHOTS[
        players
    ].unpack(data)
    state = MatchState()
    state.tick = tick
    state.phase = head & 3
    state.receiver = head >> 2 & 1
    state.winner = (head >> 3 & 3) - 1
    state.reason = head >> 5
    _check_end(state, head)
    if (
        pause > _MAX_PAUSE
        or score0 > table.MAX_SCORE
        or score1 > table.MAX_SCORE
        or possession >= table.POSSESSION_TICKS
    ):
        raise WireError("a count above its limit")
    if not 1 <= random <= 2147483646 or happened > _MAX_HAPPENED:
        raise WireError("bad random or happened")
    if abs(x) > _MAX_X or abs(y) > _MAX_Y or abs(vx) > _MAX_SPEED or abs(vy) > _MAX_SPEED:
        raise WireError("the puck is off the table or too fast")
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
    state.paddles = tuple(
        _decode_paddle(seat, px, py)
        for seat, (px, py) in enumerate(zip(places[::2], places[1::2], strict=True))
    )
    return state


def _check_end(state: MatchState, head: int) -> None:
    if state.winner > 1 or state.reason > Reason.FORFEIT:
        raise WireError(f"bad head {head:#04x}")
    if (state.phase != Phase.OVER) != (state.reason == Reason.NONE):
        raise WireError("a match is over for a reason")
    if state.winner != NOBODY and state.phase != Phase.OVER:
        raise WireError("a winner before the end")


def _decode_paddle(seat: int, x: int, y: int) -> tuple[float, float]:
    if abs(x) > _PADDLE_X or not _NEAR <= (-y if team_of(seat) == 0 else y) <= _FAR:
        raise WireError("a paddle is outside its half")
    return x / _PADDLE, y / _PADDLE
