"""A game room: the local agent that seats players, runs matches tick by tick, and tells everyone about them.

docs/protocol/games/room.md. All calls come from the channel or the clock, never at the same time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from games.command_budget import CommandBudgets
from games.game import Game
from games.match import Match
from games.messages import (
    COMMAND,
    EVENT,
    INPUT,
    JSON_FORMAT,
    SNAPSHOT,
    Command,
    MessageError,
    decode_command,
    encode_event,
)
from games.recording import Recording
from games.room_events import over_event, pause_event, resume_event, room_event, start_event
from games.room_options import RoomOptions
from games.schedule import MatchSchedule, Pause
from games.seats import Seats
from games.ticker import TickerStats
from hub.ports import AgentInfo, Inbound, LocalPort
from netcore.delivery import Delivery

DROPPED: Final = {
    "stranger": "a message from an agent that is not in the room",
    "spectator": "an input from an agent without a seat",
    "encrypted": "end-to-end encrypted: the room cannot read it",
    "kind": "an input on a reliable lane, or a command on an unreliable one",
    "match": "an input for another match than the one that is on",
    "input": "an input that is malformed",
    "command": "a command that is malformed, unknown, or not for this moment or this agent",
    "seat": "a command for a seat that is not free",
    "pause": "a pause more than a seat has",
    "spam": "a command beyond what an agent may give",
}
"""Why the room drops messages."""

PAUSE_S: Final = 30.0
"""How long a pause lasts at most."""
PAUSES_PER_SEAT: Final = 2
"""In one match."""
TRAINING_PAUSE_S: Final = 600.0


class GameRoom:
    """Fills `hub.ports.LocalAgent` for one game.

    Agents get the free seats in the order of their coming (metadata `{"spectate": true}`: none), others watch.
    A match starts when every seat is taken and ready, or with bots on the free seats when the host says so. A seat
    stays with its agent while that is away: a bot plays it meanwhile. After a match everyone may say ready again.
    """

    def __init__(
        self,
        game: Game[Any],
        options: RoomOptions,
        *,
        recorded: Callable[[Recording], None] | None = None,
    ) -> None:
        """`recorded` gets each match when it is over. Raises `ValueError` for more bots than there may be."""
        if not 0 <= options.bots < game.seat_count:
            raise ValueError(f"bots is {options.bots!r}, not 0 to {game.seat_count - 1}")
        self.game = game
        self.options = options
        self.seats = Seats([game.team_of(seat) for seat in range(game.seat_count)], options.bots)
        self.match: Match | None = None
        """The match that is on, or the last one."""
        self.dropped: Counter[str] = Counter()
        """Messages that were of no use, by reason: one of `DROPPED`."""
        self.ticker_stats: TickerStats | None = None
        """How punctual the last match was."""
        self._matches = 0
        self._recorded = recorded
        self._present: dict[int, AgentInfo] = {}
        """Everyone here by index, the longest here first."""
        self._budgets = CommandBudgets()
        self._pauses: Counter[int] = Counter()
        self._schedule: MatchSchedule | None = None
        self._port: LocalPort

    # What the channel calls (hub.ports.LocalAgent)

    def started(self, port: LocalPort) -> None:
        """The channel exists."""
        self._port = port

    def agent_joined(self, agent: AgentInfo) -> None:
        """Seat the agent if it wants a seat, and tell how the room stands."""
        if agent.local:
            return
        self._present[agent.index] = agent
        wants = agent.metadata.get("spectate") is not True
        self._tell_room(to=None if wants and self._sit(agent) else agent)

    def agent_away(self, agent: AgentInfo, away: bool) -> None:
        """Note it; the seat stays, and a bot plays it meanwhile."""
        if agent.index not in self._present:
            return
        agent = self._present[agent.index] = replace(agent, away=away)
        number = self.seats.seat_of(agent.index)
        if number is None:
            if not away:
                self._tell_room(to=agent)
            return
        self.seats[number].agent = agent
        if self._match_on is not None:
            self._match_on.show_away(number, away)
            self._watch_presence()
        self._tell_room()
        if not away:
            self._start_if_ready()

    def agent_left(self, agent: AgentInfo) -> None:
        """Free the seat; in a match that is a forfeit, or a bot plays on."""
        if self._present.pop(agent.index, None) is not None:
            self._budgets.forget(agent.index)
            self._stand(agent)

    def message(self, inbound: Inbound) -> None:
        """An input or a command; everything else is not for the room."""
        if inbound.type == INPUT:
            reason = self._receive_input(inbound)
        elif inbound.type == COMMAND:
            reason = self._receive_command(inbound)
        else:
            return
        if reason is not None:
            self.dropped[reason] += 1

    def stopped(self) -> None:
        """The channel ends: no tick runs any more. A match that was on is recorded as far as it came."""
        self._end_match()

    # Messages. Each gives the reason why it was of no use, or None.

    def _receive_input(self, inbound: Inbound) -> str | None:
        number = self.seats.seat_of(inbound.sender.index)
        if inbound.sender.index not in self._present:
            return "stranger"
        if number is None:
            return "spectator"
        if inbound.encrypted:
            return "encrypted"
        if inbound.kind.is_reliable:
            return "kind"
        if self.match is None:
            return "match"
        return self.match.receive_input(number, inbound.content, self._port.clock.now())

    def _receive_command(self, inbound: Inbound) -> str | None:
        sender = inbound.sender
        if sender.index not in self._present:
            return "stranger"
        if inbound.encrypted:
            return "encrypted"
        if not inbound.kind.is_reliable:
            return "kind"
        try:
            command = decode_command(inbound.content)
        except MessageError:
            return "command"
        if not self._budgets.admit(sender.index, self._port.clock.now()):
            return "spam"
        return self._obey(self._present[sender.index], command)

    def _obey(self, sender: AgentInfo, command: Command) -> str | None:
        number = self.seats.seat_of(sender.index)
        match command.name:
            case "sit":
                return self._command_sit(sender, number, command.seat)
            case "stand":
                self._stand(sender)
                return None
        if number is None:
            return "command"
        match command.name:
            case "pause":
                return self._command_pause(number)
            case "resume":
                return self._command_resume(number)
            case "start":
                return self._command_start(sender)
            case _:
                return self._command_ready(number, command.name == "ready")

    def _command_sit(self, sender: AgentInfo, number: int | None, wanted: int | None) -> str | None:
        if number is None:
            if self._sit(sender, wanted):
                self._tell_room()
                return None
            return None if wanted is None else "seat"
        if wanted is None or wanted == number:
            return None
        if self._match_on is not None:
            return "command"
        if wanted >= len(self.seats) or not self.seats[wanted].free:
            return "seat"
        self.seats.stand(sender.index)
        self.seats.sit(sender, wanted)
        self.seats.refill()
        self._tell_room()
        return None

    def _command_ready(self, number: int, ready: bool) -> str | None:
        if self._match_on is not None:
            return "command"
        if self.seats[number].ready is not ready:
            self.seats[number].ready = ready
            self._tell_room()
            self._start_if_ready()
        return None

    def _command_start(self, sender: AgentInfo) -> str | None:
        if (
            self._match_on is not None
            or self.host != sender.index
            or not self.seats.can_start(with_bots=True)
        ):
            return "command"
        self._start_match()
        return None

    def _command_pause(self, number: int) -> str | None:
        schedule = self._schedule
        if schedule is None or schedule.pause is not None:
            return "command"
        if self._pauses[number] >= PAUSES_PER_SEAT and not self.options.training:
            return "pause"
        self._pauses[number] += 1
        most_s = TRAINING_PAUSE_S if self.options.training else PAUSE_S
        self._pause(Pause("seat", number, self._port.clock.now() + most_s))
        return None

    def _command_resume(self, number: int) -> str | None:
        pause = None if self._schedule is None else self._schedule.pause
        if pause is None or pause.reason != "seat":
            return "command"
        pause.votes.add(number)
        present = [seat for seat in self.seats if seat.present]
        if number == pause.seat or 2 * len(pause.votes) > len(present):
            self._resume()
        else:
            self._tell_room()
        return None

    # Seats

    @property
    def host(self) -> int | None:
        """The index of the agent with a seat that has been here longest."""
        for index in self._present:
            if self.seats.seat_of(index) is not None:
                return index
        return None

    def _sit(self, agent: AgentInfo, wanted: int | None = None) -> bool:
        """Seat the agent if a seat is free; in a match it takes over from the bot."""
        number = self.seats.sit(agent, wanted)
        if number is not None and self._match_on is not None:
            self._match_on.hold(number)
        return number is not None

    def _stand(self, agent: AgentInfo) -> None:
        number = self.seats.stand(agent.index)
        if number is None:
            return
        match = self._match_on
        if match is None:
            self.seats.refill()
            self._tell_room()
            self._start_if_ready()
        elif self.options.on_leave == "forfeit" or not self.seats.agents():
            match.forfeit(number)
            self._finish_match()
        else:
            self._go_on_without(match, number)

    def _go_on_without(self, match: Match, number: int) -> None:
        """A bot plays the seat, unless somebody waits for one."""
        match.release(number)
        for taken in self.seats.refill():
            match.hold(taken)
        schedule = self._schedule
        if schedule is not None and schedule.pause is not None and schedule.pause.seat == number:
            self._resume()
        self._watch_presence()
        self._tell_room()

    # The match

    @property
    def _match_on(self) -> Match | None:
        return self.match if self._schedule is not None else None

    def _start_if_ready(self) -> None:
        if self._match_on is None and self.seats.can_start(with_bots=False):
            self._start_match()

    def _start_match(self) -> None:
        self._matches += 1
        self._pauses.clear()
        held = [seat.agent is not None for seat in self.seats]
        self.match = Match(self.game, self.options.seed + self._matches - 1, self._matches, held)
        for seat, agent in zip(self.seats, held, strict=True):
            seat.bot = not agent
        self._tell(start_event(self.match))
        self._schedule = MatchSchedule(self._port.clock, self.game.tick_hz, self._tick, self._resume)
        self._tell_room()

    def _tick(self) -> None:
        match = self.match
        assert match is not None
        now = self._port.clock.now()
        hands_changed = match.step(now)
        self._port.send(Delivery.SEQUENCED, SNAPSHOT, match.frame(now), flush=False)
        for event in match.news:
            self._tell(event, flush=False)
        self._port.flush()
        if match.result() is not None:
            self._finish_match()
        elif hands_changed:
            for number, seat in enumerate(self.seats):
                seat.bot = match.by_bot(number)
            self._tell_room()

    def _watch_presence(self) -> None:
        """No match goes on between bots alone: it waits for somebody to come back, or for all to leave."""
        schedule = self._schedule
        if schedule is None:
            return
        present = any(seat.present for seat in self.seats)
        if schedule.pause is None and not present:
            self._pause(Pause("away", None, None))
        elif schedule.pause is not None and schedule.pause.reason == "away" and present:
            self._resume()

    def _pause(self, pause: Pause) -> None:
        match, schedule = self._match_on, self._schedule
        assert match is not None and schedule is not None
        schedule.hold(pause)
        self._tell(pause_event(match, pause, self._port.clock.now()))
        self._tell_room()

    def _resume(self) -> None:
        match, schedule = self._match_on, self._schedule
        assert match is not None and schedule is not None
        schedule.resume()
        self._tell(resume_event(match))
        self._tell_room()
        self._watch_presence()

    def _finish_match(self) -> None:
        """The match is over by its rules: tell, record, and let seats be taken again."""
        match = self.match
        assert match is not None
        result = match.result()
        assert result is not None
        self._tell(over_event(match, result, self.seats))
        self._end_match()
        self.seats.clear()
        self.seats.refill()
        self._tell_room()

    def _end_match(self) -> None:
        if self._schedule is None:
            return
        self.ticker_stats = self._schedule.stop()
        self._schedule = None
        if self._recorded is not None and self.match is not None:
            self._recorded(self.match.recording())

    # What the room tells

    def _phase(self) -> str:
        if self._schedule is not None:
            return "playing" if self._schedule.pause is None else "paused"
        return "lobby" if self.match is None else "over"

    def _tell_room(self, to: AgentInfo | None = None) -> None:
        """How the room stands, to everyone or to one."""
        event = room_event(
            self.game,
            self.options,
            self.seats,
            match=self._matches,
            phase=self._phase(),
            pause=None if self._schedule is None else self._schedule.pause,
            host=self.host,
            now=self._port.clock.now(),
        )
        self._tell(event, to=to)

    def _tell(self, event: dict[str, Any], *, to: AgentInfo | None = None, flush: bool = True) -> None:
        self._port.send(
            Delivery.ORDERED,
            EVENT,
            encode_event(event),
            format=JSON_FORMAT,
            to=None if to is None else to.name,
            flush=flush,
        )
        if flush:
            self._port.flush()
