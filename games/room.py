"""A game room: the local agent that seats players, runs matches tick by tick, and tells everyone about them.

docs/protocol/games/room.md. All calls come from the channel or the clock, never at the same time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from games.game import Game
from games.loop import TickLoop
from games.match import Match
from games.messages import (
    COMMAND,
    EVENT,
    INPUT,
    JSON_FORMAT,
    SNAPSHOT,
    MessageError,
    decode_command,
    encode_event,
)
from games.recording import Recording
from games.seats import Seats
from games.ticker import Ticker, TickerStats, TickTotals
from hub.ports import AgentInfo, Inbound, LocalPort
from netcore.delivery import Delivery

DROPPED: Final = {
    "spectator": "an input from an agent without a seat",
    "encrypted": "end-to-end encrypted: the room cannot read it",
    "kind": "an input on a reliable lane, or a command on an unreliable one",
    "match": "an input for another match than the one that is on",
    "input": "an input that is malformed",
    "command": "a command that is malformed, unknown, or not for this moment",
}
"""Why the room drops messages."""


class GameRoom:
    """Fills `hub.ports.LocalAgent` for one game.

    Agents get the free seats in the order of their coming (metadata `{"spectate": true}`: none), others
    watch. A match starts when every seat is taken and ready. A seat stays with its agent while that is away
    (the game goes on); leaving in a match forfeits it. After a match everyone may say ready again.
    """

    def __init__(
        self,
        game: Game[Any],
        *,
        seed: int,
        bots: int = 0,
        recorded: Callable[[Recording], None] | None = None,
        totals: TickTotals | None = None,
    ) -> None:
        """`seed` is the first match's, each later one adds 1. `recorded` gets each match when it is over.

        `totals` counts the ticks, together with those of other rooms.
        """
        if not 0 <= bots < game.seat_count:
            raise ValueError(f"bots is {bots!r}, not 0 to {game.seat_count - 1}")
        self.game = game
        self.seats = Seats(game.seat_count, bots)
        self.match: Match | None = None
        self.dropped: Counter[str] = Counter()
        """Messages that were of no use, by reason: one of `DROPPED`."""
        self.ticker_stats: TickerStats | None = None
        """How punctual the last match was."""
        self._seed = seed
        self._matches = 0
        self._recorded = recorded
        self._totals = totals
        self._loop: TickLoop | None = None
        self._port: LocalPort

    # What the channel calls (hub.ports.LocalAgent)

    def started(self, port: LocalPort) -> None:
        """The channel exists."""
        self._port = port

    def agent_joined(self, agent: AgentInfo) -> None:
        """Seat the agent if it wants a seat, and tell everyone how the room stands."""
        if agent.local:
            return
        if agent.metadata.get("spectate") is not True:
            self._sit(agent)
        self._tell_room()

    def agent_away(self, agent: AgentInfo, away: bool) -> None:
        """Note it; the seat stays and its last input runs out into doing nothing."""
        number = self.seats.seat_of(agent.index)
        if number is not None:
            self.seats[number].away = away
            self._tell_room()

    def agent_left(self, agent: AgentInfo) -> None:
        """Free the seat; in a match that is a forfeit."""
        if not agent.local:
            self._stand(agent)

    def message(self, inbound: Inbound) -> None:
        """An input or a command; everything else is not for the room."""
        if inbound.type == INPUT:
            self._receive_input(inbound)
        elif inbound.type == COMMAND:
            self._receive_command(inbound)

    def stopped(self) -> None:
        """The channel ends: no tick runs any more. A match that was on is recorded as far as it came."""
        self._end_match()

    # Messages

    def _receive_input(self, inbound: Inbound) -> None:
        number = self.seats.seat_of(inbound.sender.index)
        if number is None:
            self.dropped["spectator"] += 1
        elif inbound.encrypted:
            self.dropped["encrypted"] += 1
        elif inbound.kind.is_reliable:
            self.dropped["kind"] += 1
        elif self.match is None:
            self.dropped["match"] += 1
        else:
            reason = self.match.receive_input(number, inbound.content, self._port.clock.now())
            if reason:
                self.dropped[reason] += 1

    def _receive_command(self, inbound: Inbound) -> None:
        if inbound.encrypted:
            self.dropped["encrypted"] += 1
            return
        if not inbound.kind.is_reliable:
            self.dropped["kind"] += 1
            return
        try:
            command = decode_command(inbound.content)
        except MessageError:
            self.dropped["command"] += 1
            return
        self._obey(inbound.sender, command)

    def _obey(self, sender: AgentInfo, command: str) -> None:
        number = self.seats.seat_of(sender.index)
        if command == "stand":
            self._stand(sender)
        elif command == "sit":
            if number is None and self._sit(sender):
                self._tell_room()
        elif number is None or self._running:
            self.dropped["command"] += 1
        elif self.seats[number].ready is not (command == "ready"):
            self.seats[number].ready = command == "ready"
            self._tell_room()
            if self.seats.all_ready():
                self._start_match()

    # Seats

    def _sit(self, agent: AgentInfo) -> bool:
        """Seat the agent now, or between matches."""
        if self._running:
            self.seats.wait(agent)
            return False
        return self.seats.sit(agent)

    def _stand(self, agent: AgentInfo) -> None:
        number = self.seats.stand(agent.index)
        if number is None:
            return
        if self._running and self.match is not None:
            self.match.forfeit(number)
            self._finish_match()
        else:
            self.seats.refill()
            self._tell_room()

    # The match

    @property
    def _running(self) -> bool:
        return self._loop is not None

    def _start_match(self) -> None:
        self._matches += 1
        self.match = Match(self.game, self._seed + self._matches - 1, self._matches, self.seats.bots())
        clock, hz = self._port.clock, self.game.tick_hz
        self._tell({"event": "start", "match": self._matches})
        ticker = Ticker(hz, clock.now() + 1 / hz, totals=self._totals)
        self._loop = TickLoop(clock, ticker, self._tick)

    def _tick(self) -> None:
        match = self.match
        assert match is not None
        now = self._port.clock.now()
        match.step(now)
        self._port.send(Delivery.SEQUENCED, SNAPSHOT, match.frame(now), flush=False)
        for event in match.news():
            self._tell(event, flush=False)
        self._port.flush()
        if match.result() is not None:
            self._finish_match()

    def _finish_match(self) -> None:
        """The match is over by its rules: tell, record, and let seats be taken again."""
        match = self.match
        assert match is not None
        result = match.result()
        assert result is not None
        self._tell(
            {
                "event": "over",
                "match": match.number,
                "tick": match.tick,
                "winner": result.winner,
                "reason": result.reason,
                "score": list(result.score),
                "state_hash": match.state_hash(),
            }
        )
        self._end_match()
        self.seats.clear_ready()
        self.seats.refill()
        self._tell_room()

    def _end_match(self) -> None:
        if self._loop is None:
            return
        self._loop.stop()
        self.ticker_stats = self._loop.ticker.stats()
        self._loop = None
        if self._recorded is not None and self.match is not None:
            self._recorded(self.match.recording())

    # What the room tells

    def _tell_room(self) -> None:
        """How the room stands: complete, so that the newest one is all a client needs."""
        match = self.match
        result = match.result() if match is not None else None
        self._tell(
            {
                "event": "room",
                "game": self.game.name,
                "version": self.game.version,
                "tick_hz": self.game.tick_hz,
                "options": self.game.options,
                "match": self._matches,
                "phase": "playing" if self._running else "over" if result else "lobby",
                "seats": self.seats.describe(),
            }
        )

    def _tell(self, event: dict[str, Any], *, flush: bool = True) -> None:
        self._port.send(Delivery.ORDERED, EVENT, encode_event(event), format=JSON_FORMAT, flush=flush)
        if flush:
            self._port.flush()
