"""The client's side of inputs: every message repeats what the server has not confirmed."""

from __future__ import annotations

from collections import deque

from statesync.input_codec import MAX_INPUT_BYTES, MAX_INPUTS, InputMessage, encode


class InputSender:
    """Keeps the latest inputs and writes the message of each tick. Send it on an unreliable lane.

    `redundancy` is how many earlier inputs a message repeats at most; None repeats all unconfirmed ones.
    """

    __slots__ = ("_inputs", "_keep", "acknowledged", "input_bytes", "newest")

    def __init__(
        self, input_bytes: int, *, max_inputs: int = MAX_INPUTS, redundancy: int | None = None
    ) -> None:
        if not 1 <= input_bytes <= MAX_INPUT_BYTES:
            raise ValueError(f"an input has 1 to {MAX_INPUT_BYTES} bytes, not {input_bytes}")
        if not 1 <= max_inputs <= MAX_INPUTS:
            raise ValueError(f"max_inputs must be within 1 and {MAX_INPUTS}, got {max_inputs}")
        if redundancy is not None and redundancy < 0:
            raise ValueError(f"redundancy must not be negative, got {redundancy}")
        self.input_bytes = input_bytes
        self.newest: int | None = None
        self.acknowledged = -1
        """Newest tick that the server said to have."""
        self._keep = max_inputs if redundancy is None else min(max_inputs, redundancy + 1)
        self._inputs: deque[bytes] = deque(maxlen=self._keep)

    def push(self, tick: int, data: bytes) -> None:
        """Note the input of `tick`. A tick that does not follow the last one starts anew."""
        if len(data) != self.input_bytes:
            raise ValueError(f"an input must have {self.input_bytes} bytes, got {len(data)}")
        if tick < 0:
            raise ValueError(f"ticks count from 0, got {tick}")
        if self.newest is not None and tick != self.newest + 1:
            self._inputs.clear()
            self.acknowledged = min(self.acknowledged, tick - 1)
        self.newest = tick
        self._inputs.append(data)

    def confirm(self, tick: int) -> None:
        """The server has the inputs up to `tick`: they need not be repeated. Nonsense is ignored."""
        if self.newest is not None and self.acknowledged < tick <= self.newest:
            self.acknowledged = tick

    def message(self, *, last_snapshot: int | None = None, render_tick: float | None = None) -> bytes:
        """The message of this tick: the newest input and all earlier ones worth repeating.

        Raises `ValueError` before the first `push`, and for a `last_snapshot` or `render_tick` far from it.
        """
        if self.newest is None:
            raise ValueError("no input was pushed yet")
        count = max(1, min(len(self._inputs), self.newest - self.acknowledged))
        inputs = tuple(self._inputs)[-count:]
        return encode(InputMessage(self.newest, inputs, last_snapshot, render_tick), self.input_bytes)
