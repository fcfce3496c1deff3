"""What closes a connection beyond single frames: `violations` of frames.json. ncp.md sections 9 and 10."""

from __future__ import annotations

from typing import Any

from scripts.spec.packets import read_frames
from scripts.spec.wire import (
    FRAME_ENCODING,
    LIMIT_EXCEEDED,
    PROTOCOL_VIOLATION,
    Disagreement,
    Refused,
    restored,
    same,
)

Vectors = dict[str, Any]
MAX_MESSAGE = 262_144
IDS = 1024
KEYS = 256
PARTS = {0: 16, 1: 16, 2: 1024, 3: 1024}
LONGEST_PART, SHORTEST_PART = 1136, 256


class Parts:
    """One message that comes in parts, NCP-9-13 to NCP-9-15."""

    def __init__(self, last: int) -> None:
        self.last = last
        self.length: int | None = None  # of every part but the last
        self.last_length: int | None = None
        self.there: dict[int, int] = {}

    def take(self, index: int, last: int, length: int) -> None:
        """A part of `length` bytes. Raises Refused."""
        if last != self.last:
            raise Refused(PROTOCOL_VIOLATION, "last")
        if index == last:
            self.last_length = length
        elif self.length not in (None, length) or length < SHORTEST_PART:
            raise Refused(PROTOCOL_VIOLATION, "length")
        else:
            self.length = length
        if self.last_length == 0 or (
            self.length is not None and self.last_length is not None and self.last_length > self.length
        ):
            raise Refused(PROTOCOL_VIOLATION, "length of the last")
        self.there.setdefault(index, length)
        if sum(self.there.values()) > MAX_MESSAGE:
            raise Refused(LIMIT_EXCEEDED, "message")


class Receiver:
    """One side of a connection, as far as it judges what comes."""

    def __init__(self, sent: int) -> None:
        self.sent = sent  # packets sent so far: numbers below are there to be acknowledged
        self.acknowledged = -1
        self.kinds: dict[int, int] = {}
        self.keys: dict[int, set[int]] = {}
        self.parts: dict[tuple[int, int, int], Parts] = {}

    def packet(self, data: bytes) -> None:
        """All frames of one packet. Raises Refused."""
        for frame in read_frames(data):
            if frame["frame"] == "ACK":
                self._ack(frame)
            elif frame["frame"] == "MSG":
                self._message(frame)

    def _ack(self, frame: Vectors) -> None:  # NCP-10-1, NCP-10-3
        largest = restored(frame["largest"], self.acknowledged + 1)
        low = largest - frame["first"]
        for gap, length in frame["gaps"]:
            low = low - gap - 2 - length
        if low < 0:
            raise Refused(FRAME_ENCODING, "range")
        if largest >= self.sent:
            raise Refused(PROTOCOL_VIOLATION, "never sent")
        self.acknowledged = max(self.acknowledged, largest)

    def _message(self, frame: Vectors) -> None:
        kind, lane, key = frame["kind"], frame["lane"], frame["key"]
        if self.kinds.setdefault(lane, kind) != kind:  # NCP-9-1
            raise Refused(PROTOCOL_VIOLATION, "kind")
        if kind == 1:  # NCP-9-4
            keys = self.keys.setdefault(lane, set())
            keys.add(key)
            if len(keys) > KEYS:
                raise Refused(LIMIT_EXCEEDED, "keys")
        if kind >= 2 and IDS <= frame["id"] < 31_744:  # NCP-9-9; here nothing was delivered: next is 0
            raise Refused(LIMIT_EXCEEDED, "id")
        if "last" in frame:
            if frame["last"] + 1 > PARTS[kind]:  # NCP-9-14
                raise Refused(LIMIT_EXCEEDED, "parts")
            parts = self.parts.setdefault((lane, key, frame["id"]), Parts(frame["last"]))
            parts.take(frame["index"], frame["last"], len(frame["data"]) // 2)


def check_violations(vectors: Vectors) -> int:
    """frames.json, `violations`."""
    for case in vectors["violations"]:
        receiver = Receiver(sent=1)
        *before, last = (bytes.fromhex(packet) for packet in case["packets"])
        for packet in before:
            receiver.packet(packet)
        try:
            receiver.packet(last)
        except Refused as refused:
            same(case["why"], case["close"], refused.code)
        else:
            raise Disagreement(f"{case['why']}: the documents take the last packet")
    return len(vectors["violations"])
