"""The demo on a virtual clock: server, link and bots in one simulated world, so that a seed says everything.

The parts are the served ones: endpoints, hub, room, client sessions. What is missing is HTTP (the hub is asked
directly) and sockets (a `simnet` world carries the datagrams).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from messaging_agent.datagram_link import DatagramLink
from messaging_agent.messages import Message
from messaging_agent.session_core import ClientSession
from messaging_agent.session_handler import SessionHandler, Welcome
from messaging_agent.session_timer import SessionTimer

from games.recording import Recording
from games.registry import Rooms
from hub.config import HubConfig
from hub.hub import Hub
from hub.keys import KeyRing
from hub.requests import ConnectRequest
from netcore.client import ClientEndpoint
from netcore.delivery import Delivery
from netcore.server import ServerConfig, ServerEndpoint
from netcore.token import Credentials
from netplay.demo.options import DemoOptions
from netplay.demo.outcome import Outcome, PlayerOutcome, player_outcome
from netplay.demo.seated_bot import SeatedBot
from netplay.mint import TokenMint
from simnet.world import World
from stores.memory import MemoryLog
from transports.udp import accept_links

NAMES = ("ada", "ben")
_SERVER = ("10.0.0.1", 7777)
_SPARE_S = 20.0


def play(options: DemoOptions) -> Outcome:
    """Two runs of the same match, which must leave the same event log."""
    first, second = _run(options), _run(options)
    if options.record is not None and first[1] is not None:
        first[1].save(options.record)
    outcome = first[0]
    return replace(outcome, event_log_hashes=[*outcome.event_log_hashes, *second[0].event_log_hashes])


def _run(options: DemoOptions) -> tuple[Outcome, Recording | None]:
    world = World(options.seed)
    recordings: list[Recording] = []
    keys = KeyRing()
    api_key = keys.issue("demo", world.random("keys"))
    mint = TokenMint(world.random("mint"), world.wall)
    hub = Hub(
        HubConfig(),
        clock=world,
        random=world.random("hub"),
        keys=keys,
        log=MemoryLog(world.random("log")),
        mint=mint,
        rooms=Rooms(world.random("rooms"), recordings.append),
    )
    server = ServerEndpoint(
        ServerConfig(), mint.gate, accept_links(hub), random=world.random("server"), wall=world.wall
    )
    world.add(server, _SERVER)
    bots = [_VirtualBot(world, hub, api_key, options, number) for number in (0, 1)]
    world.run_until_true(lambda: all(bot.over is not None for bot in bots), options.time_limit_s + _SPARE_S)
    over = bots[0].over or {}
    outcome = Outcome(
        mode="virtual",
        ended=all(bot.over is not None for bot in bots),
        reason=over.get("reason"),
        winner=over.get("winner"),
        score=list(over.get("score", [])),
        match_s=round(max(bot.match_s for bot in bots), 3),
        ticks=over.get("tick", 0),
        state_hash=over.get("state_hash"),
        players=[bot.outcome() for bot in bots],
        event_log_hashes=[world.digest()],
    )
    return outcome, recordings[0] if recordings else None


class _VirtualBot(SessionHandler):
    """One bot with its session and its own impaired link to the server."""

    def __init__(self, world: World, hub: Hub, api_key: str, options: DemoOptions, number: int) -> None:
        self._world = world
        self._seed = options.seed * 2 + number
        self._name = NAMES[number]
        self._bot: SeatedBot | None = None
        self._session = ClientSession(self, clock=world.now)
        SessionTimer(self._session, world.now, world.call_at)
        answer = hub.connect(
            ConnectRequest(
                api_key=api_key,
                channel_name="demo",
                proof=bytes(32),
                agent_name=self._name,
                game=options.game,
                game_options=options.game_options,
                transports=("udp",),
                remote_address="10.0.1.1",
            )
        )
        offer = answer.links[0]
        assert offer.psk is not None  # UDP offers always carry one
        self._link = DatagramLink(self._opened)
        endpoint = ClientEndpoint(
            Credentials(offer.token, offer.psk, offer.app_id, offer.steer),
            _SERVER,
            self._link,
            random=world.random(f"client {number}"),
            now=world.now(),
        )
        address = ("10.0.1.1", 5000 + number)
        world.add(endpoint, address)
        world.connect(address, _SERVER, options.link(2 * number), options.link(2 * number + 1))

    @property
    def over(self) -> dict[str, Any] | None:
        """The match's last event."""
        return None if self._bot is None else self._bot.over

    @property
    def match_s(self) -> float:
        """Virtual seconds of play."""
        return 0.0 if self._bot is None else self._bot.match_s

    def outcome(self) -> PlayerOutcome:
        """What the match was like here. Raises RuntimeError where it never began."""
        if self._bot is None:
            raise RuntimeError(f"{self._name} was never welcomed by the server")
        return player_outcome(
            self._name,
            self._bot.player,
            transport=self._link.transport,
            rtt_s=self._link.rtt_s,
            link=self._link.stats(),
            match_s=self._bot.match_s,
        )

    def session_ready(self, welcome: Welcome) -> None:
        """In the channel: sit down."""
        self._bot = SeatedBot(
            self._world, self._send, lambda: self._link.rtt_s, index=welcome.index, seed=self._seed
        )

    def message(self, message: Message) -> None:
        """The game speaks."""
        sender = self._session.roster.by_name(message.sender)
        if self._bot is not None and sender is not None and sender.local:
            self._bot.receive(message.type, message.raw)

    def _opened(self, link: DatagramLink) -> None:
        link.start(self._session.attach_link(link))

    def _send(self, kind: Delivery, type: str, content: bytes, key: int) -> None:
        self._session.send(content, type=type, delivery=kind, key=key, ephemeral=True)
