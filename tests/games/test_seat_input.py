"""Whose input a seat plays: its agent's, or a bot's."""

from __future__ import annotations

from typing import Any

from games.airhockey import wire
from games.airhockey.game import AirHockey
from games.seat_input import SeatInput
from statesync.inputs import InputSender

TARGET = wire.encode_input((100, -9000))


class CountedBots(AirHockey):
    """Air Hockey that counts the bots it makes."""

    __slots__ = ("made",)

    def bot(self, seat: int, seed: int) -> Any:
        self.made = [*getattr(self, "made", []), seed]
        return super().bot(seat, seed)


def message(tick: int) -> bytes:
    sender = InputSender(4)
    sender.push(tick, TARGET)
    return sender.message()


def test_each_takeover_has_a_new_bot_that_remembers_nothing_of_the_last() -> None:
    game = CountedBots({})
    seat, state = SeatInput(game, 0, 7, held=True), game.start(1)
    for tick in range(1, 201):
        if tick == 100:
            seat.receive(message(tick), tick / 60)
        seat.take(tick, tick / 60, state)
    assert len(game.made) == len(set(game.made)) == 2
    assert seat.by_bot


def test_a_new_match_has_a_second_of_patience_and_later_half_of_one() -> None:
    game = AirHockey({})
    seat, state = SeatInput(game, 0, 7, held=True), game.start(1)
    taken = []
    for tick in range(1, 201):
        if tick == 100:
            seat.receive(message(tick), tick / 60)
        before = seat.by_bot
        seat.take(tick, tick / 60, state)
        if seat.by_bot is not before:
            taken.append(tick)
    assert taken == [61, 100, 131]
    assert seat.bot_ticks == (99 - 60) + (200 - 130)


def test_a_free_seat_reports_nothing_about_inputs() -> None:
    game = AirHockey({})
    seat = SeatInput(game, 0, 7, held=True)
    seat.receive(message(5), 0.0)
    assert seat.report(0.0).last_input_tick == 5
    seat.release()
    assert (seat.report(0.0).last_input_tick, seat.report(0.0).input_slack) == (0, None)
    seat.hold(50)
    assert seat.report(0.0).last_input_tick == 0, "what the last agent sent is not the new one's"
