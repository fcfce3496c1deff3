"""Presence: the control messages about agents and types, applied to the roster and told to the program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from messaging import control
from messaging.errors import ProtocolError
from messaging_agent.roster import Agent, Roster
from messaging_agent.session_handler import SessionHandler
from netcore.codes import CloseCode


class Presence:
    """Keeps a roster true. After a gap the server tells everything anew: `restart`, then compare."""

    __slots__ = ("_handler", "_unconfirmed", "roster")

    def __init__(self, handler: SessionHandler) -> None:
        self._handler = handler
        self._unconfirmed: set[int] = set()
        self.roster = Roster()

    def restart(self) -> None:
        """Messages were lost: whoever is not announced again before this agent itself has left meanwhile."""
        self._unconfirmed = {agent.index for agent in self.roster.present()}

    def apply(self, message: control.StreamControl) -> bool:
        """Take one in-stream control message in; False where it is not about presence or types."""
        act = _ACTS.get(type(message))
        if act is None:
            return False
        act(self, message)
        return True

    def confirm(self) -> None:
        """The retelling that followed `restart` is over: the rest has left."""
        for index in sorted(self._unconfirmed):
            self._left(control.Left(index, "unknown"))
        self._unconfirmed.clear()

    def _joined(self, message: control.Joined) -> None:
        agent = Agent(
            index=message.index,
            name=message.name,
            joined_at=message.joined_at_ms / 1000,
            metadata=message.metadata,
            away=message.away,
            local=message.local,
        )
        self._unconfirmed.discard(agent.index)
        known = self.roster.present_at(agent.index)
        if not self.roster.joined(agent):
            raise ProtocolError(CloseCode.LIMIT_EXCEEDED, "agents")
        if known is None or known.name != agent.name:
            self._handler.agent_joined(agent)

    def _left(self, message: control.Left) -> None:
        agent = self.roster.left(message.index)
        if agent is not None:
            self._handler.agent_left(agent, message.reason)

    def _away(self, message: control.Away) -> None:
        agent = self.roster.away(message.index, True)
        if agent is not None:
            self._handler.agent_away(agent, True)

    def _back(self, message: control.Back) -> None:
        agent = self.roster.away(message.index, False)
        if agent is not None:
            self._handler.agent_away(agent, False)

    def _type_name(self, message: control.TypeName) -> None:
        if not self.roster.type_announced(message.index, message.name):
            raise ProtocolError(CloseCode.LIMIT_EXCEEDED, "types")


_ACTS: Final[dict[type, Callable[..., None]]] = {
    control.Joined: Presence._joined,
    control.Left: Presence._left,
    control.Away: Presence._away,
    control.Back: Presence._back,
    control.TypeName: Presence._type_name,
}
