"""What a game room and its clients tell each other. docs/protocol/games/room.md.

Message types, the snapshot's frame (whose game-specific rest is the game's own), and the small JSON objects
of commands and events.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import Any, Final

SNAPSHOT: Final = "game-snapshot"
"""Room to everyone, sequenced."""
EVENT: Final = "game-event"
"""Room to everyone or to one, ordered, JSON."""
INPUT: Final = "game-input"
"""Seat to room, unreliable: `match u8` and the message of `statesync.InputSender`."""
COMMAND: Final = "game-command"
"""Agent to room, ordered or reliable, JSON."""

COMMANDS: Final = frozenset({"ready", "unready", "sit", "stand", "start", "pause", "resume"})
MAX_COMMAND_BYTES: Final = 256
MAX_EVENT_BYTES: Final = 8192
MAX_SEATS: Final = 16

JSON_FORMAT: Final = 2
"""The envelope's content format for JSON."""

_HEAD: Final = struct.Struct(">BIB")
_SEAT: Final = struct.Struct(">hb")
_NO_INPUT: Final = -32768
_NO_SLACK: Final = -128
SLACK_STEPS: Final = 4
"""Slack travels in quarters of a tick, -31.75 to 31.75."""


class MessageError(ValueError):
    """A message that no client or room of this version sends."""


@dataclass(frozen=True, slots=True)
class SeatReport:
    """What a snapshot tells a seat about its inputs."""

    last_input_tick: int
    """The newest tick for which the room has the seat's input; 0: none yet."""
    input_slack: float | None
    """How many ticks early inputs arrive, the 5th percentile of the last second; None: none arrived."""


@dataclass(frozen=True, slots=True)
class SnapshotFrame:
    """A snapshot's frame."""

    match: int
    """The match's number in the room, from 1, modulo 256."""
    tick: int
    seats: tuple[SeatReport, ...]
    state: bytes
    """The game's own snapshot."""

    def encode(self) -> bytes:
        """`match u8 | tick u32 | seats u8`, for each seat `ahead i16 | slack i8`, then the game's state."""
        parts = [_HEAD.pack(self.match, self.tick, len(self.seats))]
        for seat in self.seats:
            ahead = _NO_INPUT
            if seat.last_input_tick > 0:
                ahead = max(_NO_INPUT + 1, min(32767, seat.last_input_tick - self.tick))
            slack = _NO_SLACK
            if seat.input_slack is not None:
                slack = max(_NO_SLACK + 1, min(127, round(seat.input_slack * SLACK_STEPS)))
            parts.append(_SEAT.pack(ahead, slack))
        parts.append(self.state)
        return b"".join(parts)

    @classmethod
    def decode(cls, data: bytes) -> SnapshotFrame:
        """The frame in `data`. Raises `MessageError`."""
        if len(data) < _HEAD.size:
            raise MessageError("a snapshot without a frame")
        match, tick, count = _HEAD.unpack_from(data)
        at = _HEAD.size
        if not 1 <= count <= MAX_SEATS or len(data) < at + count * _SEAT.size:
            raise MessageError(f"a snapshot frame for {count} seats in {len(data)} bytes")
        seats = []
        for _ in range(count):
            ahead, slack = _SEAT.unpack_from(data, at)
            at += _SEAT.size
            seats.append(
                SeatReport(
                    0 if ahead == _NO_INPUT else max(0, tick + ahead),
                    None if slack == _NO_SLACK else slack / SLACK_STEPS,
                )
            )
        return cls(match, tick, tuple(seats), data[at:])


def encode_event(event: dict[str, Any]) -> bytes:
    """An event as JSON."""
    return json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode()


def decode_event(data: bytes) -> dict[str, Any]:
    """The event in `data`. Raises `MessageError`."""
    event = _json_object(data, MAX_EVENT_BYTES)
    if not isinstance(event.get("event"), str):
        raise MessageError("an event without a name")
    return event


@dataclass(frozen=True, slots=True)
class Command:
    """What an agent asks of the room."""

    name: str
    """One of `COMMANDS`."""
    seat: int | None = None
    """Of `sit`: which seat; None: any."""


def encode_command(name: str, seat: int | None = None) -> bytes:
    """One of `COMMANDS` as JSON; `seat` for `sit` only."""
    command: dict[str, Any] = {"command": name}
    if seat is not None:
        command["seat"] = seat
    return json.dumps(command, separators=(",", ":")).encode()


def decode_command(data: bytes) -> Command:
    """The command in `data`. Raises `MessageError`."""
    fields = _json_object(data, MAX_COMMAND_BYTES)
    name, seat = fields.get("command"), fields.get("seat")
    if not isinstance(name, str) or name not in COMMANDS:
        raise MessageError("an unknown command")
    if seat is not None and (type(seat) is not int or not 0 <= seat < MAX_SEATS or name != "sit"):
        raise MessageError("a seat that no room has")
    return Command(name, seat)


def _json_object(data: bytes, limit: int) -> dict[str, Any]:
    if len(data) > limit:
        raise MessageError(f"{len(data)} bytes of JSON, more than {limit}")
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise MessageError("not JSON") from error
    if not isinstance(value, dict):
        raise MessageError("not a JSON object")
    return value
