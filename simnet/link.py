"""One direction of a path: delay, jitter, loss, duplicates, reordering, damage, a bottleneck and an MTU."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from simnet.chance import Chance
from simnet.loss import GilbertElliott, checked_probability, loss_process


@dataclass(frozen=True, slots=True)
class LinkProfile:
    """The parameters of one direction of a path. Raises `ValueError` for values that no link has."""

    delay_s: float = 0.0
    """One-way delay in seconds."""
    jitter_s: float = 0.0
    """Each datagram takes up to this much longer (uniform), so datagrams overtake each other."""
    loss: float | GilbertElliott = 0.0
    """Share of datagrams lost (independent), or a burst model."""
    duplicate: float = 0.0
    """Share of datagrams that arrive twice, each copy with its own jitter."""
    reorder: float = 0.0
    """Share of datagrams held back by `reorder_s`, so that later ones overtake them."""
    reorder_s: float = 0.025
    corrupt: float = 0.0
    """Share of arriving copies in which one bit is flipped."""
    rate_bytes_per_s: float | None = None
    """The bottleneck's rate; None is infinitely fast."""
    queue_bytes: int | None = None
    """What the bottleneck holds, the datagram being sent included; more is dropped. None is endless."""
    mtu: int | None = None
    """Longer datagrams vanish."""

    def __post_init__(self) -> None:
        for name in ("delay_s", "jitter_s", "reorder_s"):
            value = getattr(self, name)
            if not 0.0 <= value < float("inf"):
                raise ValueError(f"{name} must be a finite number of seconds from 0, got {value}")
        for name in ("duplicate", "reorder", "corrupt"):
            checked_probability(name, getattr(self, name))
        if not isinstance(self.loss, GilbertElliott):
            checked_probability("loss", self.loss)
        if self.rate_bytes_per_s is not None and not 0.0 < self.rate_bytes_per_s < float("inf"):
            raise ValueError(f"rate_bytes_per_s must be positive, got {self.rate_bytes_per_s}")
        if self.queue_bytes is not None and self.queue_bytes < 0:
            raise ValueError(f"queue_bytes must not be negative, got {self.queue_bytes}")
        if self.mtu is not None and self.mtu < 1:
            raise ValueError(f"mtu must be positive, got {self.mtu}")

    def link(self, seed: int) -> LinkModel:
        """A link with these parameters."""
        return LinkModel.of(self, seed)


@dataclass(slots=True)
class LinkStats:
    """What a link did, in datagrams."""

    offered: int = 0
    arrived: int = 0
    """Copies, so duplicates count twice."""
    lost: int = 0
    cut: int = 0
    """Offered while the link was down."""
    oversize: int = 0
    queue_dropped: int = 0
    duplicated: int = 0
    reordered: int = 0
    corrupted: int = 0


