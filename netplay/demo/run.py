"""Running a demo: play, print, and the exit code."""

from __future__ import annotations

import json

from rich.console import Console

from games.airhockey.game import NAME as AIR_HOCKEY
from netplay.demo import live, virtual
from netplay.demo.options import DemoOptions


def run(options: DemoOptions, console: Console) -> int:
    """Play one match; 0 where it ended by its rules within its time limit, else 1.

    Raises ValueError for a game or options that do not exist.
    """
    if options.game != AIR_HOCKEY:
        raise ValueError(f"no demo plays {options.game!r}; there is {AIR_HOCKEY}")
    outcome = (virtual if options.virtual else live).play(options)
    if options.as_json:
        print(json.dumps(outcome.as_json()))
    else:
        outcome.show(console)
    return 0 if outcome.succeeded else 1
