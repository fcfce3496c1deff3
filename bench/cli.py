"""Sub-commands of `netplay bench`: list, run, compare, html, check. Each returns the exit code."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from bench import html_report, registry, report


def list_scenarios(console: Console) -> int:
    """Print every scenario with what it measures, beside what, and its bars."""
    for name in registry.NAMES:
        scenario = registry.load_scenario(name)
        console.print(f"[bold]{name}[/bold]: {scenario.about}")
        console.print(f"  baseline: {scenario.baseline}")
        for bar in scenario.bars:
            console.print(f"  bar: {bar.metric} <= {bar.limit:g} ({bar.meaning})")
    return 0


def run(names: Sequence[str], json_path: Path | None, settings: Sequence[str], console: Console) -> int:
    """Measure the named scenarios, print them, and write one report (or a list of them) to `json_path`."""
    overrides = dict(_setting(text) for text in settings)
    reports = []
    for name in names:
        scenario = registry.load_scenario(name)
        measured = report.as_json(scenario, scenario.run(overrides))
        report.print_report(measured, console)
        reports.append(measured)
    if json_path is not None:
        body = reports[0] if len(reports) == 1 else reports
        json_path.write_text(json.dumps(body, indent=2) + "\n", encoding="utf-8")
    return 0


def compare(before: Path, after: Path, console: Console) -> int:
    """Print the change of every metric between two reports."""
    report.print_comparison(report.load(before), report.load(after), console)
    return 0


def html(files: Sequence[Path], out: Path) -> int:
    """Write the reports of `files` as one page. Raises ValueError for a file that is no report."""
    reports = [each for file in files for each in report.load_all(file)]
    out.write_text(html_report.page(reports), encoding="utf-8")
    return 0


def check(names: Sequence[str], console: Console) -> int:
    """Measure the named scenarios (all where none is named); 1 where a bar falls short, else 0."""
    held = True
    for name in names or registry.NAMES:
        scenario = registry.load_scenario(name)
        for bar in report.as_json(scenario, scenario.run())["bars"]:
            report.print_verdict(name, bar, console)
            held = held and bar["holds"]
    return 0 if held else 1


def _setting(text: str) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not separator or not key:
        raise ValueError(f"setting {text!r}: expected NAME=VALUE")
    return key, value
