"""Running a demo: play, print, and the exit code."""

from __future__ import annotations

import json

from rich.console import Console

from netplay.demo import live, virtual
from netplay.demo.options import DemoOptions


def run(options: DemoOptions, console: Console) -> int:
    """Play one match; 0 where it ended by its rules within its time limit, else 1."""
    outcome = (virtual if options.virtual else live).play(options)
    if options.as_json:
        print(json.dumps(outcome.as_json()))
    else:
        outcome.show(console)
    return 0 if outcome.succeeded else 1
