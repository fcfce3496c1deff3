"""A recorded match: seed, options, every seat's input at every tick, and the hash of the final state.

One MessagePack map (docs/protocol/games/room.md, section 7). Reading is bounded and checked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgpack

FORMAT: Final = "netplay-recording"
FORMAT_VERSION: Final = 1
MAX_FILE_BYTES: Final = 16 * 1024 * 1024
MAX_TICKS: Final = 1_000_000
MAX_SEATS: Final = 16
MAX_INPUT_BYTES: Final = 64

MAX_HOLDERS: Final = 10_000
BOT: Final = 0
AGENT: Final = 1

_SAME: Final = 0
_GIVEN: Final = 1


class RecordingError(ValueError):
    """The bytes are no recording that this version can read."""


class InputTrack:
    """The inputs of one seat, tick after tick, packed: what repeats costs one byte."""

    __slots__ = ("_data", "_last", "input_bytes", "ticks")

    def __init__(self, input_bytes: int) -> None:
        self.input_bytes = input_bytes
        self._data = bytearray()
        self._last = b""
        self.ticks = 0

    def append(self, value: bytes) -> None:
        """The input of the next tick."""
        self.ticks += 1
        if value == self._last:
            self._data.append(_SAME)
        else:
            self._data.append(_GIVEN)
            self._data += value
            self._last = value

    def encode(self) -> bytes:
        """All inputs as bytes."""
        return bytes(self._data)

    @classmethod
    def decode(cls, data: bytes, input_bytes: int, ticks: int) -> InputTrack:
        """The track of `ticks` inputs in `data`. Raises `RecordingError`."""
        track = cls(input_bytes)
        track._data += data
        track.ticks = ticks
        if sum(1 for _ in track.inputs()) != ticks:
            raise RecordingError(f"a seat's track does not hold {ticks} inputs")
        return track

    def inputs(self) -> Iterator[bytes]:
        """The inputs in order. Raises `RecordingError` where the bytes make no sense."""
        data, size = self._data, self.input_bytes
        at = 0
        last = b""
        while at < len(data):
            mark = data[at]
            at += 1
            if mark == _GIVEN and at + size <= len(data):
                last = bytes(data[at : at + size])
                at += size
            elif mark != _SAME or not last:
                raise RecordingError(f"a seat's track is broken at byte {at - 1}")
            yield last


@dataclass(slots=True)
class Recording:
    """One match, ready to be replayed by `games.replay`."""

    game: str
    game_version: int
    options: dict[str, Any]
    seed: int
    tick_hz: int
    tracks: list[InputTrack]
    """One for each seat, all of the same length."""
    forfeits: list[tuple[int, int]] = field(default_factory=list)
    """(tick after which, seat) of agents that left the match."""
    holders: list[tuple[int, int, int]] = field(default_factory=list)
    """(first tick, seat, BOT or AGENT): whose inputs the seat's are from then on. For those who watch; a replay
    needs the inputs only."""
    final_hash: str = ""

    @property
    def ticks(self) -> int:
        """How many ticks the match had."""
        return self.tracks[0].ticks

    def hold(self, tick: int, seat: int, holder: int) -> None:
        """From `tick` on the inputs of `seat` are those of `holder`, BOT or AGENT. Beyond the limit: not noted."""
        if len(self.holders) < MAX_HOLDERS:
            self.holders.append((tick, seat, holder))

    def encode(self) -> bytes:
        """The recording as the bytes of a file."""
        packed: bytes = msgpack.packb(
            {
                "format": FORMAT,
                "format_version": FORMAT_VERSION,
                "game": self.game,
                "game_version": self.game_version,
                "options": self.options,
                "seed": self.seed,
                "tick_hz": self.tick_hz,
                "ticks": self.ticks,
                "input_bytes": self.tracks[0].input_bytes,
                "tracks": [track.encode() for track in self.tracks],
                "forfeits": [list(forfeit) for forfeit in self.forfeits],
                "holders": [list(holder) for holder in self.holders],
                "final_hash": self.final_hash,
            }
        )
        return packed

    @classmethod
    def decode(cls, data: bytes) -> Recording:
        """The recording in the bytes of a file. Raises `RecordingError`."""
        fields = _unpack(data)
        ticks = _int(fields, "ticks", MAX_TICKS)
        input_bytes = _int(fields, "input_bytes", MAX_INPUT_BYTES)
        if input_bytes < 1:
            raise RecordingError("inputs without bytes")
        tracks = _list(fields, "tracks", MAX_SEATS)
        if not tracks or not all(isinstance(track, bytes) for track in tracks):
            raise RecordingError("tracks are not byte strings")
        options = fields.get("options")
        if not isinstance(options, dict):
            raise RecordingError("options are not a map")
        return cls(
            game=_str(fields, "game"),
            game_version=_int(fields, "game_version", 2**31),
            options=options,
            seed=_int(fields, "seed", 2**63),
            tick_hz=_int(fields, "tick_hz", 1000),
            tracks=[InputTrack.decode(track, input_bytes, ticks) for track in tracks],
            forfeits=[_forfeit(item, ticks, len(tracks)) for item in _list(fields, "forfeits", MAX_SEATS)],
            holders=[_holder(item, ticks, len(tracks)) for item in _list(fields, "holders", MAX_HOLDERS, [])],
            final_hash=_str(fields, "final_hash"),
        )

    def save(self, path: str | Path) -> None:
        """Write the file."""
        Path(path).write_bytes(self.encode())

    @classmethod
    def load(cls, path: str | Path) -> Recording:
        """Read a file. Raises `RecordingError` for its content, `OSError` for the file."""
        with Path(path).open("rb") as file:
            return cls.decode(file.read(MAX_FILE_BYTES + 1))


def _unpack(data: bytes) -> dict[str, Any]:
    if len(data) > MAX_FILE_BYTES:
        raise RecordingError(f"longer than {MAX_FILE_BYTES} bytes")
    try:
        fields = msgpack.unpackb(data, strict_map_key=True)
    except (ValueError, msgpack.UnpackException, RecursionError) as error:
        raise RecordingError("not MessagePack") from error
    if not isinstance(fields, dict) or fields.get("format") != FORMAT:
        raise RecordingError("not a recording")
    if fields.get("format_version") != FORMAT_VERSION:
        version = repr(fields.get("format_version"))[:40]
        raise RecordingError(f"format version {version}, this reads {FORMAT_VERSION}")
    return fields


def _int(fields: dict[str, Any], name: str, limit: int) -> int:
    value = fields.get(name)
    if type(value) is not int or not 0 <= value <= limit:
        raise RecordingError(f"{name} is {repr(value)[:40]}, not a number from 0 to {limit}")
    return value


def _str(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or len(value) > 128:
        raise RecordingError(f"{name} is not a short text")
    return value


def _list(fields: dict[str, Any], name: str, limit: int, missing: list[Any] | None = None) -> list[Any]:
    value = fields.get(name, missing)
    if not isinstance(value, list) or len(value) > limit:
        raise RecordingError(f"{name} is not a list of at most {limit}")
    return value


def _forfeit(item: Any, ticks: int, seats: int) -> tuple[int, int]:
    match item:
        case [int(tick), int(seat)] if 0 <= tick <= ticks and 0 <= seat < seats:
            return tick, seat
    raise RecordingError("a forfeit is not (tick, seat) of this match")


def _holder(item: Any, ticks: int, seats: int) -> tuple[int, int, int]:
    match item:
        case [int(tick), int(seat), int(holder)] if (
            0 <= tick <= ticks + 1 and 0 <= seat < seats and holder in (BOT, AGENT)
        ):
            return tick, seat, holder
    raise RecordingError("a holder is not (tick, seat, 0 or 1) of this match")
