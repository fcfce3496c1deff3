"""The table: every length, speed and time of Air Hockey. docs/protocol/games/air-hockey.md, section "Table".

Metres and seconds. The origin is the middle of the table, x to the right, y away from team 0, which defends
the goal at y = -HALF_LENGTH; team 1 defends the other. A half turn about the origin swaps the teams: so a
client shows everyone their own side at the bottom. All lengths are exact in binary: limits lie on the grids.
"""

from __future__ import annotations

from typing import Final

VERSION: Final = 2
"""Rises with any change that could change one bit of any state. 2 added teams."""
REPLAYABLE_VERSIONS: Final = frozenset({1, 2})
"""Two players in version 1 are two players in version 2, bit for bit: old recordings replay."""

MIN_PLAYERS: Final = 2
MAX_PLAYERS: Final = 6
"""Seats 0, 2, 4 are team 0, seats 1, 3, 5 are team 1."""

TICK_HZ: Final = 60
SUBSTEPS: Final = 6
"""Per tick. (PUCK_MAX_SPEED + PADDLE_MAX_SPEED) / 360 = 21 mm, a fifth of CONTACT: nothing can tunnel."""

HALF_WIDTH: Final = 0.5
HALF_LENGTH: Final = 1.0
GOAL_HALF: Final = 0.1875
PUCK_RADIUS: Final = 0.0390625
PADDLE_RADIUS: Final = 0.0625
CONTACT: Final = PUCK_RADIUS + PADDLE_RADIUS
"""Distance of the centres at which puck and paddle touch."""

PUCK_X: Final = HALF_WIDTH - PUCK_RADIUS
PUCK_Y: Final = HALF_LENGTH - PUCK_RADIUS
"""How far the puck's centre gets in front of a wall. In the goal mouth it goes on to HALF_LENGTH: a goal."""
PADDLE_X: Final = HALF_WIDTH - PADDLE_RADIUS
PADDLE_FAR: Final = HALF_LENGTH - PADDLE_RADIUS
PADDLE_NEAR: Final = PADDLE_RADIUS
"""A paddle's centre keeps PADDLE_NEAR <= |y| <= PADDLE_FAR in its own half: it never crosses the middle."""
SPACE: Final = 2.0 * PADDLE_RADIUS
"""Distance of the centres at which two paddles of a team touch."""
HOME_Y: Final = 0.75
HOMES: Final = (
    ((0.0, -HOME_Y),),
    ((0.0, -HOME_Y), (0.0, -0.375)),
    ((0.0, -HOME_Y), (-0.25, -0.375), (0.25, -0.375)),
)
"""Where the paddles of a team of 1, 2, 3 stand at the start, in the own frame: own goal at the bottom."""

PUCK_MAX_SPEED: Final = 3.5
PADDLE_MAX_SPEED: Final = 4.0
WALL_RESTITUTION: Final = 0.875
PADDLE_RESTITUTION: Final = 0.75
DRAG: Final = 0.9990234375
"""What is left of the puck's speed after a tick: 0.943 after a second."""
SERVE_SPEED: Final = 0.75
SERVE_SPREAD: Final = 0.5
"""A serve leaves the middle towards the receiver at SERVE_SPEED along y and at most SERVE_SPREAD along x."""

COUNTDOWN_TICKS: Final = 3 * TICK_HZ
GOAL_TICKS: Final = TICK_HZ
"""Pause after a goal, before the next serve."""
POSSESSION_TICKS: Final = 7 * TICK_HZ
"""A puck that stays in one half for so long is served anew, to the other seat. So no puck is ever stuck."""
SUDDEN_DEATH_TICKS: Final = 60 * TICK_HZ
"""How long a match that is even at its time limit waits for the deciding goal before it is a draw."""

WIN_SCORES: Final = (0, 3, 5, 7, 10)
"""Goals that win; 0: the match goes on until its time is over."""
MAX_SCORE: Final = 99
"""Further goals are not counted."""
DEFAULT_WIN_SCORE: Final = 7
DEFAULT_TIME_LIMIT_S: Final = 300
MAX_TIME_LIMIT_S: Final = 3600

PUCK_GRID: Final = 1048576.0
"""Steps per metre, and per metre a second, to which the puck is rounded after each tick."""
PADDLE_GRID: Final = 16384.0
"""Steps per metre of paddle positions and of the positions that inputs ask for."""
