"""The agents that take part by JSON requests, one for each session that does."""

from __future__ import annotations

from hub.errors import ChannelError, ErrorCode
from hub.hub import Hub
from signaling.json_agent import JsonAgent


class JsonAgents:
    """Finds the agent of a session, and makes it when the session's first request comes."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._agents: dict[bytes, JsonAgent] = {}

    def __len__(self) -> int:
        return len(self._agents)

    def of(self, session_id: str) -> JsonAgent:
        """The session's agent. Raises ChannelError where the id proves no session, or the server stops."""
        if not self._hub.ready:
            raise ChannelError(ErrorCode.DRAINING, retry_after_s=2.0)
        key = self._hub.session_key(session_id)
        agent = self._agents.get(key)
        if agent is None:
            agent = self._agents[key] = JsonAgent(self._hub, lambda: self._forget(key, agent))
        return agent

    def _forget(self, key: bytes, agent: JsonAgent | None) -> None:
        if self._agents.get(key) is agent:
            del self._agents[key]
