"""The events of a room as JSON objects. docs/protocol/games/room.md, section 5."""

from __future__ import annotations

from typing import Any

from games.game import Game, Result
from games.match import Match
from games.room_options import RoomOptions
from games.schedule import RESUME_S, Pause
from games.seats import Seats


def room_event(
    game: Game[Any],
    options: RoomOptions,
    seats: Seats,
    *,
    match: int,
    phase: str,
    pause: Pause | None,
    host: int | None,
    now: float,
) -> dict[str, Any]:
    """How the room stands: complete, so that the newest one is all a client needs."""
    return {
        "event": "room",
        "game": game.name,
        "version": game.version,
        "tick_hz": game.tick_hz,
        "options": game.options,
        "room": options.describe(),
        "match": match,
        "phase": phase,
        "pause": None if pause is None else pause.describe(now),
        "host": host,
        "seats": seats.describe(),
    }


def start_event(match: Match) -> dict[str, Any]:
    """`match` begins."""
    return {"event": "start", "match": match.number}


def pause_event(match: Match, pause: Pause, now: float) -> dict[str, Any]:
    """`match` stands still."""
    return {
        "event": "pause",
        "match": match.number,
        "tick": match.tick,
        "reason": pause.reason,
        "seat": pause.seat,
        "left_s": pause.left_s(now),
    }


def resume_event(match: Match) -> dict[str, Any]:
    """`match` goes on in a moment."""
    return {"event": "resume", "match": match.number, "tick": match.tick, "in_s": RESUME_S}


def over_event(match: Match, result: Result, seats: Seats) -> dict[str, Any]:
    """How `match` ended, whose the seats are, and what each did."""
    return {
        "event": "over",
        "match": match.number,
        "tick": match.tick,
        "winner": result.winner,
        "reason": result.reason,
        "score": list(result.score),
        "seats": [
            {
                "team": seat.team,
                "agent": None if seat.agent is None else seat.agent.index,
                "name": None if seat.agent is None else seat.agent.name,
                **did,
            }
            for seat, did in zip(seats, match.results(), strict=True)
        ],
        "state_hash": match.state_hash(),
    }
