"""Input messages: `inputs` of statesync.json. statesync.md section 2."""

from __future__ import annotations

from typing import Any

from scripts.spec.wire import Disagreement, Unfit, same

Vectors = dict[str, Any]
LAST_TICK = (1 << 32) - 1


class Broken(Unfit):
    """A message that the requirement named by the first argument refuses."""


class Bytes:
    """Reads from the front; what is cut breaks SYNC-2-6."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def take(self, count: int) -> bytes:
        """The next bytes."""
        if count > len(self.data):
            raise Broken("SYNC-2-6")
        taken, self.data = self.data[:count], self.data[count:]
        return taken

    def bits(self, count: int) -> list[int]:
        """Bits, first bit first, then zero bits up to the end of the byte."""
        raw = self.take((count + 7) // 8)
        bits = [byte >> 7 - at & 1 for byte in raw for at in range(8)]
        if any(bits[count:]):
            raise Broken("SYNC-2-4")
        return bits[:count]


def nearest(low: int, size: int, around: int) -> int:
    """SYNC-2-3: the integer with these low bits above around - 2^(size-1) and up to around + 2^(size-1)."""
    value = (around >> size << size) | low
    for candidate in (value - (1 << size), value, value + (1 << size)):
        if around - (1 << size - 1) < candidate <= around + (1 << size - 1):
            return candidate
    raise AssertionError("no such integer")


def message(data: bytes, input_bytes: int) -> Vectors:
    """Section 2.1. Raises Broken."""
    reader = Bytes(data)
    head = reader.take(1)[0]
    if head & 0xC0:
        raise Broken("SYNC-2-2")
    count, newest = (head & 0x0F) + 1, int.from_bytes(reader.take(4), "big")
    if count - 1 > newest:
        raise Broken("SYNC-2-1")
    snapshot = render = None
    if head & 0x10:
        snapshot = nearest(int.from_bytes(reader.take(2), "big"), 16, newest)
        if not 0 <= snapshot <= LAST_TICK:
            raise Broken("SYNC-2-3")
    if head & 0x20:
        render = nearest(int.from_bytes(reader.take(3), "big"), 24, 256 * newest)
        if not 0 <= render <= 256 * LAST_TICK:
            raise Broken("SYNC-2-3")
    inputs = [reader.take(input_bytes)]
    for changed in reader.bits(count - 1):
        inputs.append(_differing(reader, inputs[-1]) if changed else inputs[-1])
    if reader.data:
        raise Broken("SYNC-2-6")
    return {
        "newest": newest,
        "inputs": [one.hex() for one in inputs],
        "last_snapshot": snapshot,
        "render_tick": None if render is None else render / 256,
    }


def _differing(reader: Bytes, before: bytes) -> bytes:
    mask = reader.bits(len(before))
    if not any(mask):
        raise Broken("SYNC-2-5")
    after = bytearray(before)
    for at, named in enumerate(mask):
        if named:
            after[at] = reader.take(1)[0]
            if after[at] == before[at]:
                raise Broken("SYNC-2-5")
    return bytes(after)


def check_inputs(vectors: Vectors) -> int:
    """The `inputs` of statesync.json."""
    for case in vectors["good"]:
        found = message(bytes.fromhex(case["bytes"]), case["input_bytes"])
        same(case["name"], {name: case[name] for name in found}, found)
    for case in vectors["bad"]:
        try:
            message(bytes.fromhex(case["bytes"]), case["input_bytes"])
        except Broken as broken:
            same(case["name"], case["rule"], broken.args[0])
        else:
            raise Disagreement(f"{case['name']}: the documents take these bytes")
    return len(vectors["good"]) + len(vectors["bad"])
