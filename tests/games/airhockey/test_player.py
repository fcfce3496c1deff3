"""Bots as clients of a room, behind simulated links: prediction, corrections, and matches that end."""

from __future__ import annotations

import json
from math import hypot

import pytest

from games.airhockey import wire
from games.airhockey.client import SETTLE_SNAPSHOTS, PlayerView
from games.airhockey.game import AirHockey
from games.airhockey.player import BotPlayer
from games.airhockey.rules import MatchOptions
from games.messages import COMMAND, EVENT, INPUT, SNAPSHOT, SeatReport, SnapshotFrame, encode_command
from games.recording import Recording
from games.registry import Rooms
from games.replay import replay_recording
from netcore.delivery import Delivery
from simnet.link import LinkProfile
from tests.support.game_channel import GameChannel, Member, inbound

Match = tuple[GameChannel, list[Member], Recording]


def play(profile: LinkProfile, seed: int = 1) -> Match:
    recordings: list[Recording] = []
    room = Rooms(bytes, recordings.append)("air-hockey", {"win_score": 3, "seed": seed})
    channel = GameChannel(room)
    members = [channel.join(profile, seed * 10), channel.join(profile, seed * 10 + 1)]
    assert channel.play(timeout_s=400)
    return channel, members, recordings[0]


@pytest.mark.parametrize("delay_s", [0.0, 0.02, 0.08])
def test_without_loss_nothing_is_ever_corrected_however_long_the_way(delay_s: float) -> None:
    channel, members, _ = play(LinkProfile(delay_s=delay_s))
    assert channel.room.match is not None
    for member, inputs in zip(members, channel.room.match.input_stats(), strict=True):
        report = member.bot.report()
        assert report.paddle_corrections == 0
        assert report.lost == 0
        assert inputs.repeated == inputs.late == 0
        assert inputs.neutral < 20, "only before the first input came"
        assert inputs.duplicate <= (2 * delay_s * 60 + 4) * report.inputs, "what is confirmed is not repeated"
        assert report.snapshot_age_p50_s == pytest.approx(delay_s + 0.0085, abs=0.01)


def test_under_loss_and_jitter_the_match_ends_and_corrections_are_few_counted_and_small() -> None:
    _, members, recording = play(LinkProfile(delay_s=0.04, jitter_s=0.01, loss=0.05), seed=3)
    for member in members:
        report = member.bot.report()
        assert report.lost > 0
        assert report.corrections < report.inputs * 0.02
        assert report.largest_correction_m < 0.3
        assert report.snapshot_age_p99_s < 0.15
        assert report.interpolation_delay_s < 0.1
    assert replay_recording(recording).matches


def test_inputs_lost_for_too_long_are_corrected_and_counted() -> None:
    """Half of all datagrams lost in both directions: inputs miss their tick, and the view says so."""
    _, members, recording = play(LinkProfile(delay_s=0.05, loss=0.5), seed=2)
    assert sum(member.bot.report().paddle_corrections for member in members) > 0
    assert replay_recording(recording).matches


def test_matches_over_a_bad_link_all_end_by_their_rules() -> None:
    for seed in range(4):
        channel, members, recording = play(LinkProfile(delay_s=0.06, jitter_s=0.02, loss=0.1), seed=seed + 20)
        over = members[0].bot.over
        assert over is not None and members[1].bot.over == over
        assert over["reason"] in {"goals", "time", "sudden_death"}
        assert over["state_hash"] == recording.final_hash
        assert not channel.room.dropped


def test_the_reported_slack_makes_up_for_a_round_trip_that_is_guessed_wrong() -> None:
    channel = GameChannel(Rooms(bytes)("air-hockey", {"win_score": 10, "seed": 1}))
    members = [channel.join(LinkProfile(delay_s=0.1), seed) for seed in (1, 2)]
    for member in members:
        member.bot.rtt_s = 0.02
    channel.world.run_for(12.0)
    assert channel.room.match is not None
    before = [(stats.late, stats.accepted) for stats in channel.room.match.input_stats()]
    channel.world.run_for(2.0)
    after = [(stats.late, stats.accepted) for stats in channel.room.match.input_stats()]
    for (late, accepted), (late_after, accepted_after) in zip(before, after, strict=True):
        assert late_after == late
        assert accepted_after - accepted >= 118


