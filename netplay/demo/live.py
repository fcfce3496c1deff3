"""The demo on real sockets: a server, an impaired link, and two bots that connect as anybody would."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from pathlib import Path
from typing import Any

from messaging_agent import Channel, connect

from games.recording import Recording
from hub.keys import KeyRing
from netcore.aio import event_loop_factory
from netcore.delivery import Delivery
from netplay.clock import LoopClock
from netplay.config import Config
from netplay.demo.options import DemoOptions
from netplay.demo.outcome import Outcome, PlayerOutcome, player_outcome
from netplay.demo.seated_bot import SeatedBot
from netplay.impairment import UdpImpairment
from netplay.server import NetplayServer

_SPARE_S = 20.0
"""What connecting, the countdown and the last goal may take beside the match's time limit."""


def play(options: DemoOptions) -> Outcome:
    """One match. Raises OSError where no socket can be had."""
    with asyncio.Runner(loop_factory=event_loop_factory()) as runner:
        return runner.run(_play(options))


async def _play(options: DemoOptions) -> Outcome:
    keys = KeyRing()
    api_key = keys.issue("demo", os.urandom)
    with tempfile.TemporaryDirectory() as folder:
        impairment = UdpImpairment(options.link)
        await impairment.start("127.0.0.1")
        config = Config(
            port=0,
            state_dir=Path(folder),
            replays_dir=Path(folder) / "replays",
            advertise_udp_port=impairment.port,
            metrics_port="off",
        )
        server = NetplayServer(config, keys)
        await server.start()
        impairment.target = ("127.0.0.1", server.udp_port)
        try:
            async with asyncio.timeout(options.time_limit_s + _SPARE_S):
                bots = [
                    asyncio.create_task(_bot(options, server.http_port, api_key, number))
                    for number in range(len(options.names))
                ]
                players = await asyncio.gather(*bots)
        except TimeoutError:
            players = []
        finally:
            await server.stop()
            impairment.close()
        if options.record is not None:
            _keep_recording(Path(folder) / "replays", options.record)
    return _outcome(players)


async def _bot(
    options: DemoOptions, port: int, api_key: str, number: int
) -> tuple[dict[str, Any], float, PlayerOutcome]:
    """Join, play one match, leave: (the `over` event, seconds, what it was like)."""
    name = options.names[number]
    connecting = connect(
        f"http://127.0.0.1:{port}",
        api_key,
        "demo",
        name,
        "demo",
        game=options.game,
        game_options=options.game_options,
        transports=("udp",),
    )
    async with connecting as channel:
        own = channel.me
        assert own is not None  # a welcomed agent is in its own roster
        clock = LoopClock(asyncio.get_running_loop())
        bot = SeatedBot(
            clock,
            lambda kind, type, content, key: _send(channel, kind, type, content, key),
            lambda: channel.rtt_s,
            index=own.index,
            seed=options.bot_seed(number),
        )
        before = channel.stats()
        try:
            async for message in channel:
                sender = channel.agent(message.sender)
                if sender is not None and sender.local:
                    bot.receive(message.type, message.raw)
                if bot.over is not None:
                    break
        finally:
            bot.stop()
        after = channel.stats()
        link = {
            name.removeprefix("link_"): after[name] - before.get(name, 0.0)
            for name in after
            if name.startswith("link_")
        }
        outcome = player_outcome(
            name,
            bot.player,
            transport=channel.transport or "none",
            rtt_s=channel.rtt_s,
            link=link,
            match_s=bot.match_s,
        )
        return bot.over or {}, bot.match_s, outcome


def _send(channel: Channel, kind: Delivery, type: str, content: bytes, key: int) -> None:
    room = next((agent.name for agent in channel.agents if agent.local), None)
    channel.send(content, type=type, to=room, delivery=kind, key=key, ephemeral=True)


def _outcome(players: list[tuple[dict[str, Any], float, PlayerOutcome]]) -> Outcome:
    over = players[0][0] if players else {}
    return Outcome(
        mode="sockets",
        ended=bool(players) and all(event.get("reason") for event, _, _ in players),
        reason=over.get("reason"),
        winner=over.get("winner"),
        score=list(over.get("score", [])),
        match_s=round(max((seconds for _, seconds, _ in players), default=0.0), 3),
        ticks=over.get("tick", 0),
        state_hash=over.get("state_hash"),
        players=[player for _, _, player in players],
    )


def _keep_recording(folder: Path, target: Path) -> None:
    """The server recorded the match into its own directory; keep the newest file."""
    recorded = sorted(folder.glob("*.replay"))
    if not recorded:
        raise OSError(f"no match was recorded, so there is nothing to write to {target}")
    with contextlib.suppress(FileExistsError):
        target.parent.mkdir(parents=True)
    Recording.load(recorded[-1]).save(target)
