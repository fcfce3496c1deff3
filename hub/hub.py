"""The hub: the use cases of channels, agents and sessions. It coordinates; the parts hold the rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hub.config import HubConfig
from hub.keys import KeyRing
from hub.ports import AgentInfo, Clock, Link, LinkHandler, LogPage, MessageLog, RoomFactory
from hub.requests import ConnectAnswer, ConnectRequest, LinkMint, LinksAnswer


class Hub:
    """Everything one server knows of its channels. Synchronous and pure; only `receive` waits, for the log."""

    def __init__(
        self,
        config: HubConfig,
        *,
        clock: Clock,
        random: Callable[[int], bytes],
        keys: KeyRing,
        log: MessageLog,
        mint: LinkMint,
        rooms: RoomFactory | None = None,
    ) -> None:
        raise NotImplementedError

    @property
    def ready(self) -> bool:
        """True while connects are taken; False once `shutdown` has begun."""
        raise NotImplementedError

    def connect(self, request: ConnectRequest) -> ConnectAnswer:
        """Bring an agent into a channel, or resume its session. Raises `ChannelError`."""
        raise NotImplementedError

    def mint_links(self, session_id: str, transports: Sequence[str] = ()) -> LinksAnswer:
        """Fresh tokens of the next link generation; rotates the session's secret. Raises `ChannelError`."""
        raise NotImplementedError

    def disconnect(self, session_id: str) -> None:
        """End the session: the agent leaves at once. Raises `ChannelError` where it is unknown."""
        raise NotImplementedError

    def agents(self, session_id: str) -> list[AgentInfo]:
        """Everyone in the session's channel, in order of index. Raises `ChannelError`."""
        raise NotImplementedError

    async def receive(
        self, session_id: str, after: int | None = None, limit: int = 100, poll_source: str = "AUTO"
    ) -> LogPage:
        """A page of the channel's persistent messages that this agent may read. Raises `ChannelError`."""
        raise NotImplementedError

    def attach(self, claims: bytes, link: Link) -> LinkHandler:
        """`hub.ports.LinkAcceptor`: the handler for a link whose token was proved. Raises `ChannelError`."""
        raise NotImplementedError

    def shutdown(self, code: int, reason: str = "") -> None:
        """Close every link with `code`, stop the rooms, and take no connects any more."""
        raise NotImplementedError

    def stats(self) -> dict[str, float]:
        """Counters and gauges of the whole hub."""
        raise NotImplementedError
