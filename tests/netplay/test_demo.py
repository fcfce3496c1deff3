"""The demo: two bots really play, in virtual time and over real sockets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import Console

from games.replay import replay
from netplay import demo
from netplay.demo import live, virtual
from netplay.demo.options import DemoOptions
from netplay.demo.outcome import Outcome

BAD_NETWORK = {"loss": 0.05, "delay_s": 0.040, "jitter_s": 0.010}


@pytest.fixture(scope="module")
def match(tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcome, Path]:
    """One virtual match on a bad network, recorded."""
    recording = tmp_path_factory.mktemp("demo") / "match.replay"
    return virtual.play(DemoOptions(virtual=True, seed=7, record=recording, **BAD_NETWORK)), recording


def test_a_virtual_match_ends_by_goals_and_runs_twice_the_same(match: tuple[Outcome, Path]) -> None:
    outcome, _ = match
    assert outcome.ended
    assert outcome.reason == "goals"
    assert max(outcome.score) == 3
    assert outcome.score[outcome.winner] == 3
    first, second = outcome.event_log_hashes
    assert first == second
    assert outcome.succeeded


def test_another_seed_is_another_match(match: tuple[Outcome, Path]) -> None:
    other = virtual.play(DemoOptions(virtual=True, seed=8, **BAD_NETWORK))
    assert other.succeeded
    assert other.event_log_hashes[0] != match[0].event_log_hashes[0]


def test_the_figures_are_those_of_the_network(match: tuple[Outcome, Path]) -> None:
    for player in match[0].players:
        assert 80 <= player.rtt_ms <= 130
        assert 0.02 < player.lost / (player.lost + player.delivered) < 0.10
        assert 40 <= player.snapshot_age_p50_ms <= 75
        assert player.snapshot_age_p50_ms <= player.snapshot_age_p99_ms <= 150
        assert player.packets_lost > 0
        assert 1_000 < player.bytes_per_s_in < 20_000
        assert player.corrections < match[0].ticks * 0.05


def test_a_perfect_network_needs_no_corrections_of_the_own_paddle() -> None:
    outcome = virtual.play(DemoOptions(virtual=True, seed=3))
    assert outcome.succeeded
    assert all(player.lost == 0 and player.packets_lost == 0 for player in outcome.players)


def test_the_recording_replays_to_the_announced_state(match: tuple[Outcome, Path]) -> None:
    outcome, recording = match
    report = replay(recording)
    assert report.replayed_hash == report.recorded_hash == outcome.state_hash
    assert report.ticks == outcome.ticks


def test_teams_play_a_demo_too() -> None:
    outcome = virtual.play(DemoOptions(virtual=True, seed=12, teams=3, **BAD_NETWORK))
    assert outcome.succeeded
    assert [player.name for player in outcome.players] == ["ada", "ben", "cleo", "dan", "eve", "finn"]
    assert sorted(player.seat for player in outcome.players) == list(range(6))
    assert outcome.winner in (0, 1)


def test_an_outcome_with_unequal_runs_has_not_succeeded(match: tuple[Outcome, Path]) -> None:
    from dataclasses import replace

    assert not replace(match[0], event_log_hashes=["a", "b"]).succeeded
    assert not replace(match[0], ended=False).succeeded


def test_json_is_one_object_and_the_exit_code_tells(capsys: pytest.CaptureFixture[str]) -> None:
    assert demo.run(DemoOptions(virtual=True, seed=7, as_json=True), Console()) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["succeeded"] is True
    assert {player["name"] for player in told["players"]} == {"ada", "ben"}


def test_a_game_or_a_score_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="no demo plays 'chess'"):
        DemoOptions(game="chess")
    with pytest.raises(ValueError, match="teams is 4, not 1 to 3 players a side"):
        DemoOptions(teams=4)
    with pytest.raises(ValueError, match="win_score is 4, not one of 0, 3, 5, 7, 10"):
        DemoOptions(goals=4)


def test_a_live_match_is_played_over_udp_through_the_impaired_link(tmp_path: Path) -> None:
    recording = tmp_path / "live.replay"
    outcome = live.play(DemoOptions(seed=2, time_limit_s=60, record=recording, **BAD_NETWORK))
    assert outcome.succeeded, outcome
    assert outcome.reason in ("goals", "time", "sudden death")
    for player in outcome.players:
        assert player.transport == "udp"
        assert player.rtt_ms > 75
        assert player.lost > 0
    assert replay(recording).replayed_hash == outcome.state_hash
