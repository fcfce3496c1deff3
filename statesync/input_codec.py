"""The bytes of an input message: consecutive ticks of opaque, fixed-size inputs, each told by its difference.

docs/protocol/statesync.md, section 2. One encoding for each:
what `decode` accepts, `encode` gives back.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from statesync.errors import MalformedInput

MAX_INPUTS = 16
MAX_INPUT_BYTES = 64
RENDER_STEPS = 256
"""Parts of a tick in which the render tick is told."""

_HEAD = struct.Struct(">BI")
_SNAPSHOT = 0x10
_RENDER = 0x20
_RESERVED = 0xC0
_MAX_TICK = (1 << 32) - 1


@dataclass(frozen=True, slots=True)
class InputMessage:
    """What a client tells the server every tick."""

    newest: int
    """Tick of the last of `inputs`, u32."""
    inputs: tuple[bytes, ...]
    """1 to 16 inputs of consecutive ticks, oldest first."""
    last_snapshot: int | None = None
    """Newest tick of which the client has the state, at most 32,767 ticks from `newest`."""
    render_tick: float | None = None
    """The moment that the client shows of others, in ticks, a multiple of 1/256."""

    @property
    def oldest(self) -> int:
        """Tick of the first of `inputs`."""
        return self.newest - len(self.inputs) + 1


def encode(message: InputMessage, input_bytes: int) -> bytes:
    """The bytes of `message`. Raises `ValueError` for one that the format cannot hold."""
    _check(message, input_bytes)
    flags = len(message.inputs) - 1
    words = b""
    if message.last_snapshot is not None:
        flags |= _SNAPSHOT
        words += _truncate(message.last_snapshot, 16, message.newest, "last_snapshot")
    if message.render_tick is not None:
        flags |= _RENDER
        steps = round(message.render_tick * RENDER_STEPS)
        words += _truncate(steps, 24, message.newest * RENDER_STEPS, "render_tick")
    changed, differences = 0, b""
    previous = message.inputs[0]
    for current in message.inputs[1:]:
        changed <<= 1
        if current != previous:
            changed |= 1
            differences += _difference(previous, current)
        previous = current
    head = _HEAD.pack(flags, message.newest)
    return head + words + message.inputs[0] + _left_aligned(changed, len(message.inputs) - 1) + differences


def decode(data: bytes, input_bytes: int) -> InputMessage:
    """The message in `data`. Raises `MalformedInput` for anything but one whole message, canonical."""
    if len(data) < _HEAD.size:
        raise MalformedInput("shorter than its head")
    flags, newest = _HEAD.unpack_from(data)
    if flags & _RESERVED:
        raise MalformedInput("reserved flags are set")
    count = (flags & 0x0F) + 1
    if count > newest + 1:
        raise MalformedInput("inputs of ticks before 0")
    at = _HEAD.size
    last_snapshot = render_tick = None
    if flags & _SNAPSHOT:
        last_snapshot, at = _expand(data, at, 16, newest, _MAX_TICK)
    if flags & _RENDER:
        steps, at = _expand(data, at, 24, newest * RENDER_STEPS, _MAX_TICK * RENDER_STEPS)
        render_tick = steps / RENDER_STEPS
    first = data[at : at + input_bytes]
    at += input_bytes
    changed, at = _right_aligned(data, at, count - 1)
    inputs = [first]
    for place in range(count - 2, -1, -1):
        if changed >> place & 1:
            current, at = _apply(data, at, inputs[-1])
            inputs.append(current)
        else:
            inputs.append(inputs[-1])
    if at != len(data):
        raise MalformedInput("shorter or longer than its inputs")
    return InputMessage(newest, tuple(inputs), last_snapshot, render_tick)


def reconstruct(low: int, bits: int, near: int) -> int:
    """The integer nearest to `near` whose lowest `bits` bits are `low`: in (near - half, near + half]."""
    size = 1 << bits
    half = size >> 1
    candidate = (near & ~(size - 1)) | low
    if candidate <= near - half:
        return candidate + size
    if candidate > near + half:
        return candidate - size
    return candidate


def _check(message: InputMessage, input_bytes: int) -> None:
    count = len(message.inputs)
    if not 1 <= input_bytes <= MAX_INPUT_BYTES:
        raise ValueError(f"an input has 1 to {MAX_INPUT_BYTES} bytes, not {input_bytes}")
    if not 1 <= count <= MAX_INPUTS:
        raise ValueError(f"a message holds 1 to {MAX_INPUTS} inputs, not {count}")
    if not count - 1 <= message.newest <= _MAX_TICK:
        raise ValueError(f"newest must be within {count - 1} and {_MAX_TICK}, got {message.newest}")
    for data in message.inputs:
        if len(data) != input_bytes:
            raise ValueError(f"every input must have {input_bytes} bytes, one has {len(data)}")


def _truncate(value: int, bits: int, near: int, name: str) -> bytes:
    low = value & ((1 << bits) - 1)
    if value < 0 or reconstruct(low, bits, near) != value:
        raise ValueError(f"{name} is too far from newest to be told in {bits} bits")
    return low.to_bytes(bits // 8, "big")


def _expand(data: bytes, at: int, bits: int, near: int, most: int) -> tuple[int, int]:
    end = at + bits // 8
    if end > len(data):
        raise MalformedInput("ends within its head")
    value = reconstruct(int.from_bytes(data[at:end], "big"), bits, near)
    if not 0 <= value <= most:
        raise MalformedInput("a tick out of range")
    return value, end


def _left_aligned(bits: int, count: int) -> bytes:
    length = (count + 7) // 8
    return (bits << (length * 8 - count)).to_bytes(length, "big")


def _right_aligned(data: bytes, at: int, count: int) -> tuple[int, int]:
    """The `count` bits that stand left-aligned at `at`, and where they end."""
    length = (count + 7) // 8
    padding = length * 8 - count
    end = at + length
    if end > len(data):
        raise MalformedInput("ends before its inputs")
    bits = int.from_bytes(data[at:end], "big")
    if bits & ((1 << padding) - 1):
        raise MalformedInput("padding bits are set")
    return bits >> padding, end


def _difference(previous: bytes, current: bytes) -> bytes:
    mask, values = 0, bytearray()
    for before, after in zip(previous, current, strict=True):
        mask <<= 1
        if before != after:
            mask |= 1
            values.append(after)
    return _left_aligned(mask, len(current)) + bytes(values)


def _apply(data: bytes, at: int, previous: bytes) -> tuple[bytes, int]:
    length = len(previous)
    mask, at = _right_aligned(data, at, length)
    if mask == 0:
        raise MalformedInput("an input said to differ does not")
    current = bytearray(previous)
    for place in range(length):
        if mask >> (length - 1 - place) & 1:
            if at >= len(data):
                raise MalformedInput("ends within an input")
            if data[at] == current[place]:
                raise MalformedInput("a byte said to differ does not")
            current[place] = data[at]
            at += 1
    return bytes(current), at
