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

    def seats(self) -> list[dict[str, Any]]:
        seats: list[dict[str, Any]] = self.events("room")[-1]["seats"]
        return seats

    def seated(self) -> list[str | None]:
        return ["bot" if seat["bot"] and seat["agent"] is None else seat["name"] for seat in self.seats()]

    def phase(self) -> str:
        return str(self.events("room")[-1]["phase"])

    def keep_sending(self, who: AgentInfo, target: tuple[int, int], seconds: float) -> None:
        """An input for each of the coming ticks, a few ticks early, while time passes."""
        assert self.room.match is not None
        for _ in range(round(seconds * 60)):
            self.send_input(who, self.room.match.tick + 4, wire.encode_input(target), self.room.match.number)
            self.world.run_for(1 / 60)

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


# ROOM-2-1
def test_the_first_two_get_the_seats_and_others_watch() -> None:
    stage = Stage()
    for who in (ANN, BOB, EVE):
        stage.room.agent_joined(who)
    assert stage.seated() == ["ann", "bob"]


# ROOM-2-1
def test_who_came_to_watch_gets_no_seat() -> None:
    stage = Stage()
    stage.room.agent_joined(agent(9, "guest", spectate=True))
    stage.room.agent_joined(ANN)
    assert stage.seated() == ["ann", None]


def test_the_local_agent_itself_takes_no_seat() -> None:
    stage = Stage()
    stage.room.agent_joined(stage.port.agent)
    assert stage.port.sent == []


# ROOM-4-1
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


# ROOM-7-1
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


# ROOM-4-5
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


# ROOM-4-2, ROOM-4-3
def test_a_bot_plays_the_seat_of_an_away_agent_at_once_and_yields_it_to_its_first_input() -> None:
    stage = Stage().start()
    stage.keep_sending(ANN, (1000, -9000), 0.3)
    assert not stage.seats()[0]["bot"]
    stage.room.agent_away(ANN, True)
    stage.world.run_for(0.2)
    assert stage.seats()[0] | {"ready": True} == {
        "team": 0,
        "agent": ANN.index,
        "name": "ann",
        "free": False,
        "bot": True,
        "ready": True,
        "away": True,
    }
    stage.room.agent_away(ANN, False)
    stage.world.run_for(0.1)
    assert (stage.seats()[0]["away"], stage.seats()[0]["bot"]) == (False, True)
    assert stage.room.match is not None
    tick = stage.room.match.tick
    stage.send_input(ANN, tick + 1, wire.encode_input((0, -8000)))
    stage.world.run_for(1.5 / 60)
    assert not stage.seats()[0]["bot"]
    holders = [holder for holder in stage.room.match.recording().holders if holder[1] == 0]
    assert holders[0] == (1, 0, 1)
    assert [holder for _, _, holder in holders] == [1, 0, 1]
    assert holders[-1][0] == tick + 1


# ROOM-4-2, ROOM-4-3
def test_a_bot_takes_a_silent_seat_within_a_second_and_plays_until_an_input_comes_in_time() -> None:
    stage = Stage(time_limit_s=20).start()
    stage.keep_sending(ANN, (0, -9000), 4.0)
    tick = stage.snapshots()[-1].tick
    stage.world.run_for(0.45)
    assert not stage.seats()[0]["bot"]
    stage.world.run_for(0.4)
    assert stage.seats()[0]["bot"] and not stage.seats()[0]["away"]
    stage.world.run_for(4.0)
    after = [wire.decode_snapshot(f.state, f.tick).paddle(0) for f in stage.snapshots() if f.tick > tick + 60]
    assert len(set(after)) > 10
    stage.send_input(ANN, tick, wire.encode_input((0, -8000)))
    stage.world.run_for(0.1)
    assert stage.seats()[0]["bot"], "an input that comes too late takes no seat back"
    stage.keep_sending(ANN, (0, -8000), 0.2)
    assert not stage.seats()[0]["bot"]