def test_the_other_paddle_stands_where_the_server_had_it_last_and_a_correction_glides() -> None:
    game = AirHockey({"win_score": 3})
    view = PlayerView(seat=0, match=1, options=MatchOptions(3, 300))
    seats = (SeatReport(0, None), SeatReport(0, None))
    state = game.start(1)
    state.phase, state.phase_ticks, state.puck_y, state.puck_vx = 1, 0, -0.5, 0.3
    other = wire.encode_input((3000, 9000))
    for tick in range(1, 30):
        state = game.step(state, [wire.NEUTRAL, other])
        view.receive_snapshot(SnapshotFrame(1, tick, seats, game.snapshot(state)), tick / 60)
        view.advance(tick / 60, 0.1, lambda sight: sight.own)
    predicted = view._predictor
    assert predicted is not None
    assert predicted.tick > state.tick
    assert predicted.state.paddle(1) == state.paddle(1)
    now = 29.5 / 60
    before = view.scene(now)
    moved = state.copy()
    moved.tick, moved.puck_vx = 30, -2.0
    view.receive_snapshot(SnapshotFrame(1, 30, seats, game.snapshot(moved)), now)
    assert view.stats.puck_corrections == 1
    after = view.scene(now)
    assert hypot(after.puck[0] - before.puck[0], after.puck[1] - before.puck[1]) < 0.02
    assert predicted.state.puck_x < before.puck[0] - 0.1
    later = view.scene(now + 0.2)
    assert later.puck[0] == pytest.approx(predicted.state.puck_x)


def test_the_same_seed_is_the_same_run() -> None:
    profile = LinkProfile(delay_s=0.04, jitter_s=0.01, loss=0.05)
    first, second = play(profile, seed=5), play(profile, seed=5)
    assert first[2].encode() == second[2].encode()
    assert [m.bot.report() for m in first[1]] == [m.bot.report() for m in second[1]]


def test_the_shown_puck_glides_even_where_it_changes_hands_and_is_corrected() -> None:
    room = Rooms(bytes)("air-hockey", {"win_score": 3, "seed": 8})
    channel = GameChannel(room)
    profile = LinkProfile(delay_s=0.05, jitter_s=0.01, loss=0.05)
    members = [channel.join(profile, 80), channel.join(profile, 81)]
    channel.world.run_for(4.0)
    view = members[0].bot.view
    assert view is not None
    last, jumps, frames = view.scene(channel.world.now()), 0, 0
    for _ in range(1200):
        channel.world.run_for(1 / 60)
        scene = view.scene(channel.world.now())
        moved = hypot(scene.puck[0] - last.puck[0], scene.puck[1] - last.puck[1])
        if scene.phase == last.phase == 1:
            frames += 1
            jumps += moved > 0.2
        last = scene
    assert frames > 300
    assert jumps <= 4, "only serves may jump"


# ROOM-1-1
def test_a_player_hears_only_what_makes_sense() -> None:
    sent: list[tuple[Delivery, str, bytes, int]] = []
    bot = BotPlayer(lambda *message: sent.append(message), index=2, seed=1)
    for type in (SNAPSHOT, EVENT, "chat-text"):
        for content in (
            b"",
            b"{}",
            b"[" * 300,
            bytes(300),
            b'{"event":"room","seats":[],"options":{},"phase":"","match":0}',
        ):
            bot.receive(type, content, 0.0)
    assert not sent
    assert bot.report().malformed > 0
    bot.handle_timer(1.0)
    assert bot.next_timer is None


def room_event(phase: str = "lobby") -> bytes:
    seats = [{"agent": 2, "name": "a"}, {"agent": 3, "name": "b"}]
    options = {"win_score": 3, "time_limit_s": 60, "players": 2}
    room = {"event": "room", "seats": seats, "options": options, "phase": phase, "match": 0}
    return json.dumps(room).encode()


def test_a_player_says_ready_once_and_plays_as_soon_as_it_knows_the_beat() -> None:
    sent: list[tuple[Delivery, str, bytes, int]] = []
    bot = BotPlayer(lambda *message: sent.append(message), index=2, seed=1)
    bot.receive(EVENT, room_event(), 0.0)
    bot.receive(EVENT, room_event(), 0.0)
    assert [(kind, type) for kind, type, _, _ in sent] == [(Delivery.ORDERED, COMMAND)]
    bot.receive(EVENT, b'{"event":"start","match":1}', 0.1)
    assert bot.next_timer is None
    game = AirHockey({"win_score": 3})
    state = game.start(1)
    seats = (SeatReport(0, None), SeatReport(0, None))
    for tick in range(1, SETTLE_SNAPSHOTS + 1):
        assert len(sent) == 1
        now = 0.2 + tick / 60
        state = game.step(state, [wire.NEUTRAL, wire.NEUTRAL])
        bot.receive(SNAPSHOT, SnapshotFrame(1, tick, seats, game.snapshot(state)).encode(), now)
        assert bot.next_timer is not None
        bot.handle_timer(now)
    kind, type, content, _ = sent[-1]
    assert (kind, type, content[0]) == (Delivery.UNRELIABLE, INPUT, 1)
    assert bot.next_timer is not None
    assert now < bot.next_timer <= now + 1.1 / 60


