"""Fate traces: what became of each datagram of a link, recorded, written down, read and played back.

The n-th datagram offered to a `TraceLink` meets the n-th fate, whoever sends it and whatever is in it, so two
implementations can be compared over the very same losses. Text format: the line `netplay-fates 1`, lines of
comment from `#`, then words separated by white space. A word is a fate, `-` (lost) or the delays in
microseconds of the copies that arrive, joined by `+`; `*n` after it repeats it n times:
`25000*120 -*2 25000+26013` are 123 datagrams.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

_HEADER = "netplay-fates 1"
_MAX_DATAGRAMS = 10_000_000
_MAX_DELAY_US = 3_600_000_000
_MAX_COPIES = 16
_LINE_WORDS = 12

Fate = tuple[int, ...]
"""Delays in microseconds of the copies that arrive; empty where the datagram is lost."""


class Transmitter(Protocol):
    """What a link has to be: see `simnet.link.LinkModel.transmit`."""

    def transmit(self, data: bytes, now: float) -> list[tuple[float, bytes]]:
        """The arrivals (when, bytes) of `data` offered at `now`."""


@dataclass(frozen=True, slots=True)
class FateTrace:
    """The fates of consecutive datagrams."""

    fates: tuple[Fate, ...]

    @classmethod
    def of(cls, link: Transmitter, datagrams: int, *, interval_s: float, length: int) -> FateTrace:
        """What `link` does to `datagrams` of `length` bytes each, one every `interval_s`."""
        recorder = RecordingLink(link)
        data = bytes(length)
        for number in range(datagrams):
            recorder.transmit(data, number * interval_s)
        return recorder.trace()

    @property
    def loss_rate(self) -> float:
        """The share of datagrams that never arrive."""
        return sum(not fate for fate in self.fates) / len(self.fates) if self.fates else 0.0

    def to_text(self, comment: str = "") -> str:
        """The trace in its text format; `comment` becomes lines of comment."""
        words = [_word(fate, len(list(run))) for fate, run in itertools.groupby(self.fates)]
        lines = [_HEADER, *(f"# {line}" for line in comment.splitlines())]
        lines += (" ".join(words[at : at + _LINE_WORDS]) for at in range(0, len(words), _LINE_WORDS))
        return "\n".join(lines) + "\n"

    @classmethod
    def from_text(cls, text: str) -> FateTrace:
        """The trace written in `text`. Raises `ValueError` with the line and the word that is wrong."""
        lines = text.splitlines()
        if not lines or lines[0].strip() != _HEADER:
            raise ValueError(f"a fate trace starts with the line {_HEADER!r}")
        fates: list[Fate] = []
        for number, line in enumerate(lines[1:], start=2):
            for word in line.partition("#")[0].split():
                fate, times = _parse(word, number)
                if len(fates) + times > _MAX_DATAGRAMS:
                    raise ValueError(f"line {number}: more than {_MAX_DATAGRAMS} datagrams")
                fates += [fate] * times
        return cls(tuple(fates))


class RecordingLink:
    """A link that notes the fate of every datagram it passes to another one."""

    __slots__ = ("_fates", "_link")

    def __init__(self, link: Transmitter) -> None:
        self._link = link
        self._fates: list[Fate] = []

    def transmit(self, data: bytes, now: float) -> list[tuple[float, bytes]]:
        """As `link` does it."""
        arrivals = self._link.transmit(data, now)
        self._fates.append(tuple(round((when - now) * 1e6) for when, _ in arrivals))
        return arrivals

    def trace(self) -> FateTrace:
        """The fates so far."""
        return FateTrace(tuple(self._fates))


class TraceLink:
    """A link that plays a trace, and starts over at its end. Raises `ValueError` for an empty trace."""

    __slots__ = ("_fates", "offered")

    def __init__(self, trace: FateTrace) -> None:
        if not trace.fates:
            raise ValueError("an empty trace has no fates to play")
        self._fates = trace.fates
        self.offered = 0

    def transmit(self, data: bytes, now: float) -> list[tuple[float, bytes]]:
        """The arrivals of the next fate."""
        fate = self._fates[self.offered % len(self._fates)]
        self.offered += 1
        return [(now + delay / 1e6, data) for delay in fate]


def _word(fate: Fate, times: int) -> str:
    word = "+".join(map(str, fate)) or "-"
    return word if times == 1 else f"{word}*{times}"


def _parse(word: str, line: int) -> tuple[Fate, int]:
    name, star, repeat = word.partition("*")
    times = _number(repeat, line, word) if star else 1
    delays: Iterable[str] = () if name == "-" else name.split("+")
    fate = tuple(_number(delay, line, word) for delay in delays)
    if times < 1 or len(fate) > _MAX_COPIES or any(delay > _MAX_DELAY_US for delay in fate):
        raise ValueError(f"line {line}: {word!r} is beyond what a fate may be")
    return fate, times


def _number(digits: str, line: int, word: str) -> int:
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 12):
        raise ValueError(f"line {line}: {word!r} is not a fate")
    return int(digits)
