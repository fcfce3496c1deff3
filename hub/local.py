"""Local agents: a game or the SFU as a member of a channel, without link, stream or budget."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from hub.environment import Environment
from hub.ports import AgentInfo, Clock, Inbound, LocalAgent
from messaging.envelope import MAX_KEY, flags_of
from messaging.lanes import APPLICATION_FIRST, APPLICATION_LAST, DEFAULT_APPLICATION_LANE
from netcore.delivery import Delivery

if TYPE_CHECKING:
    from hub.channel import Channel

_log = logging.getLogger("netplay.hub")


class LocalMember:
    """A local agent's place in the channel; `hub.ports.LocalPort` for that agent.

    An exception out of the agent is logged and counted: a bug in a game must not end anyone's connection.
    """

    __slots__ = ("_agent", "_channel", "_env", "_stopped", "agent", "clock", "index", "info")

    def __init__(self, env: Environment, channel: Channel, agent: LocalAgent, index: int, name: str) -> None:
        self._env = env
        self._channel = channel
        self._agent = agent
        self._stopped = False
        self.clock: Clock = env.clock
        self.index = index
        self.info = AgentInfo(index, name, env.wall_ms(), {}, away=False, local=True)
        self.agent = self.info

    @property
    def visible(self) -> bool:
        """Always: it is here for as long as the channel is."""
        return True

    # What the channel tells it.

    def start(self) -> None:
        """The channel exists."""
        self._guard(lambda: self._agent.started(self))

    def joined(self, agent: AgentInfo) -> None:
        """Someone is here."""
        self._guard(lambda: self._agent.agent_joined(agent))

    def away(self, agent: AgentInfo, away: bool) -> None:
        """Someone lost the link, or is back."""
        self._guard(lambda: self._agent.agent_away(agent, away))

    def left(self, agent: AgentInfo) -> None:
        """Someone is gone."""
        self._guard(lambda: self._agent.agent_left(agent))

    def message(self, inbound: Inbound) -> None:
        """A message for everyone or for this agent."""
        self._guard(lambda: self._agent.message(inbound))

    def stop(self) -> None:
        """The channel ends."""
        self._guard(self._agent.stopped)
        self._stopped = True

    def _guard(self, call: Callable[[], None]) -> None:
        if self._stopped:
            return
        try:
            call()
        except Exception:
            self._env.stats.room_failures += 1
            _log.exception("local_agent_failed", extra={"channel": self._channel.id, "agent": self.index})

    # LocalPort.

    def send(
        self,
        kind: Delivery,
        type: str,
        content: bytes,
        *,
        format: int = 0,
        key: int = 0,
        lane: int | None = None,
        to: str | None = None,
        flush: bool = True,
    ) -> None:
        """Send to everyone, or to the agent named `to` (which may just have left: then nothing happens).

        ValueError for a lane, key, format or size that is not allowed; ChannelError for a type that is not.
        """
        limit = self._env.config.max_message_bytes
        if lane is None:
            lane = DEFAULT_APPLICATION_LANE[kind]
        elif not APPLICATION_FIRST <= lane <= APPLICATION_LAST:
            raise ValueError(f"lane is {lane}, must be {APPLICATION_FIRST} to {APPLICATION_LAST}")
        if not 0 <= key <= MAX_KEY:
            raise ValueError(f"key is {key}, must be 0 to {MAX_KEY}")
        if len(content) > limit:
            raise ValueError(f"content has {len(content)} bytes, must have at most {limit}")
        if not self._stopped:
            self._channel.publisher.publish_local(
                self, kind, type, content, flags=flags_of(format), lane=lane, key=key, to=to
            )
            if flush:
                self._channel.relay.flush()

    def flush(self) -> None:
        """Let what was sent with `flush=False` go out now, past the relay tick."""
        self._channel.relay.flush()

    def agents(self) -> list[AgentInfo]:
        """Everyone present, this agent included."""
        return self._channel.roster.visible()
