"""A game room with a fake port in virtual time: seats, start, events, forfeits, hostile messages."""

from __future__ import annotations

import json
from typing import Any

import pytest

from games.airhockey import wire
from games.airhockey.game import AirHockey
from games.messages import COMMAND, EVENT, INPUT, SNAPSHOT, SnapshotFrame, encode_command
from games.recording import Recording
from games.registry import Rooms
from games.replay import replay_recording
from games.room import DROPPED, GameRoom
from hub.ports import AgentInfo
from netcore.delivery import Delivery
from simnet.world import World
from statesync.inputs import InputSender
from tests.support.game_channel import FakePort, agent, inbound

ANN, BOB, EVE = agent(2, "ann"), agent(3, "bob"), agent(4, "eve")


class Stage:
    """A room, its port, and virtual time."""

    def __init__(self, **options: Any) -> None:
        self.recordings: list[Recording] = []
        rooms = Rooms(bytes, self.recordings.append)
        self.room: GameRoom = rooms("air-hockey", {"win_score": 3, "seed": 1, **options})
        self.world = World()
        self.port = FakePort(self.world)
        self.room.started(self.port)

    def events(self, name: str) -> list[dict[str, Any]]:
        all_events = [json.loads(content) for kind, type, content in self.port.sent if type == EVENT]
        return [event for event in all_events if event["event"] == name]

    def snapshots(self) -> list[SnapshotFrame]:
        return [SnapshotFrame.decode(content) for _, type, content in self.port.sent if type == SNAPSHOT]

    def command(self, who: AgentInfo, command: str) -> None:
        self.room.message(inbound(who, COMMAND, encode_command(command), Delivery.ORDERED))

    def seated(self) -> list[str | None]:
        return [seat and seat["name"] for seat in self.events("room")[-1]["seats"]]

    def start(self) -> Stage:
        self.room.agent_joined(ANN)
        self.room.agent_joined(BOB)
        self.command(ANN, "ready")
        self.command(BOB, "ready")
        return self

    def send_input(self, who: AgentInfo, tick: int, data: bytes, match: int = 1) -> None:
        sender = InputSender(4)
        sender.push(tick, data)
        self.room.message(inbound(who, INPUT, bytes((match,)) + sender.message()))


def test_the_first_two_get_the_seats_and_others_watch() -> None:
    stage = Stage()
    for who in (ANN, BOB, EVE):
        stage.room.agent_joined(who)
    assert stage.seated() == ["ann", "bob"]


def test_who_came_to_watch_gets_no_seat() -> None:
    stage = Stage()
    stage.room.agent_joined(agent(9, "guest", spectate=True))
    stage.room.agent_joined(ANN)
    assert stage.seated() == ["ann", None]


def test_the_local_agent_itself_takes_no_seat() -> None:
    stage = Stage()
    stage.room.agent_joined(stage.port.agent)
    assert stage.port.sent == []


def test_a_match_starts_only_when_both_seats_are_ready() -> None:
    stage = Stage()
    stage.room.agent_joined(ANN)
    stage.command(ANN, "ready")
    stage.world.run_for(1.0)
    assert not stage.snapshots()
    stage.room.agent_joined(BOB)
    stage.command(ANN, "unready")
    stage.command(BOB, "ready")
    stage.world.run_for(1.0)
    assert not stage.events("start")
    stage.command(ANN, "ready")
    assert stage.events("start") == [{"event": "start", "match": 1}]


def test_sixty_snapshots_a_second_with_rising_ticks_on_the_sequenced_kind() -> None:
    stage = Stage().start()
    stage.world.run_for(2.0)
    ticks = [frame.tick for frame in stage.snapshots()]
    assert ticks == list(range(1, 121))
    kinds = {kind for kind, type, _ in stage.port.sent if type == SNAPSHOT}
    assert kinds == {Delivery.SEQUENCED}
    assert {kind for kind, type, _ in stage.port.sent if type == EVENT} == {Delivery.ORDERED}


def test_an_input_moves_the_paddle_at_its_tick_and_is_reported_back() -> None:
    stage = Stage().start()
    stage.world.run_for(0.5)
    target = wire.encode_input((1000, -9000))
    stage.send_input(ANN, 32, target)
    stage.world.run_for(0.1)
    frames = {frame.tick: frame for frame in stage.snapshots()}
    before = wire.decode_snapshot(frames[31].state, 31)
    after = wire.decode_snapshot(frames[32].state, 32)
    assert before.paddle(0) == (0.0, -0.75)
    assert after.paddle(0) != before.paddle(0)
    assert frames[32].seats[0].last_input_tick == 32
    slack = frames[32].seats[0].input_slack
    assert slack is not None and 1.0 <= slack <= 2.0
    assert frames[32].seats[1].input_slack is None


