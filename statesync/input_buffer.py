"""The server's side of inputs: a jitter buffer by tick for one client, and how early its inputs come."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from statesync.errors import MalformedInput
from statesync.input_codec import InputMessage, decode
from statesync.percentile import nearest_rank

SLACK_WINDOW_S = 1.0
SLACK_PERCENT = 5
_MAX_SLACK_SAMPLES = 512


@dataclass(slots=True)
class InputStats:
    """What came of a client's inputs, in inputs (`malformed`: in messages)."""

    accepted: int = 0
    duplicate: int = 0
    """Repeated for safety; the usual fate of most."""
    late: int = 0
    """Came after their tick and not before."""
    early: int = 0
    """Too far ahead to be kept."""
    malformed: int = 0
    repeated: int = 0
    """Ticks played with the input of an earlier one."""
    neutral: int = 0
    """Ticks played with the neutral input."""


class InputBuffer:
    """Holds the inputs of the coming ticks of one client, bounded whatever the client sends.

    A tick without input repeats the last one for at most `repeat_s` seconds of ticks, then plays `neutral`.
    """

    __slots__ = (
        "_inputs",
        "_last_input",
        "_last_input_tick",
        "_max_ahead",
        "_repeat_ticks",
        "_slacks",
        "_taken",
        "_taken_at",
        "input_bytes",
        "neutral",
        "newest",
        "starved",
        "stats",
        "tick_hz",
    )

    def __init__(
        self,
        neutral: bytes,
        tick_hz: float,
        *,
        first_tick: int = 0,
        repeat_s: float = 0.1,
        max_ahead: int = 128,
    ) -> None:
        """`first_tick` is the first that `take` will ask for. Inputs have as many bytes as `neutral`."""
        if not neutral:
            raise ValueError("the neutral input must not be empty")
        if tick_hz <= 0 or max_ahead < 1:
            raise ValueError(f"tick_hz and max_ahead must be positive, got {tick_hz} and {max_ahead}")
        self.neutral = neutral
        self.input_bytes = len(neutral)
        self.tick_hz = tick_hz
        self.stats = InputStats()
        self.newest: int | None = None
        """Newest tick of which the input came: tell the client, which stops repeating up to it."""
        self.starved = False
        """True where the last `take` had no input of its own."""
        self._max_ahead = max_ahead
        self._repeat_ticks = math.ceil(repeat_s * tick_hz)
        self._inputs: dict[int, bytes] = {}
        self._taken = first_tick - 1
        self._taken_at: float | None = None
        self._last_input = neutral
        self._last_input_tick = -math.inf
        self._slacks: deque[tuple[float, float]] = deque(maxlen=_MAX_SLACK_SAMPLES)

    def receive(self, data: bytes, now: float) -> InputMessage:
        """Take one message of the client. Raises `MalformedInput` (counted) for bytes that are none."""
        try:
            message = decode(data, self.input_bytes)
        except MalformedInput:
            self.stats.malformed += 1
            raise
        for tick, one in enumerate(message.inputs, start=message.oldest):
            self._store(tick, one, now)
        return message

    def take(self, tick: int, now: float) -> bytes:
        """The input with which `tick` is to be played. Ticks rise: `ValueError` for one taken before."""
        if tick <= self._taken:
            raise ValueError(f"tick {tick} was taken, the next is {self._taken + 1}")
        if tick != self._taken + 1:
            self._inputs = {later: data for later, data in self._inputs.items() if later >= tick}
        self._taken, self._taken_at = tick, now
        data = self._inputs.pop(tick, None)
        self.starved = data is None
        if data is not None:
            self._last_input, self._last_input_tick = data, tick
            return data
        if tick - self._last_input_tick <= self._repeat_ticks:
            self.stats.repeated += 1
            return self._last_input
        self.stats.neutral += 1
        return self.neutral

    def slack(self, now: float) -> float | None:
        """How many ticks early inputs came during the last second (5th percentile; negative: too late).

        None where none came. The client's pace follows this number: put it into every snapshot.
        """
        while self._slacks and self._slacks[0][0] < now - SLACK_WINDOW_S:
            self._slacks.popleft()
        if not self._slacks:
            return None
        return nearest_rank((slack for _, slack in self._slacks), SLACK_PERCENT)

    def __len__(self) -> int:
        """Inputs that wait for their tick."""
        return len(self._inputs)

    def _store(self, tick: int, data: bytes, now: float) -> None:
        if tick > self._taken + self._max_ahead:
            self.stats.early += 1
            return
        is_new = self.newest is None or tick > self.newest
        if is_new:
            self.newest = tick
            self._note_slack(tick, now)
        if tick <= self._taken:
            # What was taken is forgotten, so a repetition is known by its place only: below the newest.
            if is_new:
                self.stats.late += 1
            else:
                self.stats.duplicate += 1
        elif tick in self._inputs:
            self.stats.duplicate += 1
        else:
            self._inputs[tick] = data
            self.stats.accepted += 1

    def _note_slack(self, tick: int, now: float) -> None:
        """How early this first arrival is for its tick, going by the beat of the ticks taken so far."""
        if self._taken_at is not None:
            elapsed_ticks = (now - self._taken_at) * self.tick_hz
            self._slacks.append((now, tick - self._taken - elapsed_ticks))