# ROOM-4-4, ROOM-4-7
def test_a_match_waits_while_everybody_is_away_and_goes_on_two_seconds_after_one_is_back() -> None:
    stage = Stage().start()
    stage.world.run_for(0.5)
    stage.room.agent_away(ANN, True)
    assert stage.phase() == "playing"
    stage.room.agent_away(BOB, True)
    assert stage.events("pause") == [
        {"event": "pause", "match": 1, "tick": 30, "reason": "away", "seat": None, "left_s": None}
    ]
    stage.world.run_for(20.0)
    assert stage.snapshots()[-1].tick == 30
    stage.room.agent_away(BOB, False)
    assert stage.events("resume") == [{"event": "resume", "match": 1, "tick": 30, "in_s": 2.0}]
    stage.world.run_for(1.99)
    assert stage.snapshots()[-1].tick == 30
    stage.world.run_for(1.01)
    assert stage.snapshots()[-1].tick == 91
    assert stage.room.match is not None
    assert replay_recording(stage.room.match.recording()).matches


def test_a_match_that_everybody_leaves_is_over() -> None:
    stage = Stage(on_leave="bot").start()
    stage.world.run_for(0.5)
    for who in (ANN, BOB):
        stage.room.agent_away(who, True)
    stage.room.agent_left(ANN)
    assert not stage.events("over")
    stage.room.agent_left(BOB)
    assert (stage.events("over")[0]["reason"], stage.events("over")[0]["winner"]) == ("forfeit", 0)
    count = len(stage.snapshots())
    stage.world.run_for(60.0)
    assert len(stage.snapshots()) == count


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


# ROOM-6-1
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
# ROOM-6-1
def test_malformed_inputs_are_dropped_and_counted(content: bytes) -> None:
    stage = Stage().start()
    stage.world.run_for(0.5)
    stage.room.message(inbound(ANN, INPUT, content))
    stage.world.run_for(0.5)
    assert stage.room.dropped == {"input": 1}
    assert stage.snapshots()[-1].tick == 60


# ROOM-6-1
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
    assert len(stage.room.match._seats[0]._buffer) <= 128


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
# ROOM-3-1
def test_bad_commands_are_dropped_and_counted(content: bytes) -> None:
    stage = Stage()
    stage.room.agent_joined(ANN)
    stage.room.message(inbound(ANN, COMMAND, content, Delivery.ORDERED))
    assert stage.room.dropped == {"command": 1}


