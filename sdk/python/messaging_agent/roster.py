"""The roster: who is in the channel and what the type numbers mean, as the server has announced it so far."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from messaging.envelope import CHAT_TEXT, CHAT_TEXT_INDEX

MAX_TYPES: Final = 1024
MAX_AGENTS: Final = 65_535
MAX_DEPARTED: Final = 1024
"""Agents that left are remembered this many deep: their last messages may arrive after the news."""


@dataclass(frozen=True, slots=True)
class Agent:
    """A participant in the channel, as it was when asked for."""

    index: int
    """The channel's number for the agent; stays through a resume."""
    name: str
    joined_at: float
    """Server wall time, Unix seconds."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    away: bool = False
    """True while the agent has no link to the server and may still come back."""
    local: bool = False
    """True for an agent that runs inside the server: a game."""


class Roster:
    """Agents by number and by name, and type names by number. Pure bookkeeping; bounded."""

    __slots__ = ("_agents", "_by_name", "_departed", "_type_numbers", "_types")

    def __init__(self) -> None:
        self._agents: dict[int, Agent] = {}
        self._by_name: dict[str, Agent] = {}
        self._departed: OrderedDict[int, Agent] = OrderedDict()
        self._types: dict[int, str] = {CHAT_TEXT_INDEX: CHAT_TEXT}
        self._type_numbers: dict[str, int] = {CHAT_TEXT: CHAT_TEXT_INDEX}

    def present(self) -> list[Agent]:
        """Everyone who is here, in the order of their numbers."""
        return [self._agents[index] for index in sorted(self._agents)]

    def by_index(self, index: int) -> Agent | None:
        """The agent of a number, also shortly after it left."""
        return self._agents.get(index) or self._departed.get(index)

    def present_at(self, index: int) -> Agent | None:
        """The agent of a number, only while it is here."""
        return self._agents.get(index)

    def by_name(self, name: str) -> Agent | None:
        """The agent of a name, only while it is here."""
        return self._by_name.get(name)

    def joined(self, agent: Agent) -> bool:
        """Take an agent in; False where the roster is full. A known number is replaced."""
        if agent.index not in self._agents and len(self._agents) >= MAX_AGENTS:
            return False
        self._forget(agent.index)
        self._departed.pop(agent.index, None)
        self._agents[agent.index] = agent
        self._by_name[agent.name] = agent
        return True

    def left(self, index: int) -> Agent | None:
        """Take an agent out; None where nobody has that number."""
        agent = self._forget(index)
        if agent is not None:
            self._departed[index] = agent
            if len(self._departed) > MAX_DEPARTED:
                self._departed.popitem(last=False)
        return agent

    def away(self, index: int, away: bool) -> Agent | None:
        """Note that an agent lost its link, or has one again; the new entry, None for an unknown number."""
        agent = self._agents.get(index)
        if agent is None:
            return None
        agent = self._agents[index] = replace(agent, away=away)
        self._by_name[agent.name] = agent
        return agent

    def type_announced(self, number: int, name: str) -> bool:
        """Learn a type's number; False where there are too many."""
        if number not in self._types and len(self._types) >= MAX_TYPES:
            return False
        self._types[number] = name
        self._type_numbers[name] = number
        return True

    def type_name(self, number: int) -> str | None:
        """The name behind a type's number, None before the announcement."""
        return self._types.get(number)

    def type_number(self, name: str) -> int | None:
        """The number of a type's name, None before the announcement."""
        return self._type_numbers.get(name)

    def _forget(self, index: int) -> Agent | None:
        agent = self._agents.pop(index, None)
        if agent is not None and self._by_name.get(agent.name) is agent:
            del self._by_name[agent.name]
        return agent
