"""Who sits where in a game room, who only watches, and who is ready."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hub.ports import AgentInfo


@dataclass(slots=True)
class Seat:
    """One seat. In a match a bot plays it whenever no agent does."""

    team: int
    fixed_bot: bool = False
    """Always played by the room itself; always ready, never free."""
    agent: AgentInfo | None = None
    ready: bool = False
    bot: bool = False
    """A bot plays it in the match that is on: for nobody, or for an agent that is silent or away."""
    former: int | None = None
    """The index of the agent that left it last: it gets it back if it returns in time."""

    @property
    def free(self) -> bool:
        """Whether an agent may take it."""
        return self.agent is None and not self.fixed_bot

    @property
    def present(self) -> bool:
        """Held by an agent that has a link."""
        return self.agent is not None and not self.agent.away

    def describe(self) -> dict[str, Any]:
        """For the `room` event."""
        agent = self.agent
        return {
            "team": self.team,
            "agent": None if agent is None else agent.index,
            "name": None if agent is None else agent.name,
            "free": self.free,
            "bot": self.bot or self.fixed_bot,
            "ready": self.ready or self.fixed_bot,
            "away": agent is not None and agent.away,
        }


class Seats:
    """The seats of a room, and the spectators who want one in the order of their coming."""

    __slots__ = ("_seats", "_waiting")

    def __init__(self, teams: Sequence[int], bots: int) -> None:
        """A seat for each of `teams`; the last `bots` are played by the room."""
        people = len(teams) - bots
        self._seats = [Seat(team, fixed_bot=seat >= people) for seat, team in enumerate(teams)]
        self._waiting: dict[int, AgentInfo] = {}
        """By index, oldest first."""

    def __getitem__(self, seat: int) -> Seat:
        return self._seats[seat]

    def __len__(self) -> int:
        return len(self._seats)

    def __iter__(self) -> Iterator[Seat]:
        return iter(self._seats)

    def seat_of(self, index: int) -> int | None:
        """The seat of the agent with `index`, None for a spectator."""
        for number, seat in enumerate(self._seats):
            if seat.agent is not None and seat.agent.index == index:
                return number
        return None

    def sit(self, agent: AgentInfo, wanted: int | None = None) -> int | None:
        """Give `agent`, who has none, a free seat: the `wanted` one, its former one, or one of the smaller team.

        Returns the seat. None where there is none: then it waits for any, unless it wanted a certain one.
        """
        free = [number for number, seat in enumerate(self._seats) if seat.free]
        if wanted is not None:
            free = [number for number in free if number == wanted]
        if not free:
            if wanted is None:
                self._waiting[agent.index] = agent
            return None
        number = min(free, key=lambda number: self._preference(agent, number))
        self._waiting.pop(agent.index, None)
        seat = self._seats[number]
        seat.agent, seat.ready, seat.former = agent, False, None
        return number

    def stand(self, index: int) -> int | None:
        """Free the seat of the agent with `index`, or take it off those who wait. Returns the seat freed."""
        self._waiting.pop(index, None)
        number = self.seat_of(index)
        if number is not None:
            seat = self._seats[number]
            seat.agent, seat.ready, seat.former = None, False, index
        return number

    def refill(self) -> list[int]:
        """Free seats go to those who wait. Returns the seats taken."""
        taken = []
        for agent in list(self._waiting.values()):
            number = self.sit(agent)
            if number is None:
                break
            taken.append(number)
        return taken

    def agents(self) -> list[AgentInfo]:
        """Those who sit, by seat."""
        return [seat.agent for seat in self._seats if seat.agent is not None]

    def can_start(self, *, with_bots: bool) -> bool:
        """True where a match may begin: every agent that sits is here and ready, and there is one.

        Free seats only `with_bots` in them.
        """
        taken = [seat for seat in self._seats if seat.agent is not None]
        if not taken or not all(seat.ready and seat.present for seat in taken):
            return False
        return with_bots or not any(seat.free for seat in self._seats)

    def clear(self) -> None:
        """After a match: nobody is ready, no bot plays, no seat is kept for anyone."""
        for seat in self._seats:
            seat.ready = seat.bot = False
            seat.former = None

    def describe(self) -> list[dict[str, Any]]:
        """For the `room` event."""
        return [seat.describe() for seat in self._seats]

    def _preference(self, agent: AgentInfo, number: int) -> tuple[bool, int, int]:
        """Smaller is better."""
        seat = self._seats[number]
        mates = sum(1 for other in self._seats if other.team == seat.team and not other.free)
        return seat.former != agent.index, mates, number
