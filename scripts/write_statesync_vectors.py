"""Writes docs/protocol/vectors/statesync.json: examples for docs/protocol/statesync.md, good and bad."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from simnet.chance import Chance
from simnet.link import LinkModel
from statesync.clock import ClockSync
from statesync.errors import MalformedInput
from statesync.input_codec import InputMessage, decode, encode
from statesync.interpolate import InterpolationBuffer

TARGET = Path(__file__).parent.parent / "docs/protocol/vectors/statesync.json"

GOOD: list[tuple[str, int, InputMessage]] = [
    ("one input at tick 0", 1, InputMessage(0, (b"\x05",))),
    ("the example of the text", 2, InputMessage(11, (b"\x01\x00", b"\x01\x00", b"\x01\xff"))),
    ("all the same", 4, InputMessage(100, (b"\x01\x02\x03\x04",) * 9)),
    ("snapshot and render tick", 2, InputMessage(1000, (b"ab", b"ac"), 990, 984.5)),
    ("snapshot ahead of the newest input", 1, InputMessage(40, (b"x",), 70)),
    ("snapshot before a 16-bit turn", 1, InputMessage(0x10002, (b"x",), 0xFFFE)),
    ("render tick before a 16-bit turn of ticks", 1, InputMessage(0x10001, (b"x",), None, 0xFFFE + 3 / 256)),
    ("sixteen that all differ", 3, InputMessage(15, tuple(bytes([n, 7, 255 - n]) for n in range(16)))),
    ("a mask of more than one byte", 10, InputMessage(7, (bytes(10), bytes(8) + b"\x01\x02"))),
    ("the last tick there is", 1, InputMessage(0xFFFFFFFF, (b"\x00", b"\x01"), 0xFFFFFFFF, 4294967295.0)),
    ("the longest input", 64, InputMessage(3, (bytes(range(64)), bytes(range(1, 65))))),
]

BAD: list[tuple[str, int, str, str]] = [
    ("empty", 2, "", "SYNC-2-6"),
    ("ends within the head", 2, "000000", "SYNC-2-6"),
    ("a reserved flag", 2, "40000000000000", "SYNC-2-2"),
    ("the other reserved flag", 2, "80000000000000", "SYNC-2-2"),
    ("inputs of ticks before 0", 1, "01000000000000", "SYNC-2-1"),
    ("snapshot before tick 0", 1, "1000000005fffe00", "SYNC-2-3"),
    ("snapshot after the last tick", 1, "10ffffffff000500", "SYNC-2-3"),
    ("render tick before 0", 1, "2000000000ffffff00", "SYNC-2-3"),
    ("render tick after the last", 1, "20ffffffff00000100", "SYNC-2-3"),
    ("ends within the snapshot", 1, "100000000500", "SYNC-2-6"),
    ("ends within the first input", 4, "0000000005010203", "SYNC-2-6"),
    ("ends before the changed bits", 1, "010000000501", "SYNC-2-6"),
    ("padding of the changed bits", 1, "01000000050140", "SYNC-2-4"),
    ("padding of a mask", 1, "010000000501804002", "SYNC-2-4"),
    ("an empty mask", 1, "01000000050180" + "00", "SYNC-2-5"),
    ("a byte that does not differ", 1, "010000000501808001", "SYNC-2-5"),
    ("ends before the mask", 1, "01000000050180", "SYNC-2-6"),
    ("ends within a difference", 2, "01000000050102" + "80c003", "SYNC-2-6"),
    ("one byte too many", 1, "000000000501" + "00", "SYNC-2-6"),
]


def input_vectors() -> dict[str, Any]:
    """The input codec's examples; every one is checked while it is written."""
    good = []
    for name, size, message in GOOD:
        data = encode(message, size)
        assert decode(data, size) == message
        good.append(
            {
                "name": name,
                "input_bytes": size,
                "newest": message.newest,
                "inputs": [one.hex() for one in message.inputs],
                "last_snapshot": message.last_snapshot,
                "render_tick": message.render_tick,
                "bytes": data.hex(),
            }
        )
    bad = []
    for name, size, digits, rule in BAD:
        try:
            decode(bytes.fromhex(digits), size)
        except MalformedInput:
            bad.append({"name": name, "input_bytes": size, "bytes": digits, "rule": rule})
        else:
            raise AssertionError(f"{name} was accepted")
    return {"good": good, "bad": bad}


