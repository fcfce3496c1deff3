"""What a session tells its program: calls to override, and the facts of a welcome."""

from __future__ import annotations

from dataclasses import dataclass

from messaging_agent.links import Link
from messaging_agent.messages import Message
from messaging_agent.roster import Agent


@dataclass(frozen=True, slots=True)
class Welcome:
    """What the server says at the start of every link."""

    index: int
    """This agent's own number."""
    agent_name: str
    channel_id: str
    created: bool
    """True where this agent opened the channel: it is the first here."""
    readable: bool
    """True where the server can read the channel's messages."""
    game: str | None
    epoch: str
    """Which life of the channel's log offsets belong to."""
    offset: int
    """The log's last offset at that moment."""


class SessionHandler:
    """Calls from a `ClientSession`, direct and in order. Override what matters; every default does nothing.

    A call may send, and may end the session. An exception that it raises comes out of whatever drove the
    session (the link's receive, the timer): the session itself stays usable.
    """

    def session_ready(self, welcome: Welcome) -> None:
        """The session is in its channel: who is present is known, sending is possible. Called once."""

    def session_resumed(self, missed: int) -> None:
        """The session goes on over a new link after it had none. `missed` messages are lost (normally 0)."""

    def message(self, message: Message) -> None:
        """A message from another agent."""

    def agent_joined(self, agent: Agent) -> None:
        """Somebody is there; also called for everybody present at the start, oneself included."""

    def agent_left(self, agent: Agent, reason: str) -> None:
        """Somebody's session ended."""

    def agent_away(self, agent: Agent, away: bool) -> None:
        """Somebody lost the link to the server (True), or has one again (False)."""

    def acknowledged(self, up_to: int) -> None:
        """The server has every stream message up to this number (see `ClientSession.send`)."""

    def message_refused(self, code: int, text: str, number: int | None) -> None:
        """The server refused something this agent sent; `number` is the stream message, where known."""

    def link_live(self, link: Link) -> None:
        """`link` carries the session from now on."""

    def link_gone(self, link: Link, code: int, reason: str, *, stranded: bool) -> None:
        """`link` ended and the session did not. `stranded`: it has no link now, attach another one."""

    def session_ended(self, code: int, reason: str, *, remote: bool) -> None:
        """The session is over. Called once, last."""