# ROOM-1-3
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
        ("air-hockey", {"players": 1}, "players"),
        ("air-hockey", {"players": 7}, "players"),
        ("air-hockey", {"training": 1}, "training"),
        ("air-hockey", {"training": True, "players": 4, "bots": 2}, "bots"),
        ("air-hockey", {"on_leave": "stay"}, "on_leave"),
        ("air-hockey", {"on_leave": 7}, "on_leave"),
        ("air-hockey", {"gravity": 1}, "gravity"),
    ],
)
def test_unknown_games_and_bad_options_are_refused(game: str, options: dict[str, Any], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        Rooms(bytes)(game, options)


def test_the_seed_is_drawn_where_none_is_given() -> None:
    room = Rooms(lambda n: b"\xff" * n)("air-hockey", {})
    assert room.options.seed == 2**31 - 1
    assert room.game.options == {"win_score": 7, "time_limit_s": 300, "players": 2}
    assert isinstance(room.game, AirHockey)


def test_late_ticks_are_caught_up_and_counted() -> None:
    stage = Stage(time_limit_s=1).start()
    stage.world.run_for(65.0)
    stats = stage.room.ticker_stats
    assert stats is not None
    assert (stats.skipped, stats.late) == (0, 0)
    assert stats.ticks == stage.recordings[0].ticks


# Teams


def names(count: int) -> list[AgentInfo]:
    return [agent(number + 2, f"p{number}") for number in range(count)]


def team_stage(count: int = 6, **options: Any) -> tuple[Stage, list[AgentInfo]]:
    stage, people = Stage(players=6, **options), names(6)
    for who in people[:count]:
        stage.room.agent_joined(who)
        stage.command(who, "ready")
    return stage, people


def test_who_comes_is_seated_in_alternating_teams_and_the_match_starts_with_the_sixth() -> None:
    stage, people = team_stage(5)
    assert stage.phase() == "lobby"
    stage.room.agent_joined(people[5])
    stage.command(people[5], "ready")
    assert stage.phase() == "playing"
    assert stage.seated() == [f"p{number}" for number in range(6)]
    assert [seat["team"] for seat in stage.seats()] == [0, 1, 0, 1, 0, 1]
    stage.world.run_for(0.5)
    assert len(stage.snapshots()[-1].seats) == 6
    assert len(stage.snapshots()[-1].state) == 52


# ROOM-2-5, ROOM-4-1
def test_the_host_starts_with_bots_on_the_free_seats_and_nobody_else_does() -> None:
    stage, people = team_stage(3)
    assert stage.events("room")[-1]["host"] == people[0].index
    stage.command(people[1], "start")
    assert stage.phase() == "lobby"
    assert stage.room.dropped == {"command": 1}
    stage.command(people[0], "start")
    assert stage.phase() == "playing"
    assert stage.seated() == ["p0", "p1", "p2", "bot", "bot", "bot"]
    assert [seat["free"] for seat in stage.seats()] == [False] * 3 + [True] * 3


def test_the_host_cannot_start_over_somebody_who_is_not_ready_or_away() -> None:
    stage, people = team_stage(2)
    stage.command(people[1], "unready")
    stage.command(people[0], "start")
    assert stage.phase() == "lobby"
    stage.command(people[1], "ready")
    stage.room.agent_away(people[1], True)
    stage.command(people[0], "start")
    assert stage.phase() == "lobby"
    stage.room.agent_away(people[1], False)
    stage.command(people[0], "start")
    assert stage.phase() == "playing"


def test_when_the_host_leaves_the_next_longest_here_is_host() -> None:
    stage, people = team_stage(3)
    stage.room.agent_left(people[0])
    assert stage.events("room")[-1]["host"] == people[1].index


def test_a_ready_match_waits_for_who_is_away_and_starts_when_it_is_back() -> None:
    stage = Stage()
    stage.room.agent_joined(ANN)
    stage.room.agent_joined(BOB)
    stage.command(ANN, "ready")
    stage.room.agent_away(ANN, True)
    stage.command(BOB, "ready")
    assert stage.phase() == "lobby"
    stage.room.agent_away(ANN, False)
    assert stage.phase() == "playing"


# ROOM-2-2
def test_who_comes_late_takes_a_free_seat_of_the_smaller_team_and_plays_with_its_first_input() -> None:
    stage, people = team_stage(3)
    stage.command(people[0], "start")
    stage.world.run_for(5.0)
    stage.room.agent_joined(people[3])
    assert stage.seated() == ["p0", "p1", "p2", "p3", "bot", "bot"]
    stage.world.run_for(0.5)
    assert stage.seats()[3]["bot"], "the bot plays on until the first input"
    stage.keep_sending(people[3], (3000, 9000), 0.5)
    assert not stage.seats()[3]["bot"]
    frame = stage.snapshots()[-1]
    x, y = wire.decode_snapshot(frame.state, frame.tick).paddle(3)
    assert (x, y) == (3000 / 16384, 9000 / 16384)
    assert frame.seats[3].last_input_tick > frame.tick
    stage.room.stopped()
    assert replay_recording(stage.recordings[0]).matches


# ROOM-2-1, ROOM-4-5
def test_the_team_plays_on_with_a_bot_when_one_leaves_and_who_returns_gets_the_same_seat() -> None:
    stage, people = team_stage(6)
    stage.world.run_for(5.0)
    stage.room.agent_left(people[1])
    stage.room.agent_left(people[4])
    stage.world.run_for(0.1)
    assert stage.seated() == ["p0", "bot", "p2", "p3", "bot", "p5"]
    assert stage.phase() == "playing"
    stage.room.agent_joined(people[4])
    stage.room.agent_joined(people[1])
    assert stage.seated() == ["p0", "p1", "p2", "p3", "p4", "p5"]


def test_a_waiting_agent_takes_the_seat_of_one_that_stands_up_in_the_match() -> None:
    stage, people = team_stage(6)
    late = agent(20, "late")
    stage.room.agent_joined(late)
    assert "late" not in stage.seated()
    stage.command(people[2], "stand")
    assert stage.seated() == ["p0", "p1", "late", "p3", "p4", "p5"]
    assert stage.phase() == "playing"


def test_with_forfeit_the_team_loses_when_one_of_it_leaves() -> None:
    stage, people = team_stage(6, on_leave="forfeit")
    stage.world.run_for(1.0)
    stage.room.agent_left(people[3])
    over = stage.events("over")[0]
    assert (over["winner"], over["reason"]) == (0, "forfeit")
    assert replay_recording(stage.recordings[0]).matches


# AIR-10-1
def test_the_results_say_who_did_what() -> None:
    stage, people = team_stage(2, win_score=3)
    stage.command(people[0], "start")
    assert stage.world.run_until_true(lambda: bool(stage.events("over")), 200.0)
    over = stage.events("over")[0]
    assert over["reason"] == "goals"
    assert [seat["name"] for seat in over["seats"]] == ["p0", "p1", None, None, None, None]
    assert [seat["team"] for seat in over["seats"]] == [0, 1, 0, 1, 0, 1]
    assert sum(seat["goals"] + seat["own_goals"] for seat in over["seats"]) <= sum(over["score"])
    assert sum(seat["touches"] for seat in over["seats"]) > 5
    assert all(over["tick"] - 60 <= seat["bot_ticks"] <= over["tick"] for seat in over["seats"])
    goals = stage.events("goal")
    assert [goal["score"] for goal in goals][-1] == over["score"]
    for goal in goals:
        assert goal["seat"] is None or goal["own_goal"] == (goal["seat"] % 2 != goal["team"])
    assert replay_recording(stage.recordings[0]).result is not None
    assert stage.seated()[2:] == [None] * 4


def test_a_certain_seat_can_be_asked_for_between_matches() -> None:
    stage, people = team_stage(3)
    stage.room.message(inbound(people[0], COMMAND, encode_command("sit", 5), Delivery.ORDERED))
    assert stage.seated() == [None, "p1", "p2", None, None, "p0"]
    assert not stage.seats()[5]["ready"]


def test_a_rematch_needs_everybody_again_and_counts_on() -> None:
    stage, people = team_stage(6, time_limit_s=1, win_score=3)
    stage.world.run_for(75.0)
    assert stage.phase() == "over"
    assert not any(seat["ready"] for seat in stage.seats())
    for who in people:
        stage.command(who, "ready")
    assert stage.phase() == "playing"
    stage.world.run_for(75.0)
    assert [recording.seed for recording in stage.recordings] == [1, 2]
    assert all(replay_recording(recording).matches for recording in stage.recordings)


# Training


# ROOM-4-8
def test_training_needs_one_agent_has_no_goals_that_win_and_waits_while_it_is_away() -> None:
    stage = Stage.__new__(Stage)
    stage.recordings = []
    stage.room = Rooms(bytes, stage.recordings.append)("air-hockey", {"training": True, "seed": 1})
    stage.world = World()
    stage.port = FakePort(stage.world)
    stage.room.started(stage.port)
    assert stage.room.game.options == {"win_score": 0, "time_limit_s": 3600, "players": 2}
    stage.room.agent_joined(ANN)
    stage.command(ANN, "ready")
    assert stage.seated() == ["ann", "bot"]
    assert stage.phase() == "playing"
    stage.world.run_for(120.0)
    assert len(stage.events("goal")) > 3
    for _ in range(4):
        stage.command(ANN, "pause")
        assert stage.phase() == "paused"
        stage.world.run_for(100.0)
        stage.command(ANN, "resume")
        stage.world.run_for(10.0)
    assert len(stage.events("pause")) == 4
    stage.room.agent_away(ANN, True)
    assert stage.events("pause")[-1]["reason"] == "away"
    stage.room.agent_left(ANN)
    assert stage.events("over")[-1]["reason"] == "forfeit"
    assert replay_recording(stage.recordings[0]).matches


def test_training_can_have_goals_that_win_and_whole_teams_of_bots() -> None:
    stage = Stage(training=True, players=6, win_score=3)
    stage.room.agent_joined(ANN)
    assert stage.seated() == ["ann"] + ["bot"] * 5
    stage.command(ANN, "ready")
    assert stage.world.run_until_true(lambda: bool(stage.events("over")), 300.0)
    assert max(stage.events("over")[0]["score"]) == 3


# Pause


# ROOM-4-6, ROOM-4-7
def test_a_seat_pauses_and_goes_on_and_the_ticks_leave_nothing_out() -> None:
    stage = Stage().start()
    stage.world.run_for(1.0)
    stage.command(BOB, "pause")
    assert stage.events("pause") == [
        {"event": "pause", "match": 1, "tick": 60, "reason": "seat", "seat": 1, "left_s": 30.0}
    ]
    assert stage.phase() == "paused"
    stage.world.run_for(10.0)
    assert stage.snapshots()[-1].tick == 60
    stage.command(BOB, "resume")
    assert stage.phase() == "playing"
    stage.world.run_for(3.0)
    assert [frame.tick for frame in stage.snapshots()] == list(range(1, 122))


# ROOM-4-6
def test_a_pause_ends_by_itself_after_thirty_seconds() -> None:
    stage = Stage().start()
    stage.world.run_for(1.0)
    stage.command(BOB, "pause")
    stage.world.run_for(29.9)
    assert stage.phase() == "paused"
    stage.world.run_for(0.2)
    assert stage.phase() == "playing"


def test_the_other_alone_cannot_end_a_pause_but_a_majority_can() -> None:
    stage = Stage().start()
    stage.command(BOB, "pause")
    stage.command(ANN, "resume")
    assert stage.phase() == "paused"
    assert stage.events("room")[-1]["pause"] == {"reason": "seat", "seat": 1, "left_s": 30.0, "votes": [0]}
    stage, people = team_stage(6)
    stage.command(people[0], "pause")
    for who in people[1:4]:
        stage.command(who, "resume")
        stage.command(who, "resume")
        assert stage.phase() == "paused"
    stage.command(people[4], "resume")
    assert stage.phase() == "playing"


# ROOM-4-6
def test_a_seat_has_two_pauses_a_match() -> None:
    stage = Stage().start()
    for number in range(4):
        stage.command(BOB, "pause")
        assert stage.phase() == ("paused" if number < 2 else "playing")
        stage.command(BOB, "resume")
        stage.world.run_for(3.0)
    assert stage.room.dropped == {"pause": 2, "command": 2}
    stage.command(ANN, "pause")
    assert stage.phase() == "paused"


def test_a_pause_lasts_its_own_time_whatever_became_of_the_one_before() -> None:
    stage = Stage().start()
    stage.command(BOB, "pause")
    stage.world.run_for(1.0)
    stage.command(BOB, "resume")
    stage.world.run_for(9.0)
    stage.command(BOB, "pause")
    stage.world.run_for(29.9)
    assert stage.phase() == "paused"
    stage.world.run_for(0.2)
    assert stage.phase() == "playing"


def test_the_next_match_has_pauses_of_its_own() -> None:
    stage = Stage(time_limit_s=1).start()
    for _ in range(2):
        stage.command(BOB, "pause")
        stage.command(BOB, "resume")
    assert stage.world.run_until_true(lambda: bool(stage.events("over")), 120.0)
    stage.command(ANN, "ready")
    stage.command(BOB, "ready")
    stage.command(BOB, "pause")
    assert stage.phase() == "paused"


def test_the_pause_of_who_leaves_is_over() -> None:
    stage, people = team_stage(6)
    stage.command(people[2], "pause")
    stage.room.agent_left(people[2])
    assert stage.phase() == "playing"


# ROOM-4-7
def test_inputs_sent_before_a_pause_are_played_after_it() -> None:
    stage = Stage().start()
    stage.world.run_for(0.5)
    stage.send_input(ANN, 40, wire.encode_input((1000, -9000)))
    stage.command(BOB, "pause")
    stage.world.run_for(5.0)
    stage.command(BOB, "resume")
    stage.world.run_for(3.0)
    frames = {frame.tick: wire.decode_snapshot(frame.state, frame.tick) for frame in stage.snapshots()}
    assert frames[39].paddle(0) == (0.0, -0.75)
    assert frames[40].paddle(0) != (0.0, -0.75)


# Spectators


def test_a_spectator_is_told_how_the_room_stands_when_it_comes_and_when_it_is_back() -> None:
    stage = Stage().start()
    watcher = agent(9, "guest", spectate=True)
    stage.room.agent_joined(watcher)
    assert stage.port.told[-1] == "guest"
    stage.room.agent_away(watcher, True)
    count = len(stage.port.sent)
    stage.room.agent_away(watcher, False)
    assert len(stage.port.sent) == count + 1
    assert (stage.port.told[-1], stage.port.sent[-1][1]) == ("guest", EVENT)


def test_a_spectator_takes_a_free_seat_between_matches() -> None:
    stage = Stage()
    watcher = agent(9, "guest", spectate=True)
    stage.room.agent_joined(watcher)
    stage.room.agent_joined(ANN)
    assert stage.seated() == ["ann", None]
    stage.command(watcher, "sit")
    assert stage.seated() == ["ann", "guest"]


# Hostile


# ROOM-2-3
def test_seats_cannot_be_stolen() -> None:
    stage = Stage()
    for who in (ANN, BOB, EVE):
        stage.room.agent_joined(who)
    stage.room.agent_away(ANN, True)
    for seat in (0, 1, 2, 15):
        stage.room.message(inbound(EVE, COMMAND, encode_command("sit", seat), Delivery.ORDERED))
    assert stage.room.dropped == {"seat": 4}
    stage.room.message(inbound(BOB, COMMAND, encode_command("sit", 0), Delivery.ORDERED))
    assert stage.room.dropped == {"seat": 5}
    stage.command(EVE, "sit")
    assert stage.seated() == ["ann", "bob"]


# ROOM-2-4
def test_a_fixed_bot_s_seat_is_nobody_s() -> None:
    stage = Stage(bots=1)
    stage.room.agent_joined(ANN)
    stage.room.agent_joined(BOB)
    stage.room.message(inbound(BOB, COMMAND, encode_command("sit", 1), Delivery.ORDERED))
    assert stage.room.dropped == {"seat": 1}
    assert stage.seated() == ["ann", "bot"]


def test_a_seated_agent_cannot_change_seats_in_a_match() -> None:
    stage, people = team_stage(3)
    stage.command(people[0], "start")
    stage.room.message(inbound(people[0], COMMAND, encode_command("sit", 4), Delivery.ORDERED))
    assert stage.room.dropped == {"command": 1}
    assert stage.seated()[0] == "p0"


def test_strangers_are_not_heard() -> None:
    stage = Stage().start()
    stranger = agent(77, "stranger")
    for command in ("sit", "ready", "pause", "stand", "start"):
        stage.command(stranger, command)
    stage.send_input(stranger, 5, wire.encode_input((0, 0)))
    stage.command(stage.port.agent, "pause")
    assert stage.room.dropped == {"stranger": 7}
    assert stage.phase() == "playing"


def test_spectators_command_nothing() -> None:
    stage = Stage().start()
    stage.room.agent_joined(EVE)
    for command in ("ready", "unready", "pause", "resume", "start"):
        stage.command(EVE, command)
    assert stage.room.dropped == {"command": 5}
    assert stage.phase() == "playing"


@pytest.mark.parametrize("commands", [("ready", "unready"), ("sit", "stand"), ("pause", "resume")])
# ROOM-3-2
def test_commands_by_the_hundred_are_dropped_and_tell_nobody_anything(commands: tuple[str, str]) -> None:
    stage = Stage()
    stage.room.agent_joined(ANN)
    before = len(stage.port.sent)
    for number in range(1000):
        stage.command(ANN, commands[number % 2])
    assert len(stage.port.sent) - before <= 10
    assert stage.room.dropped["spam"] == 990
    stage.world.run_for(10.0)
    stage.command(ANN, "ready")
    assert stage.room.dropped["spam"] == 990
    stage.room.agent_left(ANN)
    assert not stage.room._budgets._buckets, "nothing is kept of those who left"


def test_pauses_by_the_hundred_stop_a_match_for_a_minute_at_most() -> None:
    stage = Stage(time_limit_s=30).start()
    while not stage.events("over"):
        stage.command(ANN, "pause")
        stage.world.run_for(0.1)
        assert stage.world.now() < 30 + 60 + 2 * (30 + 2) + 1
    assert len(stage.events("pause")) == 2
    assert stage.room.dropped["spam"] + stage.room.dropped["pause"] + stage.room.dropped["command"] > 200


def test_flapping_between_bot_and_agent_tells_the_room_twice_a_second_at_most() -> None:
    stage = Stage(win_score=10).start()
    stage.world.run_for(4.0)
    before = len(stage.events("room"))
    for _ in range(600):
        assert stage.room.match is not None
        if stage.seats()[0]["bot"]:
            stage.send_input(ANN, stage.room.match.tick + 1, wire.encode_input((0, -9000)))
        stage.world.run_for(1 / 60)
    assert len(stage.events("room")) - before <= 2 * 2 * 10
