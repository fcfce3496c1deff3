"""Reports as one HTML file: plots, medians with their spread, bars with verdicts. It loads nothing from anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from bench import svg

Report = Mapping[str, Any]

_STYLE = """
:root { color-scheme: light dark;
  --page: #f6f7f9; --card: #ffffff; --ink: #1b1f24; --soft: #5c6670; --line: #dfe3e8; --track: #e9ecf0;
  --good: #1a7f4b; --bad: #c3352b; --accent: #2457d6;
  --s0: #2457d6; --s1: #0f8f8c; --s2: #c25a00; --s3: #8b5a00; --s4: #8a3fb8; --s5: #c02a6b; }
@media (prefers-color-scheme: dark) { :root {
  --page: #12151a; --card: #1b2027; --ink: #e8ebef; --soft: #9ba6b2; --line: #313944; --track: #2a313b;
  --good: #4cc38a; --bad: #ff7a70; --accent: #82a8ff;
  --s0: #82a8ff; --s1: #4fd0c8; --s2: #ffa45c; --s3: #e3c26a; --s4: #d09bf0; --s5: #ff8ab8; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 900px; margin: 0 auto; padding: 32px 20px 64px; }
h1 { font-size: 26px; margin: 0 0 4px; } h2 { font-size: 20px; margin: 0 0 4px; }
h3 { font-size: 15px; margin: 28px 0 6px; }
p { margin: 4px 0; } .soft { color: var(--soft); }
section { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 24px;
  margin-top: 24px; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 6px 12px 6px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 600; color: var(--soft); } td.n, th.n { text-align: right; }
.scroll { overflow-x: auto; }
.verdict { font-weight: 600; white-space: nowrap; } .verdict.good { color: var(--good); }
.verdict.bad { color: var(--bad); }
.bar { margin-top: 18px; } .bar p { display: flex; justify-content: space-between; gap: 16px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 16px; margin: 8px 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
details { margin-top: 20px; } summary { cursor: pointer; color: var(--accent); }
a { color: var(--accent); }
svg { display: block; width: 100%; height: auto; margin-top: 4px; font: 12px system-ui, sans-serif; }
svg text { fill: var(--ink); } svg text.small { fill: var(--soft); font-size: 11px; }
svg .value { font-weight: 600; font-variant-numeric: tabular-nums; }
svg .track { fill: var(--track); } svg .good { fill: var(--good); } svg .bad { fill: var(--bad); }
svg .limit { stroke: var(--ink); stroke-width: 2; } svg .grid { stroke: var(--line); }
svg .spread { stroke: var(--accent); stroke-width: 6; stroke-linecap: round; opacity: .22; }
svg .run { fill: var(--accent); opacity: .55; } svg .median { stroke: var(--accent); stroke-width: 2.5; }
svg .series polyline { fill: none; stroke-width: 2; } svg .series .leader { stroke-width: 1; opacity: .45; }
svg .whisker { stroke-width: 1.5; opacity: .6; } svg .mark { stroke: var(--card); stroke-width: 1.5; }
svg .s0 polyline { stroke-width: 3; } svg .s0 .leader { stroke-width: 1; } svg .s0 text { font-weight: 700; }
""" + "".join(
    f"svg .s{n} polyline, svg .s{n} .whisker {{ stroke: var(--s{n}); }}"
    f" svg .s{n} .mark, svg .s{n} text {{ fill: var(--s{n}); }}\n"
    for n in range(6)
)

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page(reports: Sequence[Report]) -> str:
    """The whole document. Raises ValueError without a report."""
    if not reports:
        raise ValueError("a page needs at least one report")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<title>Bench report</title><style>{_STYLE}</style></head><body><main>"
        "<header><h1>Bench report</h1>"
        '<p class="soft">Bars are ratios inside one run; absolute figures hold for the machine named beside them.'
        " A value is the median of its runs.</p></header>"
        + _summary(reports)
        + "".join(_section(number, report) for number, report in enumerate(reports))
        + "</main></body></html>\n"
    )


def _summary(reports: Sequence[Report]) -> str:
    rows = "".join(
        f'<tr><td><a href="#r{number}">{escape(report["scenario"])}</a></td><td>{escape(bar["meaning"])}</td>'
        f'<td class="n">{svg.figure(bar["value"])}</td><td class="n">{svg.figure(bar["limit"])}</td>'
        f"<td>{_verdict(bar)}</td></tr>"
        for number, report in enumerate(reports)
        for bar in report["bars"]
    )
    return (
        '<section><h2>Bars</h2><div class="scroll"><table><thead><tr><th>scenario</th><th>what</th>'
        '<th class="n">value</th><th class="n">at most</th><th>verdict</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div></section>"
    )


def _verdict(bar: Mapping[str, Any]) -> str:
    return (
        '<span class="verdict good">✓ holds</span>'
        if bar["holds"]
        else '<span class="verdict bad">✗ falls short</span>'
    )


def _section(number: int, report: Report) -> str:
    return (
        f'<section id="r{number}"><h2>{escape(report["scenario"])}</h2><p>{escape(report["about"])}</p>'
        f'<p class="soft">beside: {escape(report["baseline"])}</p>'
        + "".join(_bar(bar) for bar in report["bars"])
        + "".join(_plots(report))
        + _skipped(report["details"])
        + _table(report["metrics"])
        + _facts(report)
        + "</section>"
    )


def _bar(bar: Mapping[str, Any]) -> str:
    return (
        f'<div class="bar"><p><span>{escape(bar["meaning"])}</span><span><b>{svg.figure(bar["value"])}</b> '
        f"{_verdict(bar)}</span></p>{svg.gauge(bar['value'], bar['limit'], bar['holds'])}</div>"
    )


def _plots(report: Report) -> Iterator[str]:
    metrics = report["metrics"]
    plotted: set[str] = set()
    for plot in report["details"].get("plots", ()):
        if any(all(name in metrics for name in names) for names in plot["series"].values()):
            yield f"<h3>{escape(plot['title'])}</h3>{svg.lines(plot, metrics)}"
            plotted.update(name for names in plot["series"].values() for name in names)
    by_unit: dict[str, dict[str, Any]] = {}
    for name, metric in metrics.items():
        if name not in plotted:
            by_unit.setdefault(metric["unit"], {})[name] = metric
    for unit, found in by_unit.items():
        yield f"<h3>{escape(unit)}</h3>{svg.strips(found)}"


def _skipped(details: Mapping[str, Any]) -> str:
    skipped = details.get("skipped") or {}
    if not skipped:
        return ""
    reasons = "; ".join(f"{name}: {reason}" for name, reason in skipped.items())
    return f"<p><b>Not compared with</b> {escape(reasons)}</p>"


def _table(metrics: Mapping[str, Mapping[str, Any]]) -> str:
    rows = "".join(
        f"<tr><td>{escape(name)}</td>"
        + "".join(f'<td class="n">{svg.figure(metric[key])}</td>' for key in ("median", "min", "max"))
        + f'<td class="n">{len(metric["runs"])}</td><td>{escape(metric["unit"])}</td></tr>'
        for name, metric in metrics.items()
    )
    return (
        '<details><summary>All figures</summary><div class="scroll"><table><thead><tr><th>metric</th>'
        '<th class="n">median</th><th class="n">min</th><th class="n">max</th><th class="n">runs</th><th>unit</th>'
        f"</tr></thead><tbody>{rows}</tbody></table></div></details>"
    )


def _facts(report: Report) -> str:
    machine = dict(report["machine"])
    packages = machine.pop("packages", {})
    facts = {"measured at": report["measured_at"], **machine}
    facts["packages"] = ", ".join(f"{name} {version}" for name, version in packages.items() if version)
    plain = {key: value for key, value in report["details"].items() if not isinstance(value, dict | list)}
    facts["settings"] = ", ".join(f"{key}={value}" for key, value in plain.items())
    items = "".join(
        f"<dt>{escape(key.replace('_', ' '))}</dt><dd>{escape(str(value))}</dd>"
        for key, value in facts.items()
        if value not in (None, "")
    )
    return f"<details><summary>Machine and settings</summary><dl>{items}</dl></details>"