def test_a_match_that_nobody_plays_ends_by_its_time_limit_and_is_recorded() -> None:
    stage = Stage(time_limit_s=5).start()
    stage.world.run_for(70.0)
    over = stage.events("over")
    assert len(over) == 1
    assert over[0]["reason"] in {"time", "sudden_death", "goals"}
    assert len(stage.recordings) == 1
    report = replay_recording(stage.recordings[0])
    assert report.matches
    assert report.replayed_hash == over[0]["state_hash"]
    last = stage.snapshots()[-1].tick
    stage.world.run_for(1.0)
    assert stage.snapshots()[-1].tick == last


def test_after_a_match_both_say_ready_again_and_the_next_has_another_number_and_seed() -> None:
    stage = Stage(time_limit_s=1).start()
    stage.world.run_for(65.0)
    assert stage.events("room")[-1]["phase"] == "over"
    stage.command(ANN, "ready")
    assert len(stage.events("start")) == 1
    stage.command(BOB, "ready")
    assert stage.events("start")[-1] == {"event": "start", "match": 2}
    stage.world.run_for(65.0)
    assert [recording.seed for recording in stage.recordings] == [1, 2]


def test_leaving_in_a_match_is_a_forfeit_and_replays_as_one() -> None:
    stage = Stage().start()
    stage.world.run_for(2.0)
    stage.room.agent_left(BOB)
    over = stage.events("over")[0]
    assert (over["winner"], over["reason"], over["tick"]) == (0, "forfeit", 120)
    report = replay_recording(stage.recordings[0])
    assert report.matches
    assert report.result is not None and report.result.reason == "forfeit"
    assert stage.seated() == ["ann", None]


def test_the_longest_waiting_spectator_takes_the_seat_after_the_match() -> None:
    stage = Stage()
    for who in (ANN, BOB):
        stage.room.agent_joined(who)
    stage.command(ANN, "ready")
    stage.command(BOB, "ready")
    stage.room.agent_joined(EVE)
    assert stage.seated() == ["ann", "bob"]
    stage.command(ANN, "stand")
    assert stage.seated() == ["eve", "bob"]
    assert stage.events("over")[0]["winner"] == 1


def test_an_away_agent_keeps_its_seat_and_the_game_goes_on() -> None:
    stage = Stage().start()
    stage.world.run_for(0.5)
    stage.room.agent_away(ANN, True)
    stage.world.run_for(0.5)
    assert stage.events("room")[-1]["seats"][0]["away"] is True
    assert stage.snapshots()[-1].tick == 60
    stage.room.agent_away(ANN, False)
    stage.send_input(ANN, 62, wire.encode_input((0, -8000)))
    stage.world.run_for(0.1)
    assert stage.snapshots()[-1].seats[0].last_input_tick == 62


def test_a_room_with_a_bot_of_its_own_needs_one_agent() -> None:
    stage = Stage(bots=1)
    stage.room.agent_joined(ANN)
    assert stage.seated() == ["ann", "bot"]
    stage.command(ANN, "ready")
    stage.world.run_for(30.0)
    places = {wire.decode_snapshot(f.state, f.tick).paddle(1) for f in stage.snapshots()}
    assert len(places) > 20
    stage.room.stopped()
    assert replay_recording(stage.recordings[0]).matches


def test_stopped_cancels_the_ticks() -> None:
    stage = Stage().start()
    stage.world.run_for(1.0)
    stage.room.stopped()
    count = len(stage.port.sent)
    stage.world.run_for(1.0)
    assert len(stage.port.sent) == count


def test_a_spectator_cannot_play() -> None:
    stage = Stage().start()
    stage.room.agent_joined(EVE)
    stage.world.run_for(0.5)
    stage.send_input(EVE, 32, wire.encode_input((1000, -9000)))
    stage.command(EVE, "ready")
    stage.world.run_for(0.1)
    assert stage.room.dropped == {"spectator": 1, "command": 1}
    assert wire.decode_snapshot(stage.snapshots()[-1].state, 36).paddle(0) == (0.0, -0.75)


