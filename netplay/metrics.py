"""Metrics: what the parts of the server count, as Prometheus reads it.

Everything is read when it is asked for; the parts count plain numbers and know nothing of this file. Labels
hold names that this repository chose, never one that a user can (docs/how-to/metrics.md).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

PREFIX: Final = "netplay"
LABEL_VALUES: Final = 64
"""Most values of one label; further ones are counted as `other`."""
OTHER: Final = "other"

_NOT_A_LABEL = re.compile(r"[^a-z0-9_]+")


@dataclass(frozen=True, slots=True)
class Counts:
    """One part's numbers, as a mapping: a name that has a dot is `counter.label value`."""

    part: str
    """Second word of the metric names: `hub`, `udp`."""
    read: Callable[[], Mapping[str, float]]
    gauges: frozenset[str] = frozenset()
    """Names that go up and down; all the others only grow."""
    label: str = "reason"
    """What the part of a name behind the dot is called."""


@dataclass(frozen=True, slots=True)
class Durations:
    """A histogram of seconds that a part keeps."""

    name: str
    text: str
    bounds_s: Sequence[float]
    read: Callable[[], tuple[Sequence[int], float]]
    """(counts by bucket, not cumulative, one more than the bounds; the sum in seconds)."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Quantiles of what is now, such as the round trips of all links."""

    name: str
    text: str
    read: Callable[[], Iterable[float]]


Source = Counts | Durations | Spread


class ServerMetrics(Collector):
    """Turns sources into metric families; one more `Collector` of a registry."""

    def __init__(self, version: str, sources: Sequence[Source]) -> None:
        self._version = version
        self._sources = tuple(sources)
        self._labels: dict[str, set[str]] = {}

    def describe(self) -> Iterable[Metric]:
        """Nothing ahead of time: a registry would otherwise collect once to find the names."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Every family, read now."""
        yield InfoMetricFamily(PREFIX, "What runs here.", {"version": self._version})
        for source in self._sources:
            if isinstance(source, Counts):
                yield from self._counted(source)
            elif isinstance(source, Durations):
                yield _histogram(source)
            else:
                yield _quantiles(source)

    def _counted(self, source: Counts) -> Iterator[Metric]:
        grouped: dict[str, dict[str, float]] = {}
        for name, value in sorted(source.read().items()):
            stem, dot, group = name.partition(".")
            if dot:
                groups = grouped.setdefault(stem, {})
                label = self._bounded(f"{source.part}_{stem}", group)
                groups[label] = groups.get(label, 0.0) + value
            elif name in source.gauges:
                yield GaugeMetricFamily(_name(source.part, name), _text(source.part, name), value)
            else:
                yield CounterMetricFamily(_name(source.part, name), _text(source.part, name), value)
        for stem, groups in grouped.items():
            family = CounterMetricFamily(
                _name(source.part, stem), _text(source.part, stem), labels=(source.label,)
            )
            for label, value in groups.items():
                family.add_metric((label,), value)
            yield family

    def _bounded(self, family: str, value: str) -> str:
        """`value` as a label, or `other` where the family has too many already."""
        label = _NOT_A_LABEL.sub("_", value.lower())[:64]
        known = self._labels.setdefault(family, set())
        if label not in known:
            if len(known) >= LABEL_VALUES:
                return OTHER
            known.add(label)
        return label


def metrics_registry(version: str, sources: Sequence[Source]) -> CollectorRegistry:
    """A registry with the server's metrics and those of its process."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(ServerMetrics(version, sources))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def metrics_app(registry: CollectorRegistry) -> ASGIApp:
    """`GET /metrics` and nothing else."""

    async def metrics(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), headers={"Content-Type": content_type, "Cache-Control": "no-store"})

    return Starlette(routes=[Route("/metrics", metrics, methods=["GET"])])


def _name(part: str, name: str) -> str:
    return f"{PREFIX}_{part}_{name}"


def _text(part: str, name: str) -> str:
    """Help for a counter: the documentation of the part's statistics says more."""
    return f"{part}: {name.replace('_', ' ')}"


def _histogram(source: Durations) -> Metric:
    counts, sum_s = source.read()
    buckets, running = [], 0
    for bound, count in zip([*map(str, source.bounds_s), "+Inf"], counts, strict=True):
        running += count
        buckets.append((bound, float(running)))
    return HistogramMetricFamily(f"{PREFIX}_{source.name}", source.text, buckets=buckets, sum_value=sum_s)


def _quantiles(source: Spread) -> Metric:
    values = sorted(source.read())
    family = GaugeMetricFamily(f"{PREFIX}_{source.name}", source.text, labels=("quantile",))
    for quantile in (0.5, 0.95, 0.99):
        at = values[round((len(values) - 1) * quantile)] if values else float("nan")
        family.add_metric((str(quantile),), at)
    return family
