"""The bot's brain: where a seat wants its paddle, from what a player sees.

It plays like a person: late, limited, erring. Everything is in the seat's own frame: own goal at the bottom
(y = -HALF_LENGTH), as a player sees the table.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass
from math import sqrt
from typing import Final

from games.airhockey import table

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Sight:
    """What a player sees at one tick, own goal at the bottom."""

    tick: int
    playing: bool
    """False in countdowns, pauses, and after the end."""
    puck: Point
    puck_velocity: Point
    """Metres a second."""
    own: Point
    place: int = 0
    """The own place in the team: 0 keeps the goal, the others attack."""
    team: tuple[Point, ...] = ()
    """The paddles of the own team by place, the own among them. Empty: alone."""


@dataclass(frozen=True, slots=True)
class Skill:
    """The limits of a bot."""

    reaction_ticks: int = 12
    """How old is what the brain acts upon; it extrapolates the puck over that time, as people do."""
    speed: float = 1.6
    """Metres a second in defence."""
    strike_speed: float = 3.2
    """Metres a second in a swing."""
    aim_error_m: float = 0.05
    """Standard deviation, at the other end of the table."""
    catch_error_m: float = 0.15
    """Standard deviation of where the brain thinks that a puck at full speed will arrive."""


LINE: Final = -0.78
"""Where the bot waits for a puck."""
_STRIKABLE: Final = 1.6
"""Metres a second: a faster puck is blocked, not struck."""
_TICK_S: Final = 1.0 / table.TICK_HZ
_FORWARD: Final = -0.32
"""Where attackers wait for the puck."""
_WING: Final = 0.24
"""How far from the middle two attackers wait."""
_KEEPER_REACH: Final = -0.45
"""The keeper of a team strikes only a puck below this line."""


class Brain:
    """Decides once a tick. Deterministic: the same seed and sights give the same decisions."""

    __slots__ = ("_aim", "_catch_error", "_coming", "_random", "_seen", "skill")

    def __init__(self, seed: int, skill: Skill | None = None) -> None:
        self.skill = skill or Skill()
        self._random = random.Random(seed)
        self._seen: deque[Sight] = deque(maxlen=self.skill.reaction_ticks + 1)
        self._coming = False
        self._catch_error = 0.0
        self._aim: Point | None = None

    def decide(self, sight: Sight) -> Point:
        """Where the paddle should go, as far as it gets within this tick at the bot's speed."""
        if not sight.playing:
            self._seen.clear()
            self._aim = None
            return _towards(sight.own, _home(sight), self.skill.speed)
        self._seen.append(sight)
        puck, velocity = self._perceive(sight.tick)
        self._watch(velocity)
        if len(sight.team) > 1 and not self._mine(sight, puck, velocity):
            self._aim = None
            return self._support(sight, puck, velocity)
        if puck[1] > 0.02:
            self._aim = None
            return self._guard(sight.own, puck, velocity)
        if puck[1] < sight.own[1] + 0.01:
            return self._retreat(sight.own, puck)
        if velocity[0] ** 2 + velocity[1] ** 2 > _STRIKABLE**2 and velocity[1] < 0.0:
            return self._guard(sight.own, puck, velocity)
        return self._attack(sight.own, puck, velocity)

    def _perceive(self, tick: int) -> tuple[Point, Point]:
        """The puck now, guessed from how it was a reaction time ago."""
        old = self._seen[0]
        ahead_s = (tick - old.tick) * _TICK_S
        x, vx = _fold(old.puck[0] + old.puck_velocity[0] * ahead_s, old.puck_velocity[0])
        y = old.puck[1] + old.puck_velocity[1] * ahead_s
        return (x, max(y, -table.PUCK_Y)), (vx, old.puck_velocity[1])

    def _watch(self, velocity: Point) -> None:
        """Misjudge each coming shot anew, a fast one more."""
        coming = velocity[1] < -0.2
        if coming and not self._coming:
            speed = sqrt(velocity[0] ** 2 + velocity[1] ** 2)
            self._catch_error = (
                self._random.gauss(0.0, self.skill.catch_error_m) * speed / table.PUCK_MAX_SPEED
            )
        self._coming = coming

    def _mine(self, sight: Sight, puck: Point, velocity: Point) -> bool:
        """Whether this one of the team plays the puck: the nearest does, the keeper close to its goal only.

        A coming shot is the keeper's, and a puck in the other half nobody's.
        """
        x, y = puck
        coming = velocity[1] < -0.2
        if y > 0.02 or (coming and velocity[0] ** 2 + velocity[1] ** 2 > _STRIKABLE**2):
            return sight.place == 0
        keeper = sight.team[0]
        best, nearest = 0, (keeper[0] - x) ** 2 + (keeper[1] - y) ** 2
        if y > _KEEPER_REACH:
            nearest = 9.0
        for place, (px, py) in enumerate(sight.team[1:], start=1):
            distance = (px - x) ** 2 + (py - y) ** 2 + (0.1 if py > y else 0.0)
            if distance < nearest:
                best, nearest = place, distance
        return best == sight.place

    def _support(self, sight: Sight, puck: Point, velocity: Point) -> Point:
        """Not the one who plays the puck: keep the goal, or wait at the front, out of the way."""
        if sight.place == 0:
            return self._guard(sight.own, puck, velocity)
        x = puck[0] * 0.5
        if len(sight.team) > 2:
            x = x * 0.5 + (-_WING if sight.place == 1 else _WING)
        return _towards(sight.own, (x, _FORWARD), self.skill.speed)

    def _guard(self, own: Point, puck: Point, velocity: Point) -> Point:
        """Be where the puck will cross the line; shadow it while it does not come."""
        if velocity[1] < -0.2 and puck[1] > LINE:
            arrives_s = (puck[1] - LINE) / -velocity[1]
            x, _ = _fold(puck[0] + velocity[0] * arrives_s, velocity[0])
            x += self._catch_error
        else:
            x = puck[0] * 0.4
        limit = table.GOAL_HALF + 0.05
        return _towards(own, (max(-limit, min(limit, x)), LINE), self.skill.speed)

    def _retreat(self, own: Point, puck: Point) -> Point:
        """The puck is behind: get under it without pushing it into the own goal."""
        clear = table.CONTACT + 0.03
        x = own[0]
        if abs(puck[0] - own[0]) < clear:
            side = (
                1.0
                if (own[0] > puck[0]) != (abs(puck[0]) > table.PUCK_X - clear and own[0] * puck[0] > 0)
                else -1.0
            )
            x = puck[0] + side * clear * 1.2
        return _towards(own, (x, puck[1] - 0.08), self.skill.speed)

    def _attack(self, own: Point, puck: Point, velocity: Point) -> Point:
        """Line up behind the puck, then swing through it at the chosen aim."""
        if self._aim is None:
            self._aim = self._choose_aim()
        lead_s = 0.12
        x, _ = _fold(puck[0] + velocity[0] * lead_s, velocity[0])
        y = puck[1] + velocity[1] * lead_s
        ux, uy = _unit(self._aim[0] - x, self._aim[1] - y)
        behind = (x - ux * (table.CONTACT + 0.06), y - uy * (table.CONTACT + 0.06))
        gap = sqrt((behind[0] - own[0]) ** 2 + (behind[1] - own[1]) ** 2)
        px, py = _unit(puck[0] - own[0], puck[1] - own[1])
        if gap < 0.05 or px * ux + py * uy > 0.97:
            return _towards(own, (x + ux * 0.2, min(y + uy * 0.2, 0.0)), self.skill.strike_speed)
        return _towards(own, behind, self.skill.speed)

    def _choose_aim(self) -> Point:
        """A spot in the other goal, straight or by way of a side wall."""
        x = self._random.uniform(-0.7, 0.7) * table.GOAL_HALF + self._random.gauss(
            0.0, self.skill.aim_error_m
        )
        bank = self._random.random()
        if bank < 0.2:
            x = -2.0 * table.PUCK_X - x
        elif bank < 0.4:
            x = 2.0 * table.PUCK_X - x
        return x, table.HALF_LENGTH


def _fold(x: float, vx: float) -> tuple[float, float]:
    """`x` and `vx` after bouncing between the side walls (without restitution, as people guess)."""
    limit = table.PUCK_X
    for _ in range(4):
        if x > limit:
            x, vx = 2.0 * limit - x, -vx
        elif x < -limit:
            x, vx = -2.0 * limit - x, -vx
        else:
            break
    return max(-limit, min(limit, x)), vx


def _home(sight: Sight) -> Point:
    """Where to wait for a serve."""
    return table.HOMES[max(len(sight.team), 1) - 1][sight.place]


def _unit(x: float, y: float) -> Point:
    length = sqrt(x * x + y * y)
    return (x / length, y / length) if length > 1e-9 else (0.0, 1.0)


def _towards(own: Point, target: Point, speed: float) -> Point:
    """As far from `own` towards `target` as `speed` (metres a second) allows in a tick."""
    dx, dy = target[0] - own[0], target[1] - own[1]
    distance = sqrt(dx * dx + dy * dy)
    reach = speed * _TICK_S
    if distance <= reach:
        return target
    return own[0] + dx * reach / distance, own[1] + dy * reach / distance