class LinkModel:
    """One direction of a path. A pure function of the seed and the calls: no clock, no shared randomness.

    Whether the n-th datagram offered is lost depends on the seed and n alone: neither jitter, nor the
    bottleneck, nor the other faults shift it. A lost datagram still takes its time at the bottleneck.
    """

    __slots__ = (
        "_busy_until",
        "_corrupt",
        "_duplicate",
        "_jitter",
        "_lost",
        "_queue",
        "_queued_bytes",
        "_reorder",
        "down",
        "profile",
        "stats",
    )

    def __init__(
        self,
        seed: int = 0,
        *,
        delay_s: float = 0.0,
        jitter_s: float = 0.0,
        loss: float | GilbertElliott = 0.0,
        duplicate: float = 0.0,
        reorder: float = 0.0,
        reorder_s: float = 0.025,
        corrupt: float = 0.0,
        rate_bytes_per_s: float | None = None,
        queue_bytes: int | None = None,
        mtu: int | None = None,
    ) -> None:
        profile = LinkProfile(
            delay_s=delay_s,
            jitter_s=jitter_s,
            loss=loss,
            duplicate=duplicate,
            reorder=reorder,
            reorder_s=reorder_s,
            corrupt=corrupt,
            rate_bytes_per_s=rate_bytes_per_s,
            queue_bytes=queue_bytes,
            mtu=mtu,
        )
        self._start(profile, seed)

    @classmethod
    def of(cls, profile: LinkProfile, seed: int) -> LinkModel:
        """A link with the parameters of `profile`."""
        link = cls.__new__(cls)
        link._start(profile, seed)
        return link

    def _start(self, profile: LinkProfile, seed: int) -> None:
        self.profile = profile
        self.stats = LinkStats()
        self.down = False
        """Set to lose everything: a cable pulled."""
        self._lost = loss_process(profile.loss, Chance(seed, "loss"))
        self._jitter = Chance(seed, "jitter")
        self._duplicate = Chance(seed, "duplicate")
        self._reorder = Chance(seed, "reorder")
        self._corrupt = Chance(seed, "corrupt")
        self._busy_until = 0.0
        self._queue: deque[tuple[float, int]] = deque()
        self._queued_bytes = 0

    def change(self, profile: LinkProfile, seed: int) -> None:
        """From now on behave as `profile` says; the counters and what waits at the bottleneck stay."""
        stats, down = self.stats, self.down
        waiting = self._queue, self._queued_bytes, self._busy_until
        self._start(profile, seed)
        self.stats, self.down = stats, down
        self._queue, self._queued_bytes, self._busy_until = waiting

    def heal(self) -> None:
        """From now on be perfect: up, endlessly fast, and of the same delay."""
        self.down = False
        self.change(LinkProfile(delay_s=self.profile.delay_s), 0)

    def queued_bytes(self, now: float) -> int:
        """What the bottleneck holds at `now`, the datagram being sent included."""
        queue = self._queue
        while queue and queue[0][0] <= now:
            self._queued_bytes -= queue.popleft()[1]
        return self._queued_bytes

    def transmit(self, data: bytes, now: float) -> list[tuple[float, bytes]]:
        """The arrivals that `data`, offered at `now`, leads to: (when, bytes), none where it is lost.

        `now` must not go back between calls. Arrival times are never before `now`.
        """
        profile, stats = self.profile, self.stats
        stats.offered += 1
        lost = self._lost()
        if self.down:
            stats.cut += 1
            return []
        if profile.mtu is not None and len(data) > profile.mtu:
            stats.oversize += 1
            return []
        departure = now
        if profile.rate_bytes_per_s is not None:
            passed = self._pass_bottleneck(len(data), now, profile.rate_bytes_per_s)
            if passed is None:
                stats.queue_dropped += 1
                return []
            departure = passed
        if lost:
            stats.lost += 1
            return []
        arrivals = [self._arrival(data, departure)]
        if profile.duplicate and self._duplicate.uniform() < profile.duplicate:
            stats.duplicated += 1
            arrivals.append(self._arrival(data, departure))
        stats.arrived += len(arrivals)
        return arrivals

    def _pass_bottleneck(self, length: int, now: float, rate: float) -> float | None:
        held = self.queued_bytes(now)
        limit = self.profile.queue_bytes
        if limit is not None and held + length > limit:
            return None
        self._busy_until = departure = max(self._busy_until, now) + length / rate
        self._queue.append((departure, length))
        self._queued_bytes += length
        return departure

    def _arrival(self, data: bytes, departure: float) -> tuple[float, bytes]:
        profile = self.profile
        when = departure + profile.delay_s
        if profile.jitter_s:
            when += self._jitter.uniform() * profile.jitter_s
        if profile.reorder and self._reorder.uniform() < profile.reorder:
            self.stats.reordered += 1
            when += profile.reorder_s
        if profile.corrupt and data and self._corrupt.uniform() < profile.corrupt:
            self.stats.corrupted += 1
            data = _flip_one_bit(data, self._corrupt.below(len(data) * 8))
        return when, data


def _flip_one_bit(data: bytes, bit: int) -> bytes:
    damaged = bytearray(data)
    damaged[bit >> 3] ^= 1 << (bit & 7)
    return bytes(damaged)