class _ClockScript:
    """One client, one remote clock, one path; notes every call and its result."""

    def __init__(self, name: str, seed: int, offset_s: float, drift: float, **path: float) -> None:
        self.name = name
        self.offset_s = offset_s
        self.drift = drift
        self.underway: list[tuple[float, int, int]] = []
        self.up = LinkModel(2 * seed, delay_s=path["up"], jitter_s=path["jitter"], loss=path["loss"])
        self.down = LinkModel(2 * seed + 1, delay_s=path["down"], jitter_s=path["jitter"], loss=path["loss"])
        self.start = 100.0
        self.clock = ClockSync(self.start)
        self.steps: list[dict[str, Any]] = []

    def remote_us(self, now: float) -> int:
        """The remote clock's microseconds at local `now`."""
        return int((now + self.offset_s + self.drift * (now - self.start)) * 1e6)

    def run(self, seconds: float, read_s: float = 0.5) -> None:
        """Ask as often as the clock wants to, read now and then; everything in the order of time."""
        now = begin = self.steps[-1]["now"] if self.steps else self.start
        read = begin
        while now < begin + seconds:
            ask = round(max(self.clock.next_timer(), begin), 6)
            answer = self.underway[0][0] if self.underway else float("inf")
            now = min(ask, read, answer)
            if answer == now:
                back, t0, t1 = self.underway.pop(0)
                self.answer(t0, t1, t1 + 50, back)
            elif ask == now:
                self.ask(now)
            else:
                self.read(now)
                read = round(read + read_s, 6)

    def ask(self, now: float) -> None:
        """One request and, if nothing is lost, the answer that comes of it."""
        t0 = self.clock.request(now)
        assert t0 is not None
        self.steps.append({"op": "request", "now": now, "t0": t0})
        for there, _ in self.up.transmit(b"request", now):
            t1 = self.remote_us(there)
            for back, _ in self.down.transmit(b"answer", there + 50e-6):
                self.underway.append((round(back, 6), t0, t1))
                self.underway.sort()

    def answer(self, t0: int, t1: int, t2: int, now: float) -> None:
        """One answer, true or made up."""
        accepted = self.clock.answer(t0, t1, t2, now)
        self.steps.append({"op": "answer", "t0": t0, "t1": t1, "t2": t2, "now": now, "accepted": accepted})

    def read(self, now: float) -> None:
        """The output and the bound, where there are any."""
        if self.clock.synchronized:
            self.steps.append(
                {
                    "op": "read",
                    "now": now,
                    "remote_time": self.clock.remote_time(now),
                    "error_s": self.clock.error_s(now),
                }
            )

    def result(self) -> dict[str, Any]:
        """The whole sequence."""
        return {
            "name": self.name,
            "start": self.start,
            "steps": self.steps,
        }


def clock_vectors() -> list[dict[str, Any]]:
    """Sequences of calls to a clock and what they give."""
    lan = _ClockScript("a steady path", 1, 5000.0, 0.0, up=0.010, down=0.010, jitter=0.004, loss=0.0)
    lan.run(12)
    lossy = _ClockScript(
        "loss, jitter and drift", 2, -50.0, 40e-6, up=0.040, down=0.030, jitter=0.030, loss=0.2
    )
    lossy.run(90, read_s=2.0)
    jump = _ClockScript(
        "the remote clock leaps ahead", 3, 10.0, 0.0, up=0.020, down=0.020, jitter=0.0, loss=0.0
    )
    jump.run(6)
    jump.offset_s += 3.0
    jump.run(40, read_s=1.0)
    back = _ClockScript(
        "the remote clock falls back", 4, 50.0, 0.0, up=0.020, down=0.020, jitter=0.0, loss=0.0
    )
    back.run(6)
    back.offset_s -= 20.0
    back.run(40, read_s=1.0)
    forged = _ClockScript("answers that are none", 5, 1.0, 0.0, up=0.020, down=0.020, jitter=0.0, loss=1.0)
    forged.run(0.35)
    t0 = forged.steps[0]["t0"]
    forged.answer(t0 + 1, 1, 2, 100.4)
    forged.answer(t0, 300, 200, 100.41)
    forged.answer(t0, 200, 300, 100.42)
    forged.answer(forged.steps[1]["t0"], 0, 900_000, 100.43)
    forged.answer(forged.steps[2]["t0"], 0, 1 << 53, 100.44)
    forged.answer(forged.steps[3]["t0"], 101_390_000, 101_390_100, 100.45)
    forged.read(100.5)
    return [script.result() for script in (lan, lossy, jump, back, forged)]


