"""The rooms this server opens: the configured games, their matches recorded where that is asked for."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import structlog

from games.recording import Recording
from games.registry import Rooms
from games.ticker import TickTotals
from hub.ports import LocalAgent

log = structlog.get_logger("netplay.rooms")


class ServedRooms:
    """Fills `hub.ports.RoomFactory` over `games.registry`."""

    def __init__(self, games: tuple[str, ...], replays_dir: Path | None) -> None:
        """`replays_dir`: where finished matches are written; None: nowhere."""
        self._games = games
        self._replays_dir = replays_dir
        self._rooms = Rooms(os.urandom, self._record if replays_dir is not None else None)
        self._writes: set[asyncio.Future[None]] = set()

    def __call__(self, game: str, options: dict[str, Any]) -> LocalAgent:
        """A room for `game`. Raises `ValueError` with one clear sentence."""
        if game not in self._games:
            raise ValueError(
                f"this server has no game {game[:40]!r}, only {', '.join(self._games) or 'none'}"
            )
        return self._rooms(game, options)

    @property
    def tick_totals(self) -> TickTotals:
        """The ticks of every room there was."""
        return self._rooms.totals

    async def written(self) -> None:
        """Wait until every finished match is on disk."""
        while self._writes:
            await asyncio.wait(self._writes)

    def _record(self, recording: Recording) -> None:
        """Write the file in a thread: a slow disk must not hold up anybody's tick."""
        assert self._replays_dir is not None
        ended = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        name = f"{recording.game}-{ended}-{os.urandom(3).hex()}.replay"
        write = asyncio.get_running_loop().run_in_executor(None, _save, recording, self._replays_dir / name)
        self._writes.add(write)
        write.add_done_callback(self._writes.discard)


def _save(recording: Recording, path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        recording.save(path)
    except OSError as error:
        log.error("match_not_recorded", path=str(path), reason=error.strerror)
    else:
        log.info("match_recorded", path=str(path), ticks=recording.ticks, hash=recording.final_hash)
