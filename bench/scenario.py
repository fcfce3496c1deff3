"""A scenario: what is measured, beside what, and how good it has to be."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Bar:
    """An upper bound on one metric: a ratio against the baseline of the same run, never an absolute time."""

    metric: str
    limit: float
    meaning: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """A bar held against what was measured."""

    bar: Bar
    value: float

    @property
    def holds(self) -> bool:
        """True where the value does not exceed the bar."""
        return self.value <= self.bar.limit


@dataclass(slots=True)
class Measurement:
    """What one scenario found: for each metric the figure of every run (the median counts), and details."""

    runs: dict[str, list[float]] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)

    def add(self, metric: str, value: float, unit: str) -> None:
        """Record the figure of one run."""
        self.runs.setdefault(metric, []).append(value)
        self.units[metric] = unit

    def median(self, metric: str) -> float:
        """The median of a metric over its runs. Raises KeyError for a metric nobody recorded."""
        return statistics.median(self.runs[metric])


@dataclass(frozen=True, slots=True)
class Scenario:
    """One measurement that can be run by name."""

    name: str
    about: str
    baseline: str
    bars: tuple[Bar, ...]
    measure: Callable[[Mapping[str, Any]], Measurement]
    """Takes the settings (defaults overlaid with the caller's) and measures."""
    settings: Mapping[str, Any]
    """Defaults of everything that can be chosen; `runs` is always one of them."""

    def run(self, overrides: Mapping[str, Any] | None = None) -> Measurement:
        """Measure with the defaults, changed by `overrides`. Raises ValueError for an unknown setting."""
        chosen = dict(self.settings)
        for key, value in (overrides or {}).items():
            if key not in chosen:
                raise ValueError(f"scenario {self.name} has no setting {key!r}; it has: {', '.join(chosen)}")
            chosen[key] = type(chosen[key])(value)
        return self.measure(chosen)

    def verdicts(self, measurement: Measurement) -> list[Verdict]:
        """Every bar of this scenario held against `measurement`."""
        return [Verdict(bar, measurement.median(bar.metric)) for bar in self.bars]
