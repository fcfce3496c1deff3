"""Decode and check every test vector from the protocol documents alone.

    python scripts/verify_spec.py

Imports nothing of the project's packages: `scripts/spec/` is a second reading of docs/protocol. Good vectors decode
to the stated values, bad ones are refused for the stated reason. Ends with status 1 where one does not.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scripts.spec import (  # noqa: E402
    acks,
    air_hockey,
    clock,
    e2ee,
    handshake,
    inputs,
    long_poll,
    messaging,
    packets,
    receiver,
    showing,
    websocket,
)
from scripts.spec.wire import Disagreement, Unfit  # noqa: E402

FOLDER = ROOT / "docs" / "protocol" / "vectors"

Checks = dict[str, Callable[[dict[str, Any]], int]]


def load(name: str) -> dict[str, Any]:
    """A file of vectors."""
    vectors: dict[str, Any] = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    return vectors


def check_statesync(vectors: dict[str, Any]) -> int:
    """statesync.json, all three sections."""
    return (
        inputs.check_inputs(vectors["inputs"])
        + clock.check_clock(vectors["clock"], vectors["tolerance"])
        + showing.check_showing(vectors["interpolation"], vectors["tolerance"])
    )


CHECKS: Checks = {
    "ack.json": acks.check_acks,
    "air-hockey.json": air_hockey.check_air_hockey,
    "datagrams_bad.json": lambda vectors: handshake.check_bad_datagrams(vectors, load("token.json")),
    "e2ee.json": e2ee.check_e2ee,
    "frames.json": lambda vectors: packets.check_frames(vectors) + receiver.check_violations(vectors),
    "handshake.json": handshake.check_handshake,
    "long-poll.json": long_poll.check_long_poll,
    "messaging.json": messaging.check_messaging,
    "packet.json": packets.check_packets,
    "statesync.json": check_statesync,
    "token.json": handshake.check_tokens,
    "varint.json": packets.check_varints,
    "websocket.json": websocket.check_websocket,
}


def main() -> int:
    """Check every file; the exit status."""
    failed = False
    names = sorted(path.name for path in FOLDER.glob("*.json"))
    for name in names:
        try:
            if name not in CHECKS:
                raise Disagreement("no check reads this file: write one in scripts/spec")
            print(f"{name:22} {CHECKS[name](load(name)):5} vectors agree")
        except (Disagreement, Unfit) as error:
            failed = True
            print(f"{name:22} FAILED: {error}")
    missing = sorted(CHECKS.keys() - set(names))
    if missing:
        failed = True
        print(f"no such vectors: {', '.join(missing)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
