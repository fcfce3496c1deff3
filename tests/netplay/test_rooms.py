"""Served rooms: configured games only, finished matches on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from games.recording import InputTrack, Recording
from games.room import GameRoom
from netplay.rooms import ServedRooms


def recording() -> Recording:
    track = InputTrack(4)
    track.append(b"abcd")
    return Recording("air-hockey", 1, {}, 1, 60, [track, track], final_hash="00")


def test_a_configured_game_has_rooms_and_others_are_named_and_refused() -> None:
    assert isinstance(ServedRooms(("air-hockey",), None)("air-hockey", {}), GameRoom)
    with pytest.raises(ValueError, match="no game 'chess', only air-hockey"):
        ServedRooms(("air-hockey",), None)("chess", {})
    with pytest.raises(ValueError, match="only none"):
        ServedRooms((), None)("air-hockey", {})


async def test_a_finished_match_is_written_and_reads_back(tmp_path: Path) -> None:
    rooms = ServedRooms(("air-hockey",), tmp_path / "replays")
    rooms._record(recording())
    await rooms.written()
    (file,) = (tmp_path / "replays").iterdir()
    assert Recording.load(file).encode() == recording().encode()


async def test_a_disk_that_refuses_is_logged_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "replays").write_text("a file where the directory should be")
    rooms = ServedRooms(("air-hockey",), tmp_path / "replays")
    rooms._record(recording())
    await rooms.written()
