"""Who sits where in a game room, who only watches, and who is ready."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hub.ports import AgentInfo


@dataclass(slots=True)
class Seat:
    """One seat. Free while there is neither an agent nor a bot."""

    agent: AgentInfo | None = None
    bot: bool = False
    """Played by the room itself; always ready."""
    ready: bool = False
    away: bool = False
    """The agent has lost its link; the seat stays its own."""

    def describe(self) -> dict[str, Any] | None:
        """For the `room` event: None where the seat is free."""
        if self.bot:
            return {"agent": None, "name": "bot", "bot": True, "ready": True, "away": False}
        if self.agent is None:
            return None
        return {
            "agent": self.agent.index,
            "name": self.agent.name,
            "bot": False,
            "ready": self.ready,
            "away": self.away,
        }


class Seats:
    """The seats of a room, and the spectators in the order of their coming."""

    __slots__ = ("_seats", "_waiting")

    def __init__(self, count: int, bots: int) -> None:
        """The last `bots` seats are played by the room."""
        self._seats = [Seat(bot=seat >= count - bots, ready=seat >= count - bots) for seat in range(count)]
        self._waiting: dict[int, AgentInfo] = {}
        """Agents without a seat who want one, by index, oldest first."""

    def __getitem__(self, seat: int) -> Seat:
        return self._seats[seat]

    def __len__(self) -> int:
        return len(self._seats)

    def seat_of(self, index: int) -> int | None:
        """The seat of the agent with `index`, None for a spectator."""
        for number, seat in enumerate(self._seats):
            if seat.agent is not None and seat.agent.index == index:
                return number
        return None

    def sit(self, agent: AgentInfo) -> bool:
        """Give `agent` the first free seat, or let it wait for one. True where something changed."""
        if self.seat_of(agent.index) is not None:
            return False
        for seat in self._seats:
            if seat.agent is None and not seat.bot:
                seat.agent, seat.ready, seat.away = agent, False, agent.away
                self._waiting.pop(agent.index, None)
                return True
        self.wait(agent)
        return False

    def wait(self, agent: AgentInfo) -> None:
        """`agent` gets a seat when one is filled again."""
        if self.seat_of(agent.index) is None:
            self._waiting[agent.index] = agent

    def stand(self, index: int) -> int | None:
        """Free the seat of the agent with `index`, or take it off those who wait. Returns the seat freed."""
        self._waiting.pop(index, None)
        number = self.seat_of(index)
        if number is not None:
            self._seats[number] = Seat()
        return number

    def refill(self) -> None:
        """Free seats go to those who wait."""
        for agent in list(self._waiting.values()):
            if not self.sit(agent):
                return

    def bots(self) -> list[int]:
        """The seats that the room plays."""
        return [number for number, seat in enumerate(self._seats) if seat.bot]

    def all_ready(self) -> bool:
        """True where every seat is taken and ready."""
        return all(seat.ready for seat in self._seats)

    def clear_ready(self) -> None:
        """After a match: everyone but the bots must say ready again."""
        for seat in self._seats:
            seat.ready = seat.bot

    def describe(self) -> list[dict[str, Any] | None]:
        """For the `room` event."""
        return [seat.describe() for seat in self._seats]