@pytest.mark.parametrize(
    "content",
    [b"", b"\x01", b"\x01\x00", b"\x01" + bytes(8), b"\x01" + b"\xff" * 40, b"\x01" + bytes(70_000)],
)
def test_malformed_inputs_are_dropped_and_counted(content: bytes) -> None:
    stage = Stage().start()
    stage.world.run_for(0.5)
    stage.room.message(inbound(ANN, INPUT, content))
    stage.world.run_for(0.5)
    assert stage.room.dropped == {"input": 1}
    assert stage.snapshots()[-1].tick == 60


def test_inputs_of_another_match_are_dropped() -> None:
    stage = Stage().start()
    stage.world.run_for(0.5)
    stage.send_input(ANN, 32, wire.encode_input((1, 1)), match=2)
    assert stage.room.dropped == {"match": 1}


def test_inputs_for_the_past_and_the_far_future_change_nothing_and_are_counted() -> None:
    stage = Stage().start()
    stage.world.run_for(0.5)
    stage.send_input(ANN, 5, wire.encode_input((1000, -9000)))
    stage.send_input(BOB, 4_000_000_000, wire.encode_input((1000, 9000)))
    stage.world.run_for(0.5)
    assert stage.room.match is not None
    ann, bob = stage.room.match.input_stats()
    assert (ann.late, ann.accepted) == (1, 0)
    assert (bob.early, bob.accepted) == (1, 0)
    state = wire.decode_snapshot(stage.snapshots()[-1].state, 60)
    assert state.paddle(0) == (0.0, -0.75) and state.paddle(1) == (0.0, 0.75)


def test_a_flood_of_future_inputs_stays_bounded() -> None:
    stage = Stage().start()
    for tick in range(5_000):
        stage.send_input(ANN, tick, wire.encode_input((tick, -9000)))
    assert stage.room.match is not None
    assert len(stage.room.match._buffers[0]) <= 128


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"ready",
        b"[]",
        b'{"command":1}',
        b'{"command":"win"}',
        b'{"command":"ready"' + b" " * 300 + b"}",
        b"[" * 250,
        b"\xff\xfe",
    ],
)
def test_bad_commands_are_dropped_and_counted(content: bytes) -> None:
    stage = Stage()
    stage.room.agent_joined(ANN)
    stage.room.message(inbound(ANN, COMMAND, content, Delivery.ORDERED))
    assert stage.room.dropped == {"command": 1}


def test_encrypted_messages_and_wrong_kinds_are_dropped() -> None:
    stage = Stage().start()
    stage.room.message(inbound(ANN, INPUT, b"\x01" + bytes(9), encrypted=True))
    stage.room.message(inbound(ANN, COMMAND, encode_command("ready"), Delivery.ORDERED, encrypted=True))
    stage.room.message(inbound(ANN, INPUT, b"\x01" + bytes(9), Delivery.ORDERED))
    stage.room.message(inbound(ANN, COMMAND, encode_command("ready"), Delivery.UNRELIABLE))
    assert stage.room.dropped == {"encrypted": 2, "kind": 2}
    assert set(stage.room.dropped) <= set(DROPPED)


def test_messages_of_other_types_are_nobody_s_business() -> None:
    stage = Stage().start()
    stage.room.message(inbound(ANN, "chat-text", b"hello", Delivery.ORDERED))
    assert not stage.room.dropped


@pytest.mark.parametrize(
    ("game", "options", "word"),
    [
        ("chess", {}, "no game"),
        ("air-hockey", {"win_score": 4}, "win_score"),
        ("air-hockey", {"win_score": "3"}, "win_score"),
        ("air-hockey", {"win_score": True}, "win_score"),
        ("air-hockey", {"time_limit_s": 0}, "time_limit_s"),
        ("air-hockey", {"seed": -1}, "seed"),
        ("air-hockey", {"bots": 2}, "bots"),
        ("air-hockey", {"gravity": 1}, "gravity"),
    ],
)
def test_unknown_games_and_bad_options_are_refused(game: str, options: dict[str, Any], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        Rooms(bytes)(game, options)


def test_the_seed_is_drawn_where_none_is_given() -> None:
    room = Rooms(lambda n: b"\xff" * n)("air-hockey", {})
    assert room._seed == 2**31 - 1
    assert room.game.options == {"win_score": 7, "time_limit_s": 300}
    assert isinstance(room.game, AirHockey)


def test_late_ticks_are_caught_up_and_counted() -> None:
    stage = Stage(time_limit_s=1).start()
    stage.world.run_for(65.0)
    stats = stage.room.ticker_stats
    assert stats is not None
    assert (stats.skipped, stats.late) == (0, 0)
    assert stats.ticks == stage.recordings[0].ticks
