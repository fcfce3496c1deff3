"""Whose input a seat plays at each tick: its agent's while that comes, a bot's where it does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from games.game import Game
from games.messages import SeatReport
from statesync.input_buffer import InputBuffer, InputStats

SILENCE_S: Final = 0.5
"""A bot takes the seat of an agent of whom no input came in time for so long."""


class SeatInput:
    """One seat of one match.

    An agent that is away is replaced at once, a silent one after `SILENCE_S` (at the start of a match twice that);
    the first input that comes in time takes the seat back at its tick.
    """

    __slots__ = (
        "_bot",
        "_buffer",
        "_game",
        "_patience",
        "_seat",
        "_seed",
        "_silent",
        "away",
        "bot_ticks",
        "by_bot",
        "held",
    )

    def __init__(self, game: Game[Any], seat: int, seed: int, *, held: bool) -> None:
        """`held`: an agent has the seat; else a bot plays it until `hold`."""
        self._game = game
        self._seat = seat
        self._seed = seed
        self._patience = round(SILENCE_S * game.tick_hz)
        self._silent = -self._patience  # at the start of a match clients have yet to find its beat
        self._bot: Callable[[Any], bytes] | None = None
        self._buffer = InputBuffer(game.neutral, game.tick_hz, first_tick=1)
        self.held = held
        self.away = False
        """Its agent has no link."""
        self.by_bot = not held
        """The last input was a bot's."""
        self.bot_ticks = 0

    def hold(self, next_tick: int) -> None:
        """An agent takes the seat; the bot plays on until the first input of it comes."""
        self._buffer = InputBuffer(self._game.neutral, self._game.tick_hz, first_tick=next_tick)
        self._silent = self._patience
        self.held, self.away = True, False

    def release(self) -> None:
        """The agent left."""
        self.held = self.away = False

    def show_away(self, away: bool) -> None:
        """The agent lost its link (a bot plays at once), or has one again (the bot plays on until an input)."""
        self.away = away
        self._silent = self._patience

    def receive(self, data: bytes, now: float) -> None:
        """An input message of the agent. Raises `statesync.errors.MalformedInput`."""
        self._buffer.receive(data, now)

    def take(self, tick: int, now: float, state: Any) -> bytes:
        """The input with which `tick` is played from `state`."""
        if self.held:
            data = self._buffer.take(tick, now)
            if not self._buffer.starved:
                self._silent = 0
                self._bot = None
                self.by_bot = False
                return data
            self._silent += 1
            if self._silent <= self._patience and not self.away:
                self.by_bot = False
                return data
        if self._bot is None:
            self._bot = self._game.bot(self._seat, self._seed + tick)
        self.by_bot = True
        self.bot_ticks += 1
        return self._bot(state)

    def report(self, now: float) -> SeatReport:
        """What a snapshot tells the agent about its inputs."""
        if not self.held:
            return SeatReport(0, None)
        return SeatReport(self._buffer.newest or 0, self._buffer.slack(now))

    @property
    def stats(self) -> InputStats:
        """What came of the agent's inputs."""
        return self._buffer.stats
