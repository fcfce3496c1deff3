"""`netplay replay`: play a recorded match again and tell whether it came out the same."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from games.replay import ReplayReport, replay


def replay_file(file: Path, *, as_json: bool, console: Console) -> int:
    """Replay `file`, print what it came to; 0 where the state's hash is the recorded one, else 1.

    Raises `games.recording.RecordingError` (a `ValueError`) for a file that is no recording, and `OSError`.
    """
    report = replay(file)
    if as_json:
        console.print_json(json.dumps({**asdict(report), "matches": report.matches}))
    else:
        for line in _lines(report):
            console.print(line, highlight=False, markup=False, soft_wrap=True)
    return 0 if report.matches else 1


def _lines(report: ReplayReport) -> list[str]:
    result = report.result
    score = "unfinished" if result is None else " : ".join(str(goals) for goals in result.score)
    return [
        f"{report.game}, {report.ticks} ticks ({report.seconds:.1f} s of play), {score}",
        f"recorded state hash  {report.recorded_hash}",
        f"replayed state hash  {report.replayed_hash}",
        "equal: the match came out the same" if report.matches else "DIFFERENT: it came out another way",
    ]