# ROOM-7-2, AIR-9-1
def test_snapshots_that_are_stale_or_of_another_match_or_impossible_are_counted_not_shown() -> None:
    room = Rooms(bytes)("air-hockey", {"win_score": 3, "seed": 8})
    channel = GameChannel(room)
    members = [channel.join(seed=80), channel.join(seed=81)]
    channel.world.run_for(1.0)
    bot, view = members[0].bot, members[0].bot.view
    assert view is not None and view.state is not None
    assert room.match is not None
    frame = SnapshotFrame.decode(room.match.frame(1.0))
    now, shown = channel.world.now(), view.state
    bot.receive(SNAPSHOT, frame.encode(), now)
    assert view.stats.stale == 1
    bot.receive(SNAPSHOT, SnapshotFrame(1, frame.tick + 1, frame.seats, b"x" * 36).encode(), now)
    bot.receive(SNAPSHOT, SnapshotFrame(1, frame.tick + 1, frame.seats[:1], frame.state).encode(), now)
    assert view.stats.malformed == 2
    bot.receive(SNAPSHOT, SnapshotFrame(2, frame.tick + 1, frame.seats, frame.state).encode(), now)
    assert view.state is shown


def room_members(count: int, profile: LinkProfile, **options: object) -> tuple[GameChannel, list[Member]]:
    channel = GameChannel(Rooms(bytes)("air-hockey", {"win_score": 10, "seed": 3, **options}))
    return channel, [channel.join(profile, seed) for seed in range(count)]


def command(channel: GameChannel, member: Member, name: str) -> None:
    channel.room.message(inbound(member.info, COMMAND, encode_command(name), Delivery.ORDERED))


# ROOM-5-1
def test_after_a_pause_players_find_the_beat_again_and_are_not_corrected_by_it() -> None:
    channel, members = room_members(2, LinkProfile(delay_s=0.04))
    channel.world.run_for(6.0)
    before = [member.bot.report() for member in members]
    command(channel, members[0], "pause")
    channel.world.run_for(7.3)
    sent = [member.bot.report().inputs for member in members]
    channel.world.run_for(1.0)
    assert [member.bot.report().inputs for member in members] == sent, "nobody plays on in a pause"
    command(channel, members[0], "resume")
    channel.world.run_for(6.0)
    for member, old in zip(members, before, strict=True):
        report = member.bot.report()
        assert report.inputs > old.inputs + 200
        assert report.lost == 0
        assert report.corrections - old.corrections <= 8
        assert report.snapshot_age_p99_s < 0.08, "the pause itself is no age"
    assert channel.room.match is not None
    assert not any(channel.room.match.by_bot(seat) for seat in (0, 1))


# ROOM-5-2
def test_who_comes_late_steps_into_the_match_that_is_on() -> None:
    channel, members = room_members(2, LinkProfile(delay_s=0.03, loss=0.02), players=4)
    channel.world.run_for(0.5)
    command(channel, members[0], "start")
    channel.world.run_for(6.0)
    late = channel.join(LinkProfile(delay_s=0.03, loss=0.02), 9)
    channel.world.run_for(1.5)
    assert channel.room.match is not None
    assert late.bot.report().seat == 2
    assert not channel.room.match.by_bot(2)
    assert channel.room.match.by_bot(3)
    channel.world.run_for(5.0)
    assert late.bot.report().corrections < 25
    assert late.bot.report().inputs > 250


def test_snapshots_with_another_number_of_paddles_than_the_room_has_are_no_use() -> None:
    channel, members = room_members(2, LinkProfile())
    channel.world.run_for(1.0)
    view = members[0].bot.view
    assert view is not None and view.state is not None
    four = AirHockey({"players": 4})
    frame = SnapshotFrame(1, 100, (SeatReport(0, None),) * 2, four.snapshot(four.start(1)))
    view.receive_snapshot(frame, 1.0)
    assert view.stats.malformed == 1
