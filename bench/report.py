"""Reports: measurements as JSON and as text, and two of them side by side."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.machine import machine_facts
from bench.scenario import Measurement, Scenario

FORMAT = 1


def as_json(scenario: Scenario, measurement: Measurement) -> dict[str, Any]:
    """One object with everything needed to read the figures later: machine, settings, runs, medians, verdicts."""
    return {
        "format": FORMAT,
        "scenario": scenario.name,
        "about": scenario.about,
        "baseline": scenario.baseline,
        "measured_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": machine_facts(),
        "metrics": {
            name: {
                "unit": measurement.units[name],
                "median": statistics.median(runs),
                "min": min(runs),
                "max": max(runs),
                "runs": runs,
            }
            for name, runs in measurement.runs.items()
        },
        "bars": [
            {
                "metric": verdict.bar.metric,
                "value": verdict.value,
                "limit": verdict.bar.limit,
                "holds": verdict.holds,
                "meaning": verdict.bar.meaning,
            }
            for verdict in scenario.verdicts(measurement)
        ],
        "details": measurement.details,
    }


def load(path: Path) -> dict[str, Any]:
    """The one report of a file. Raises ValueError with one sentence where it is not one of ours."""
    reports = load_all(path)
    if len(reports) != 1:
        raise ValueError(f"{path}: expected a bench report, but it has {len(reports)}")
    return reports[0]


def load_all(path: Path) -> list[dict[str, Any]]:
    """The reports of a file, one or several. Raises ValueError as `load` does."""
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: expected a bench report in JSON, but {error}") from error
    reports = body if isinstance(body, list) else [body]
    for report in reports:
        if not isinstance(report, dict) or report.get("format") != FORMAT or "metrics" not in report:
            raise ValueError(
                f"{path}: expected a bench report of format {FORMAT}; make one with `bench run --json`"
            )
    return reports


def print_report(report: Mapping[str, Any], console: Console) -> None:
    """The medians with their spread, then every bar with its verdict."""
    table = Table(title=f"{report['scenario']}: {report['about']}", title_justify="left")
    for heading in ("metric", "median", "min", "max", "unit"):
        table.add_column(heading, justify="left" if heading in ("metric", "unit") else "right")
    for name, metric in report["metrics"].items():
        table.add_row(name, *(f"{metric[key]:.4g}" for key in ("median", "min", "max")), metric["unit"])
    console.print(table)
    console.print(f"baseline: {report['baseline']}")
    for name, reason in (report["details"].get("skipped") or {}).items():
        console.print(f"not compared with {name}: {reason}")
    for bar in report["bars"]:
        print_verdict(report["scenario"], bar, console)


def print_verdict(scenario: str, bar: Mapping[str, Any], console: Console) -> None:
    """One line: value, bar, verdict."""
    verdict = "[green]holds[/green]" if bar["holds"] else "[red]FALLS SHORT[/red]"
    console.print(
        f"{scenario}.{bar['metric']} = {bar['value']:.3f}  bar <= {bar['limit']:g}  {verdict}  ({bar['meaning']})"
    )


def print_comparison(before: Mapping[str, Any], after: Mapping[str, Any], console: Console) -> None:
    """Every metric that both reports have, with the change of its median."""
    table = Table(title=f"{before['scenario']} -> {after['scenario']}", title_justify="left")
    for heading in ("metric", "before", "after", "change", "unit"):
        table.add_column(heading, justify="left" if heading in ("metric", "unit") else "right")
    for name, old in before["metrics"].items():
        new = after["metrics"].get(name)
        if new is None:
            continue
        change = f"{(new['median'] / old['median'] - 1) * 100:+.1f} %" if old["median"] else "-"
        table.add_row(name, f"{old['median']:.4g}", f"{new['median']:.4g}", change, old["unit"])
    console.print(table)