def _play_states(
    name: str,
    seed: int,
    *,
    jitter: float,
    loss: float,
    gap: tuple[float, float] = (0.0, 0.0),
    teleport: int = -1,
) -> dict[str, Any]:
    """States at 20 Hz over a path, read at about 60 Hz."""
    interval = 0.05
    link, chance = LinkModel(seed, delay_s=0.03, jitter_s=jitter, loss=loss), Chance(seed, "frames")
    arrivals = []
    for number in range(70):
        sent = 50.0 + number * interval
        if not gap[0] <= sent - 50.0 < gap[1]:
            arrivals += [(round(when, 6), number) for when, _ in link.transmit(b"", sent)]
    buffer = InterpolationBuffer[float](lambda a, b, t: a + (b - a) * t, interval)
    steps: list[dict[str, Any]] = []
    now, waiting = 50.0, sorted(arrivals)
    while now < 53.5:
        now = round(now + 1 / 60 + 0.002 * chance.uniform(), 6)
        while waiting and waiting[0][0] <= now:
            when, number = waiting.pop(0)
            value = float(number * number % 37) + (1000.0 if 0 <= teleport <= number else 0.0)
            stamp = round(7.0 + number * interval, 6)
            used = buffer.push(stamp, value, when, teleport=number == teleport)
            push = {"op": "push", "now": when, "stamp": stamp, "value": value, "used": used}
            steps.append(push | ({"teleport": True} if number == teleport else {}))
        shown = buffer.sample(now)
        step: dict[str, Any] = {"op": "sample", "now": now, "value": shown}
        if shown is not None:
            step |= {"position_s": buffer.position_s, "delay_s": buffer.delay_s}
        steps.append(step)
    return {
        "name": name,
        "interval_s": interval,
        "steps": steps,
        "underflow_rate": buffer.underflow_rate,
        "added_delay_s": buffer.added_delay_s,
        "late": buffer.late,
        "jumps": buffer.jumps,
    }


def interpolation_vectors() -> list[dict[str, Any]]:
    """Sequences of states and readings, with numbers as states."""
    return [
        _play_states("a steady path", 1, jitter=0.0, loss=0.0),
        _play_states("jitter and loss", 2, jitter=0.08, loss=0.1),
        _play_states("half a second of nothing", 3, jitter=0.01, loss=0.0, gap=(1.5, 2.0)),
        _play_states("a teleport", 4, jitter=0.01, loss=0.0, teleport=30),
    ]


def _line(value: object) -> str:
    return json.dumps(value, separators=(", ", ": "))


def _sequence(sequence: dict[str, Any]) -> str:
    head = ", ".join(f"{_line(key)}: {_line(value)}" for key, value in sequence.items() if key != "steps")
    steps = ",\n    ".join(_line(step) for step in sequence["steps"])
    return f'  {{{head}, "steps": [\n    {steps}\n  ]}}'


def document() -> str:
    """The whole file, one example or step a line."""
    inputs = input_vectors()
    parts = ['{\n "format": "netplay-statesync-vectors/1",\n "tolerance": 1e-9,\n "inputs": {']
    for kind, comma in (("good", ","), ("bad", "")):
        lines = ",\n   ".join(_line(vector) for vector in inputs[kind])
        parts.append(f'  "{kind}": [\n   {lines}\n  ]{comma}')
    parts.append(" },")
    for kind, sequences, comma in (
        ("clock", clock_vectors(), ","),
        ("interpolation", interpolation_vectors(), ""),
    ):
        parts.append(f' "{kind}": [\n' + ",\n".join(map(_sequence, sequences)) + f"\n ]{comma}")
    return "\n".join(parts) + "\n}\n"


if __name__ == "__main__":
    TARGET.write_text(document())
