"""The demo on a virtual clock: server, links and bots in one simulated world, so that a seed says everything."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from games.recording import Recording
from netplay.demo.options import DemoOptions
from netplay.demo.outcome import Outcome, PlayerOutcome, player_outcome
from netplay.demo.virtual_world import VirtualBot, VirtualServer
from simnet.link import LinkModel
from simnet.world import World

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
    server = VirtualServer(world)
    bots = [
        VirtualBot(
            server,
            name,
            number,
            partial(_links, options, number),
            seed=options.bot_seed(number),
            game=options.game,
            game_options=options.game_options,
        )
        for number, name in enumerate(options.names)
    ]
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
        players=[_outcome(bot) for bot in bots],
        event_log_hashes=[world.digest()],
    )
    return outcome, server.recordings[0] if server.recordings else None


def _links(options: DemoOptions, number: int, _: int) -> tuple[LinkModel, LinkModel]:
    return options.link(2 * number), options.link(2 * number + 1)


def _outcome(bot: VirtualBot) -> PlayerOutcome:
    """What the match was like there. Raises RuntimeError where it never began."""
    if bot.bot is None:
        raise RuntimeError(f"{bot.name} was never welcomed by the server")
    return player_outcome(
        bot.name,
        bot.bot.player,
        transport=bot.link.transport,
        rtt_s=bot.link.rtt_s,
        link=bot.link.stats(),
        match_s=bot.match_s,
    )
