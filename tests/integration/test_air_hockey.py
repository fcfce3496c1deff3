"""Air Hockey over the whole stack in virtual time: UDP endpoints, hub, room and client sessions on bad links."""

from __future__ import annotations

from typing import Any

import pytest
from messaging_agent.messages import Message

from games.airhockey import wire
from games.messages import COMMAND, EVENT, SNAPSHOT, SnapshotFrame, decode_event, encode_command
from games.recording import AGENT, BOT, Recording
from games.replay import replay_recording
from games.room import GameRoom
from netcore.config import ConnectionConfig
from netcore.delivery import Delivery
from netcore.server import ServerConfig
from netplay.demo.virtual_world import VirtualAgent, VirtualBot, VirtualServer
from simnet.link import LinkModel
from simnet.world import World

IMPATIENT = ConnectionConfig(idle_timeout_s=2.0)
"""A link that is cut is soon found dead."""


class Watcher(VirtualAgent):
    """A spectator that keeps what it sees."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self.frames: list[SnapshotFrame] = []
        super().__init__(*arguments, **named)

    def message(self, message: Message) -> None:
        super().message(message)
        if message.type == SNAPSHOT:
            self.frames.append(SnapshotFrame.decode(message.raw))


class Stage:
    """A world with a server, and agents that come when a test says so."""

    def __init__(
        self, seed: int, *, loss: float = 0.05, config: ConnectionConfig | None = None, **options: Any
    ):
        self.world = World(seed)
        self.loss = loss
        self.config = config
        self.server = VirtualServer(self.world, ServerConfig(connection=config or ConnectionConfig()))
        self.options = {"win_score": 3, "seed": seed, **options}
        self.agents: list[VirtualAgent] = []

    def _place(self) -> dict[str, Any]:
        number = len(self.agents)

        def links(count: int) -> tuple[LinkModel, LinkModel]:
            seed = self.world.seed * 1000 + number * 20 + count * 2
            up, down = (LinkModel(seed + way, delay_s=0.04, jitter_s=0.01, loss=self.loss) for way in (0, 1))
            return up, down

        return {
            "server": self.server,
            "name": f"agent{number}",
            "number": number,
            "links": links,
            "game": "air-hockey",
            "game_options": self.options,
            "config": self.config,
        }

    def bot(self, **rest: Any) -> VirtualBot:
        bot = VirtualBot(**self._place(), seed=self.world.seed * 10 + len(self.agents), **rest)
        self.agents.append(bot)
        return bot

    def watcher(self) -> Watcher:
        watcher = Watcher(**self._place(), metadata={"spectate": True})
        self.agents.append(watcher)
        return watcher

    @property
    def room(self) -> GameRoom:
        (channel,) = self.server.hub._channels.values()
        room = channel._locals[0]._agent
        assert isinstance(room, GameRoom)
        return room

    def until(self, condition: Any, timeout_s: float = 20.0) -> None:
        assert self.world.run_until_true(condition, timeout_s), "it never came to that"

    def until_playing(self) -> None:
        self.until(lambda: self.agents and self.room._schedule is not None)

    def until_over(self, timeout_s: float = 200.0) -> Recording:
        count = len(self.server.recordings)
        self.until(lambda: len(self.server.recordings) > count, timeout_s)
        self.world.run_for(1.0)
        return self.server.recordings[-1]


def command(agent: VirtualAgent, name: str) -> None:
    agent.session.send(encode_command(name), type=COMMAND, to="air-hockey", delivery=Delivery.ORDERED)


def events(agent: VirtualAgent, name: str) -> list[dict[str, Any]]:
    all_events = [decode_event(message.raw) for message in agent.messages if message.type == EVENT]
    return [event for event in all_events if event["event"] == name]


def phase(agent: VirtualAgent) -> str:
    return str(events(agent, "room")[-1]["phase"])


def holders(recording: Recording, seat: int) -> list[tuple[int, int]]:
    return [(tick, holder) for tick, held, holder in recording.holders if held == seat]


@pytest.fixture(scope="module")
def teams() -> tuple[Stage, list[VirtualBot], Watcher, Recording]:
    """Three a side and a spectator, 5 % loss, 40 ± 10 ms each way, played to the end."""
    stage = Stage(2, players=6)
    watcher = stage.watcher()
    bots = [stage.bot() for _ in range(6)]
    return stage, bots, watcher, stage.until_over()


def test_three_a_side_under_loss_end_by_goals_and_the_recording_replays(
    teams: tuple[Stage, list[VirtualBot], Watcher, Recording],
) -> None:
    stage, bots, _, recording = teams
    over = [bot.over for bot in bots]
    assert all(event == over[0] for event in over)
    assert over[0] is not None and over[0]["reason"] == "goals"
    assert 10 < recording.ticks / 60 < 120
    assert recording.final_hash == over[0]["state_hash"]
    assert replay_recording(recording).matches
    assert not stage.room.dropped
    assert all(seat["bot_ticks"] == 0 for seat in over[0]["seats"])
    for bot in bots:
        assert bot.bot is not None
        report = bot.bot.player.report()
        assert report.lost > 0
        assert report.paddle_corrections < report.inputs * 0.02
        assert report.corrections < report.inputs * 0.08
        assert report.snapshot_age_p99_s < 0.12


def test_a_spectator_sees_the_whole_match(teams: tuple[Stage, list[VirtualBot], Watcher, Recording]) -> None:
    _, bots, watcher, recording = teams
    assert bots[0].over == events(watcher, "over")[0]
    assert events(watcher, "goal") == [event for event in events(bots[0], "goal")]
    assert len(watcher.frames) > recording.ticks * 0.9
    assert len(watcher.frames[-1].seats) == 6
    states = [wire.decode_snapshot(frame.state, frame.tick) for frame in watcher.frames]
    assert len({state.paddles for state in states}) > recording.ticks * 0.5


def test_the_same_seed_is_the_same_run_of_a_cut_and_a_takeover() -> None:
    digests = []
    for _ in range(2):
        stage = Stage(11, config=IMPATIENT)
        bots = [stage.bot(), stage.bot()]
        stage.until_playing()
        stage.world.run_for(3.0)
        bots[0].cut_off(3.0)
        stage.world.run_for(6.0)
        digests.append(stage.world.digest())
    assert digests[0] == digests[1]


def test_a_bot_plays_for_who_is_cut_off_and_yields_on_resume_and_no_message_is_lost() -> None:
    stage = Stage(4, config=IMPATIENT, win_score=10)
    bots = [stage.bot(), stage.bot()]
    stage.until_playing()
    stage.world.run_for(5.0)
    match = stage.room.match
    assert match is not None
    cut_at = match.tick
    seat = stage.room.seats.seat_of(bots[0].session.index)
    assert seat is not None
    assert holders(match.recording(), seat)[-1][1] == AGENT
    bots[0].cut_off(5.0)
    told = 0
    for number in range(50):
        bots[1].session.send(f"line {number}", delivery=Delivery.ORDERED)
        told += 1
        stage.world.run_for(0.1)
    stage.world.run_for(3.0)
    taken, given = holders(match.recording(), seat)[-2:]
    assert taken[1] == BOT and cut_at < taken[0] < cut_at + 60, "within a second"
    assert given[1] == AGENT and given[0] < cut_at + (5.0 + 1.5) * 60, "soon after the cable is back"
    assert bots[0].resumptions == [0], "one resume, nothing missed"
    assert stage.room.seats.seat_of(bots[0].session.index) == seat
    lines = [message.content for message in bots[0].messages if message.type == "chat-text"]
    assert lines == [f"line {number}" for number in range(told)]
    seats = [event["seats"][seat] for event in events(bots[1], "room")]
    assert any(one["bot"] and one["away"] for one in seats)
    assert not seats[-1]["bot"] and not seats[-1]["away"]
    assert events(bots[0], "goal") == events(bots[1], "goal")
    assert replay_recording(match.recording()).matches


def test_a_short_cut_on_the_same_link_also_gives_the_seat_to_a_bot_and_back() -> None:
    stage = Stage(5, loss=0.0, win_score=10)
    bots = [stage.bot(), stage.bot()]
    stage.until_playing()
    stage.world.run_for(5.0)
    bots[0].cut_off(2.0)
    stage.world.run_for(5.0)
    match = stage.room.match
    assert match is not None
    seat = stage.room.seats.seat_of(bots[0].session.index)
    assert seat is not None
    changes = holders(match.recording(), seat)
    assert [holder for _, holder in changes] == [AGENT, BOT, AGENT]
    assert 120 <= changes[2][0] - changes[1][0] + 30 <= 150
    assert bots[0].resumptions == []


def test_a_session_that_ends_leaves_its_seat_to_a_bot_and_then_to_who_comes_late() -> None:
    stage = Stage(6, players=4)
    bots = [stage.bot() for _ in range(4)]
    stage.until_playing()
    stage.world.run_for(4.0)
    seat = stage.room.seats.seat_of(bots[1].session.index)
    assert seat is not None
    bots[1].leave()
    stage.until(lambda: stage.room.seats[seat].free)
    stage.world.run_for(1.0)
    assert stage.room.seats[seat].bot
    late = stage.bot()
    stage.until(lambda: not stage.room.seats[seat].bot, 5.0)
    assert stage.room.seats.seat_of(late.session.index) == seat
    recording = stage.until_over(400.0)
    assert [holder for _, holder in holders(recording, seat)] == [AGENT, BOT, AGENT]
    assert replay_recording(recording).matches
    assert late.over is not None and late.over == bots[0].over


def test_leaving_a_match_of_two_is_a_forfeit() -> None:
    stage = Stage(7)
    bots = [stage.bot(), stage.bot()]
    stage.until_playing()
    stage.world.run_for(4.0)
    bots[0].leave()
    recording = stage.until_over(5.0)
    over = bots[1].over
    assert over is not None and over["reason"] == "forfeit"
    assert over["winner"] == stage.room.seats.seat_of(bots[1].session.index)
    assert replay_recording(recording).matches


def test_pause_and_resume_over_bad_links() -> None:
    stage = Stage(8, win_score=10)
    bots = [stage.bot(), stage.bot()]
    stage.until_playing()
    stage.world.run_for(5.0)
    command(bots[0], "pause")
    stage.until(lambda: phase(bots[1]) == "paused")
    match = stage.room.match
    assert match is not None
    paused_at = match.tick
    stage.world.run_for(10.0)
    assert match.tick == paused_at
    command(bots[0], "resume")
    stage.until(lambda: phase(bots[1]) == "playing")
    stage.world.run_for(5.0)
    assert match.tick > paused_at + 120
    assert not any(match.by_bot(seat) for seat in (0, 1))
    assert replay_recording(match.recording()).matches


def test_a_rematch_follows_when_both_want_it() -> None:
    stage = Stage(9)
    bots = [stage.bot(rematch=True), stage.bot(rematch=True)]
    first = stage.until_over()
    second = stage.until_over()
    assert (first.seed, second.seed) == (9, 10)
    assert all(replay_recording(recording).matches for recording in (first, second))
    assert [event["match"] for event in events(bots[0], "over")] == [1, 2]


def test_a_spectator_takes_the_seat_that_is_free_after_the_match() -> None:
    stage = Stage(10)
    watcher = stage.watcher()
    bots = [stage.bot(), stage.bot()]
    stage.until_over()
    bots[0].leave()
    stage.world.run_for(1.0)
    command(watcher, "sit")
    stage.until(lambda: stage.room.seats.seat_of(watcher.session.index) is not None)
    command(watcher, "ready")
    command(bots[1], "ready")
    stage.until_playing()


def test_training_alone_pauses_while_the_player_is_away_and_goes_on_after() -> None:
    stage = Stage(12, config=IMPATIENT, training=True, win_score=0)
    player = stage.bot()
    stage.until_playing()
    stage.world.run_for(20.0)
    match = stage.room.match
    assert match is not None
    assert (match.by_bot(0), match.by_bot(1)) == (False, True)
    player.cut_off(8.0)
    stage.world.run_for(7.0)
    still = match.tick
    stage.world.run_for(0.9)
    assert match.tick == still
    stage.world.run_for(5.0)
    assert match.tick > still + 60
    assert not match.by_bot(0)
    assert player.resumptions == [0]
    assert [event["reason"] for event in events(player, "pause")] == ["away"]
    player.leave()
    stage.until(lambda: bool(stage.server.recordings), 5.0)
    assert replay_recording(stage.server.recordings[0]).matches


def test_hostile_agents_change_nothing_and_are_counted() -> None:
    stage = Stage(13, loss=0.0, win_score=10)
    bots = [stage.bot(), stage.bot()]
    watcher = stage.watcher()
    stage.until_playing()
    stage.world.run_for(2.0)
    for number in range(40):
        for name in ("pause", "resume", "start", "ready"):
            command(watcher, name)
        watcher.session.send(
            b"\x01\xff\xff", type="game-input", to="air-hockey", delivery=Delivery.UNRELIABLE
        )
        if number % 4 == 0:
            command(bots[0], "pause")
            command(bots[0], "resume")
        stage.world.run_for(0.25)
    dropped = stage.room.dropped
    assert dropped["spam"] > 100
    assert dropped["spectator"] == 40
    assert dropped["command"] > 10
    assert len(events(watcher, "pause")) == 2
    assert len(events(watcher, "room")) < 30
    assert phase(watcher) == "playing"
