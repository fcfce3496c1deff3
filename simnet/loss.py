"""Loss processes: which of the datagrams offered to a link are lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from simnet.chance import Chance


def checked_probability(name: str, value: float) -> None:
    """Raises `ValueError` unless `value` is within [0, 1]."""
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"{name} must be within 0 and 1, got {value}")


@dataclass(frozen=True, slots=True)
class GilbertElliott:
    """Burst loss: a two-state Markov chain that moves once a datagram (Gilbert 1960, Elliott 1963)."""

    p: float
    """Probability of moving from the good state to the bad one."""
    r: float
    """Probability of moving from the bad state to the good one; the mean burst is 1 / r datagrams."""
    h: float = 0.5
    """Probability that a datagram gets through in the bad state."""
    k: float = 1.0
    """Probability that a datagram gets through in the good state."""

    def __post_init__(self) -> None:
        for name in ("p", "r", "h", "k"):
            checked_probability(name, getattr(self, name))

    @property
    def loss_rate(self) -> float:
        """The long-run share of lost datagrams."""
        if self.p + self.r == 0.0:
            return 1.0 - self.k
        bad = self.p / (self.p + self.r)
        return bad * (1.0 - self.h) + (1.0 - bad) * (1.0 - self.k)


def loss_process(loss: float | GilbertElliott, chance: Chance) -> Callable[[], bool]:
    """A function to be called once for each datagram offered; True where it is lost."""
    if isinstance(loss, GilbertElliott):
        return _burst_process(loss, chance)
    if loss == 0.0:
        return lambda: False
    uniform, rate = chance.uniform, loss
    return lambda: uniform() < rate


def _burst_process(model: GilbertElliott, chance: Chance) -> Callable[[], bool]:
    bad = False

    def lost() -> bool:
        nonlocal bad
        bad = (chance.uniform() >= model.r) if bad else (chance.uniform() < model.p)
        return chance.uniform() >= (model.h if bad else model.k)

    return lost
