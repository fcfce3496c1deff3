"""Recordings as files, and replays of them."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path
from typing import Any

import msgpack
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from games.airhockey.game import AirHockey
from games.recording import BOT, MAX_FILE_BYTES, MAX_HOLDERS, InputTrack, Recording, RecordingError
from games.replay import replay, replay_recording


def recorded(ticks: int = 400) -> Recording:
    game = AirHockey({"win_score": 3})
    recording = Recording("air-hockey", game.version, game.options, 7, 60, [InputTrack(4), InputTrack(4)])
    state, chance = game.start(7), random.Random(3)
    for _ in range(ticks):
        inputs = [chance.choice([game.neutral, chance.randbytes(4)]) for _ in range(2)]
        for track, data in zip(recording.tracks, inputs, strict=True):
            track.append(data)
        state = game.step(state, inputs)
    recording.final_hash = game.state_hash(state)
    return recording


# ROOM-9-1
def test_a_file_replays_bit_for_bit(tmp_path: Path) -> None:
    path = tmp_path / "match.recording"
    recorded().save(path)
    report = replay(path)
    assert report.matches
    assert (report.game, report.ticks, report.result) == ("air-hockey", 400, None)
    assert report.seconds == pytest.approx(400 / 60)


# AIR-0-1
def test_a_match_of_version_1_still_replays_bit_for_bit() -> None:
    report = replay(Path(__file__).parent / "data" / "air-hockey-version-1.replay")
    assert report.matches
    assert report.replayed_hash == "c3d53dd0d6013cf8422d5592cd8a669664463f998fa3e0558f21f7d856b2d63b"
    assert report.result is not None
    assert (report.result.winner, report.result.score, report.ticks) == (1, (0, 3), 698)


# ROOM-9-2
def test_a_match_of_an_unknown_version_is_refused_with_one_clear_sentence() -> None:
    recording = recorded(10)
    recording.game_version = 3
    with pytest.raises(RecordingError, match="a match of air-hockey version 3; this server replays 1, 2"):
        replay_recording(recording)


def test_who_held_a_seat_is_kept_and_bounded() -> None:
    recording = recorded(10)
    for _ in range(MAX_HOLDERS + 5):
        recording.hold(3, 1, BOT)
    again = Recording.decode(recording.encode())
    assert len(again.holders) == MAX_HOLDERS
    assert again.holders[0] == (3, 1, BOT)
    assert replay_recording(again).matches


def test_one_changed_input_is_another_end() -> None:
    recording = recorded()
    first, second = recording.tracks
    changed = InputTrack(4)
    for tick, data in enumerate(first.inputs()):
        changed.append(b"\x10\x00\xd0\x00" if tick == 350 else data)
    recording.tracks = [changed, second]
    assert not replay_recording(recording).matches


def test_another_seed_is_another_end() -> None:
    recording = recorded()
    recording.seed += 1
    assert not replay_recording(recording).matches


@given(st.lists(st.binary(min_size=3, max_size=3), min_size=1, max_size=50))
def test_a_track_gives_back_what_went_in(inputs: list[bytes]) -> None:
    track = InputTrack(3)
    for data in inputs:
        track.append(data)
    again = InputTrack.decode(track.encode(), 3, len(inputs))
    assert list(again.inputs()) == inputs


def test_what_repeats_costs_one_byte_a_tick() -> None:
    track = InputTrack(4)
    for _ in range(100):
        track.append(b"abcd")
    assert len(track.encode()) == 104


@settings(max_examples=200)
@given(st.binary(max_size=200))
@example(msgpack.packb({"format": "netplay-recording", "format_version": 1}))
@example(b"\x81" * 200)
@example(b"\x91" * 200)
def test_arbitrary_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(RecordingError):
        Recording.decode(data)


@settings(max_examples=200)
@given(st.data())
def test_a_recording_with_flipped_bytes_is_refused_or_read_but_never_worse(data: st.DataObject) -> None:
    good = bytearray(recorded(20).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(RecordingError):
        replay_recording(Recording.decode(bytes(good)))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("format", "other"),
        ("format_version", 2),
        ("game", "chess"),
        ("game", 7),
        ("game_version", 99),
        ("options", []),
        ("options", {"win_score": 4}),
        ("seed", -1),
        ("seed", 1.5),
        ("seed", True),
        ("tick_hz", 30),
        ("ticks", 399),
        ("ticks", 10**9),
        ("input_bytes", 0),
        ("input_bytes", 5),
        ("tracks", []),
        ("tracks", [b""]),
        ("tracks", [b"", "x"]),
        ("tracks", [b"\x00", b"\x00"]),
        ("tracks", [b"\x02"] * 2),
        ("forfeits", [[5, 2]]),
        ("forfeits", [[500, 0]]),
        ("forfeits", [5]),
        ("holders", None),
        ("holders", [[1, 0]]),
        ("holders", [[402, 0, 1]]),
        ("holders", [[1, 2, 1]]),
        ("holders", [[1, 0, 2]]),
        ("final_hash", None),
    ],
)
def test_each_field_is_checked(field: str, value: Any) -> None:
    fields = msgpack.unpackb(recorded().encode())
    fields[field] = value
    with pytest.raises(RecordingError):
        replay_recording(Recording.decode(msgpack.packb(fields)))


def test_a_file_too_long_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "long"
    path.write_bytes(bytes(MAX_FILE_BYTES + 10))
    with pytest.raises(RecordingError, match="longer"):
        Recording.load(path)


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        Recording.load(tmp_path / "nowhere")
