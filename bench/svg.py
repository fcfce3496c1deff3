"""Plots as SVG text: just the three kinds that a bench report needs. Colours come from the page's style sheet."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

WIDTH = 760
_STEPS = (1.0, 2.0, 5.0)
_LOG_ABOVE = 25.0
"""Where the largest value is so many times the smallest, the axis is logarithmic."""
_ROW = 26
_LABEL_WIDTH = 230
_VALUE_WIDTH = 92
_END_LABEL_GAP = 15.0
_SHAPES = ("circle", "square", "diamond", "triangle")


def figure(value: float) -> str:
    """A number for people: three significant digits, thousands apart, never an exponent."""
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


class Axis:
    """Values onto pixels, linear from zero or logarithmic, with round ticks."""

    def __init__(self, values: Sequence[float], start: float, end: float, wanted_ticks: int = 6) -> None:
        """`start` and `end` are pixels (`end` may be the smaller); no value is negative. ValueError without one."""
        if not values:
            raise ValueError("an axis without values")
        low, high = min(values), max(values)
        self.is_log = low > 0 and high / low > _LOG_ABOVE
        self._start, self._end = start, end
        if self.is_log:
            self._low, self._high = _round_down(low), _round_up(high)
            self.ticks = _log_ticks(self._low, self._high)
            if len(self.ticks) > wanted_ticks + 2:
                self.ticks = [tick for tick in self.ticks if _mantissa(tick) == 1]
        else:
            high = high if high > 0 else 1.0
            step = _round_up(high / wanted_ticks)
            self._low, self._high = 0.0, math.ceil(high / step - 1e-9) * step
            self.ticks = [step * number for number in range(round(self._high / step) + 1)]

    def __call__(self, value: float) -> float:
        """The pixel of a value."""
        if self.is_log:
            share = math.log(value / self._low) / math.log(self._high / self._low)
        else:
            share = (value - self._low) / (self._high - self._low)
        return self._start + share * (self._end - self._start)


def gauge(value: float, limit: float, holds: bool) -> str:
    """One bar against its limit."""
    axis = Axis([max(value * 1.08, limit * 1.3)], 0, WIDTH)
    verdict = "good" if holds else "bad"
    at = axis(limit)
    anchor = "end" if at > WIDTH * 0.85 else "start"
    return _svg(
        46,
        f"bar: {figure(value)} against at most {figure(limit)}",
        f'<rect class="track" x="0" y="8" width="{WIDTH}" height="14" rx="7"/>'
        f'<rect class="{verdict}" x="0" y="8" width="{max(axis(value), 4):.1f}" height="14" rx="7"/>'
        f'<line class="limit" x1="{at:.1f}" x2="{at:.1f}" y1="2" y2="28"/>'
        f'<text class="small" x="{at + (6 if anchor == "start" else 0):.1f}" y="42" text-anchor="{anchor}">'
        f"at most {figure(limit)}</text>",
    )


def strips(metrics: Mapping[str, Mapping[str, Any]]) -> str:
    """For each metric of one unit a row: its runs, their spread, the median."""
    values = [value for metric in metrics.values() for value in metric["runs"]]
    left, right = _LABEL_WIDTH, WIDTH - _VALUE_WIDTH
    axis = Axis([value for value in values if value > 0] or [0.0], left, right)
    height = _ROW * len(metrics) + 30
    parts = [_grid_line(axis(tick), 4, height - 26, figure(tick), height - 10) for tick in axis.ticks]
    for row, (name, metric) in enumerate(metrics.items()):
        y = 4 + _ROW * (row + 0.5)
        at = [axis(value) if value > 0 or not axis.is_log else left for value in metric["runs"]]
        middle = axis(metric["median"]) if metric["median"] > 0 or not axis.is_log else left
        spread = (
            f"{name}: median {figure(metric['median'])}, {figure(metric['min'])} to {figure(metric['max'])}"
        )
        parts.append(
            f"<g><title>{escape(spread)} {escape(metric['unit'])}</title>"
            f'<text class="label" x="{left - 12}" y="{y + 4}" text-anchor="end">{escape(_shortened(name))}</text>'
            f'<line class="spread" x1="{min(at):.1f}" x2="{max(at):.1f}" y1="{y}" y2="{y}"/>'
            + "".join(f'<circle class="run" cx="{x:.1f}" cy="{y}" r="3"/>' for x in at)
            + f'<line class="median" x1="{middle:.1f}" x2="{middle:.1f}" y1="{y - 8}" y2="{y + 8}"/>'
            f'<text class="value" x="{WIDTH}" y="{y + 4}" text-anchor="end">{figure(metric["median"])}</text></g>'
        )
    return _svg(height, "runs and median of each metric", "".join(parts))


def lines(plot: Mapping[str, Any], metrics: Mapping[str, Mapping[str, Any]]) -> str:
    """Series over an axis of categories: medians joined, the spread as whiskers, each named at its end.

    `plot` has `x` (labels), `x_label`, `y_label` and `series` (name -> a metric for each x).
    """
    series = {
        name: [metrics[metric] for metric in names if metric in metrics]
        for name, names in plot["series"].items()
        if all(metric in metrics for metric in names)
    }
    values = [metric[key] for found in series.values() for metric in found for key in ("min", "max")]
    top, bottom, left, right, height = 26, 300, 62, WIDTH - 150, 346
    axis = Axis([value for value in values if value > 0] or [0.0], bottom, top)
    columns = [
        left + 24 + (right - left - 36) * index / max(1, len(plot["x"]) - 1)
        for index in range(len(plot["x"]))
    ]
    parts = [
        f'<line class="grid" x1="{left}" x2="{right}" y1="{axis(tick):.1f}" y2="{axis(tick):.1f}"/>'
        f'<text class="small" x="{left - 8}" y="{axis(tick) + 4:.1f}" text-anchor="end">{figure(tick)}</text>'
        for tick in axis.ticks
    ]
    parts += [
        f'<text class="small" x="{x:.1f}" y="{bottom + 20}" text-anchor="middle">{escape(str(label))}</text>'
        for x, label in zip(columns, plot["x"], strict=True)
    ]
    axis_name = plot["y_label"] + (" (logarithmic)" if axis.is_log else "")
    parts.append(
        f'<text class="small" x="0" y="12">{escape(axis_name)}</text>'
        f'<text class="small" x="{(left + right) / 2}" y="{height - 6}" text-anchor="middle">'
        f"{escape(plot['x_label'])}</text>"
    )
    ends = _spread_out([axis(found[-1]["median"]) for found in series.values()])
    for number, (name, found) in enumerate(series.items()):
        parts.append(_series(number, name, found, columns, axis, ends[number], right))
    return _svg(height, plot["title"], "".join(parts))


def _series(
    number: int,
    name: str,
    found: Sequence[Mapping[str, Any]],
    columns: Sequence[float],
    axis: Axis,
    end: float,
    right: float,
) -> str:
    points = [(x, axis(metric["median"])) for x, metric in zip(columns, found, strict=True)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    marks = "".join(
        f"<g><title>{escape(name)}: {figure(metric['median'])} "
        f"({figure(metric['min'])} to {figure(metric['max'])}) {escape(metric['unit'])}</title>"
        f'<line class="whisker" x1="{x:.1f}" x2="{x:.1f}" y1="{axis(metric["min"]):.1f}" '
        f'y2="{axis(metric["max"]):.1f}"/>{_mark(_SHAPES[number % len(_SHAPES)], x, y)}</g>'
        for (x, y), metric in zip(points, found, strict=True)
    )
    last_x, last_y = points[-1]
    return (
        f'<g class="series s{number}"><polyline points="{path}"/>{marks}'
        f'<polyline class="leader" points="{last_x + 6:.1f},{last_y:.1f} {right + 8:.1f},{end:.1f}"/>'
        f'<text x="{right + 12}" y="{end + 4:.1f}">{escape(_shortened(name, 20))}</text></g>'
    )


def _mark(shape: str, x: float, y: float) -> str:
    if shape == "circle":
        return f'<circle class="mark" cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>'
    corners = {
        "square": ((-4, -4), (4, -4), (4, 4), (-4, 4)),
        "diamond": ((0, -5.5), (5.5, 0), (0, 5.5), (-5.5, 0)),
        "triangle": ((0, -5), (5, 4), (-5, 4)),
    }[shape]
    points = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners)
    return f'<polygon class="mark" points="{points}"/>'


def _spread_out(wanted: Sequence[float]) -> list[float]:
    """The places of labels: in their order, near where they are wanted, never on each other."""
    placed = list(wanted)
    order = sorted(range(len(placed)), key=lambda index: placed[index])
    for before, index in itertools.pairwise(order):
        placed[index] = max(placed[index], placed[before] + _END_LABEL_GAP)
    over = placed[order[-1]] - max(wanted) if order else 0.0
    shift = over / 2
    return [place - shift for place in placed]


def _grid_line(x: float, y1: float, y2: float, label: str, label_y: float) -> str:
    return (
        f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{y1}" y2="{y2}"/>'
        f'<text class="small" x="{x:.1f}" y="{label_y}" text-anchor="middle">{label}</text>'
    )


def _svg(height: float, name: str, inside: str) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{escape(name)}">{inside}</svg>'


def _shortened(text: str, longest: int = 31) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _mantissa(value: float) -> float:
    return round(value / 10.0 ** math.floor(math.log10(value) + 1e-9), 6)


def _round_up(value: float) -> float:
    """The next 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(value) + 1e-9)
    return next((step * power for step in _STEPS if step * power >= value * (1 - 1e-9)), 10 * power)


def _round_down(value: float) -> float:
    power = 10.0 ** math.floor(math.log10(value) + 1e-9)
    return max(step * power for step in _STEPS if step * power <= value * (1 + 1e-9))


def _log_ticks(low: float, high: float) -> list[float]:
    ticks, tick = [], low
    while tick <= high * (1 + 1e-9):
        ticks.append(tick)
        tick = _round_up(tick * 1.01)
    return ticks
