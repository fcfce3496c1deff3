"""A server and agents in one simulated world, so that a seed says everything.

The parts are the served ones: endpoints, hub, rooms, client sessions. What is missing is HTTP (the hub is asked
directly, but not while an agent is cut off) and sockets (a `simnet` world carries the datagrams).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from messaging_agent.datagram_link import DatagramLink
from messaging_agent.links import Link
from messaging_agent.messages import Message
from messaging_agent.session_core import ClientSession
from messaging_agent.session_handler import SessionHandler, Welcome
from messaging_agent.session_timer import SessionTimer

from games.recording import Recording
from games.registry import Rooms
from hub.config import HubConfig
from hub.hub import Hub
from hub.keys import KeyRing
from hub.requests import ConnectRequest, LinkOffer
from netcore.client import ClientEndpoint
from netcore.config import ConnectionConfig
from netcore.delivery import Delivery
from netcore.server import ServerConfig, ServerEndpoint
from netcore.token import Credentials
from netplay.demo.seated_bot import SeatedBot
from netplay.mint import TokenMint
from simnet.link import LinkModel
from simnet.world import World
from stores.memory import MemoryLog
from transports.udp import accept_links

SERVER_ADDRESS: Final = ("10.0.0.1", 7777)
_RETRY_S: Final = 0.5
_FIRST_PORT: Final = 5000


class VirtualServer:
    """Hub, rooms and UDP endpoint at one address of the world."""

    def __init__(self, world: World, config: ServerConfig | None = None) -> None:
        self.world = world
        self.recordings: list[Recording] = []
        """Of every match that is over."""
        keys = KeyRing()
        self.api_key = keys.issue("demo", world.random("keys"))
        mint = TokenMint(world.random("mint"), world.wall)
        self.hub = Hub(
            HubConfig(),
            clock=world,
            random=world.random("hub"),
            keys=keys,
            log=MemoryLog(world.random("log")),
            mint=mint,
            rooms=Rooms(world.random("rooms"), self.recordings.append),
        )
        endpoint = ServerEndpoint(
            config or ServerConfig(),
            mint.gate,
            accept_links(self.hub),
            random=world.random("server"),
            wall=world.wall,
        )
        world.add(endpoint, SERVER_ADDRESS)


class VirtualAgent(SessionHandler):
    """An agent in the world. It asks for a new link whenever it has lost one.

    `links(n)` gives the way to the server and back for its n-th link.
    """

    def __init__(
        self,
        server: VirtualServer,
        name: str,
        number: int,
        links: Callable[[int], tuple[LinkModel, LinkModel]],
        *,
        game: str | None = None,
        game_options: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
        config: ConnectionConfig | None = None,
    ) -> None:
        """`number` is the agent's in the world, 0 to 249. `config` is that of its connections."""
        self.world = server.world
        self.name = name
        self.messages: list[Message] = []
        """Everything that came, ephemeral messages aside."""
        self.resumptions: list[int] = []
        """Of each resume on a new link, how many messages were missed."""
        self._hub = server.hub
        self._number = number
        self._links = links
        self._config = config
        self._link_count = 0
        self._offline_until = 0.0
        self.session = ClientSession(self, clock=self.world.now)
        SessionTimer(self.session, self.world.now, self.world.call_at)
        answer = self._hub.connect(
            ConnectRequest(
                api_key=server.api_key,
                channel_name="demo",
                proof=bytes(32),
                agent_name=name,
                metadata=metadata or {},
                game=game,
                game_options=game_options,
                transports=("udp",),
                remote_address=self._address[0],
            )
        )
        self._session_id = answer.session_id
        self._open(answer.links[0])

    @property
    def link(self) -> DatagramLink:
        """The newest link."""
        return self._link

    def cut_off(self, seconds: float) -> None:
        """Pull the agent's cable for so long: nothing goes out, nothing comes in."""
        self._offline_until = self.world.now() + seconds
        self.world.outage(self._address, SERVER_ADDRESS, seconds)

    def leave(self) -> None:
        """End the session."""
        self.session.leave()

    # SessionHandler

    def session_resumed(self, missed: int) -> None:
        """The session goes on over a new link."""
        self.resumptions.append(missed)

    def message(self, message: Message) -> None:
        """Note what may not be lost."""
        if message.delivery.is_reliable:
            self.messages.append(message)

    def link_gone(self, link: Link, code: int, reason: str, *, stranded: bool) -> None:
        """Look for another link."""
        if stranded:
            self.world.call_at(max(self.world.now(), self._offline_until), self._relink)

    # Links

    @property
    def _address(self) -> tuple[str, int]:
        return f"10.0.1.{self._number + 1}", _FIRST_PORT + self._link_count

    def _relink(self) -> None:
        if self.world.now() < self._offline_until:
            self.world.call_at(self._offline_until, self._relink)
            return
        self.world.remove(self._address)
        self._link_count += 1
        answer = self._hub.mint_links(self._session_id, ("udp",))
        self._session_id = answer.session_id
        self._open(answer.links[0])

    def _open(self, offer: LinkOffer) -> None:
        assert offer.psk is not None  # UDP offers always carry one
        self._link = DatagramLink(self._opened, self._failed)
        endpoint = ClientEndpoint(
            Credentials(offer.token, offer.psk, offer.app_id, offer.steer),
            SERVER_ADDRESS,
            self._link,
            config=self._config,
            random=self.world.random(f"client {self._number} {self._link_count}"),
            now=self.world.now(),
        )
        self.world.add(endpoint, self._address)
        self.world.connect(self._address, SERVER_ADDRESS, *self._links(self._link_count))

    def _opened(self, link: DatagramLink) -> None:
        link.start(self.session.attach_link(link))

    def _failed(self, code: int, reason: str) -> None:
        self.world.call_at(self.world.now() + _RETRY_S, self._relink)


class VirtualBot(VirtualAgent):
    """An agent that plays."""

    def __init__(
        self,
        server: VirtualServer,
        name: str,
        number: int,
        links: Callable[[int], tuple[LinkModel, LinkModel]],
        *,
        seed: int,
        rematch: bool = False,
        **rest: Any,
    ) -> None:
        """`rest` goes to `VirtualAgent`."""
        self._seed = seed
        self._rematch = rematch
        self._room: str | None = None
        self.bot: SeatedBot | None = None
        """None before the agent is in its channel."""
        super().__init__(server, name, number, links, **rest)

    @property
    def over(self) -> dict[str, Any] | None:
        """The match's last event."""
        return None if self.bot is None else self.bot.over

    @property
    def match_s(self) -> float:
        """Virtual seconds of play."""
        return 0.0 if self.bot is None else self.bot.match_s

    def leave(self) -> None:
        """Play no more, and end the session."""
        if self.bot is not None:
            self.bot.stop()
            self.bot = None
        super().leave()

    def session_ready(self, welcome: Welcome) -> None:
        """In the channel: sit down."""
        self.bot = SeatedBot(
            self.world,
            self._send,
            lambda: self.link.rtt_s,
            index=welcome.index,
            seed=self._seed,
            rematch=self._rematch,
        )

    def message(self, message: Message) -> None:
        """The game speaks."""
        super().message(message)
        sender = self.session.roster.by_name(message.sender)
        if self.bot is not None and sender is not None and sender.local:
            self._room = sender.name
            self.bot.receive(message.type, message.raw)

    def _send(self, kind: Delivery, type: str, content: bytes, key: int) -> None:
        self.session.send(content, type=type, to=self._room, delivery=kind, key=key, ephemeral=True)
