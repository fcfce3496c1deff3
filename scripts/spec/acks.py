"""When an ACK goes and what it says: ack.json. ncp.md section 10."""

from __future__ import annotations

from typing import Any

from scripts.spec.wire import same, varint

Vectors = dict[str, Any]
TOLD = 32
KEPT = 64


def ranges(numbers: set[int]) -> list[tuple[int, int]]:
    """(low, high) of each run, the highest first."""
    found: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found[::-1]


def ack_frame(received: dict[int, float], now: float) -> bytes:
    """NCP-10-1, NCP-10-2, NCP-10-9."""
    runs = ranges(set(received))[:KEPT][:TOLD]
    low, largest = runs[0]
    delay = min(255, int((now - received[largest]) * 1e6 + 0.5) // 128)
    body = (largest & 0xFFFF).to_bytes(2, "big") + bytes((delay,)) + varint(largest - low)
    if len(runs) == 1:
        return b"\x02" + body
    gaps = b""
    for next_low, high in runs[1:]:
        gaps += varint(low - high - 2) + varint(high - next_low)
        low = next_low
    return b"\x03" + body + bytes((len(runs) - 1,)) + gaps


class AckTimer:
    """NCP-10-5, NCP-10-6: what a packet makes of the next ACK."""

    def __init__(self) -> None:
        self.received: set[int] = set()
        self.eliciting = self.gap = self.urgent = False
        self.reliable = 0

    def packet(self, number: int, what: str) -> str:
        """`at once`, `within 25 ms`, `with the next packet`, `no`."""
        largest = max(self.received, default=-1)
        self.gap |= number != largest + 1  # above: a gap appears; below: one is filled
        self.received.add(number)
        if what == "quiet":
            return "with the next packet" if self.gap or self.eliciting else "no"
        self.eliciting = True
        self.reliable += what == "reliable"
        if self.gap or what == "urgent" or self.reliable >= 2:
            return "at once"
        return "within 25 ms"

    def told(self) -> None:
        """An ACK went out."""
        self.eliciting = self.gap = False
        self.reliable = 0


def check_acks(vectors: Vectors) -> int:
    """ack.json."""
    for case in vectors["receive"]:
        received = {number: at for number, at in case["received"]}
        same(case["about"], case["frame"], ack_frame(received, case["now"]).hex())
    for case in vectors["when"]:
        timer, when = AckTimer(), ""
        for position, (number, what) in enumerate(case["packets"]):
            if position and case["told_between"]:
                timer.told()
            when = timer.packet(number, what)
        same(case["about"], case["ack"], when)
    return len(vectors["receive"]) + len(vectors["when"])
