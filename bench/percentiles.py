"""Percentiles of a sample, by nearest rank, so that every figure printed was really measured."""

from __future__ import annotations

import math
from collections.abc import Sequence

DEFAULT_RANKS = (50.0, 90.0, 99.0, 99.9)


def percentile(ordered: Sequence[float], rank: float) -> float:
    """The value at `rank` percent of an already sorted, non-empty sample."""
    if not ordered:
        raise ValueError("percentile of an empty sample: expected at least one value")
    return ordered[max(0, math.ceil(len(ordered) * rank / 100) - 1)]


def summary(sample: Sequence[float], ranks: Sequence[float] = DEFAULT_RANKS) -> dict[str, float]:
    """`{"p50": ..., "p99.9": ..., "max": ..., "mean": ..., "count": n}` of a sample in its own unit."""
    ordered = sorted(sample)
    figures = {f"p{rank:g}": percentile(ordered, rank) for rank in ranks}
    return figures | {"max": ordered[-1], "mean": sum(ordered) / len(ordered), "count": float(len(ordered))}
