"""Percentiles of a handful of samples, by nearest rank."""

from __future__ import annotations

import math
from collections.abc import Iterable


def nearest_rank(samples: Iterable[float], percent: int) -> float:
    """The smallest sample that at least `percent` per cent of all samples do not exceed.

    `percent` is 1-100. Raises `ValueError` without samples.
    """
    ordered = sorted(samples)
    if not ordered:
        raise ValueError("no samples")
    return ordered[math.ceil(len(ordered) * percent / 100) - 1]
