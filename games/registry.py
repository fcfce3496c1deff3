"""Which games there are, and the rooms that channels opened with `game=` are run by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from games.airhockey.game import NAME as AIR_HOCKEY
from games.airhockey.game import TRAINING_OPTIONS as AIR_HOCKEY_TRAINING
from games.airhockey.game import AirHockey
from games.game import Game
from games.recording import Recording
from games.room import GameRoom
from games.room_options import RoomOptions
from games.ticker import TickTotals

MAX_SEED: Final = 2**31 - 1
GAMES: Final[dict[str, Callable[[dict[str, Any]], Game[Any]]]] = {AIR_HOCKEY: AirHockey}
TRAINING: Final[dict[str, dict[str, Any]]] = {AIR_HOCKEY: AIR_HOCKEY_TRAINING}
"""What a room for training assumes of the options that are not given."""


def make_game(name: str, options: dict[str, Any]) -> Game[Any]:
    """The rules of `name` under `options`. Raises `ValueError` with one clear sentence."""
    make = GAMES.get(name)
    if make is None:
        raise ValueError(f"there is no game {name[:40]!r}, only {', '.join(sorted(GAMES))}")
    return make(options)


class Rooms:
    """Fills `hub.ports.RoomFactory`.

    Options of every game: `seed` (0 to 2**31 - 1), `bots` (seats that the room plays itself), `training` (true:
    every seat but the first is such a one), `on_leave` (`forfeit` or `bot`; as a rule `forfeit` where no team has
    two seats, else `bot`). The rest are the game's own.
    """

    __slots__ = ("_random", "_recorded", "totals")

    def __init__(
        self,
        random: Callable[[int], bytes],
        recorded: Callable[[Recording], None] | None = None,
    ) -> None:
        """`random` draws a seed where none is given; `recorded` gets every match when it is over."""
        self._random = random
        self._recorded = recorded
        self.totals = TickTotals()
        """The ticks of every room made here."""

    def __call__(self, game: str, options: dict[str, Any]) -> GameRoom:
        """A room for `game`. Raises `ValueError` with one clear sentence."""
        own = dict(options)
        seed = _whole(own.pop("seed", None), "seed", MAX_SEED)
        bots = _whole(own.pop("bots", None), "bots", 16)
        training = own.pop("training", False)
        if type(training) is not bool:
            raise ValueError(f"training is {str(training)[:40]!r}, not true or false")
        on_leave = own.pop("on_leave", None)
        rules = make_game(game, TRAINING.get(game, {}) | own if training else own)
        if training and bots is not None and bots != rules.seat_count - 1:
            raise ValueError(
                f"bots is {bots}, but in training all {rules.seat_count - 1} other seats are bots'"
            )
        if training:
            bots = rules.seat_count - 1
        if seed is None:
            seed = int.from_bytes(self._random(4), "big") & MAX_SEED
        if on_leave is None:
            on_leave = "forfeit" if training or rules.seat_count == 2 else "bot"
        return GameRoom(rules, RoomOptions(seed, bots or 0, on_leave, training), recorded=self._recorded)


def _whole(value: Any, name: str, limit: int) -> int | None:
    if value is None or (type(value) is int and 0 <= value <= limit):
        return value
    raise ValueError(f"{name} is {str(value)[:40]!r}, not a whole number from 0 to {limit}")
