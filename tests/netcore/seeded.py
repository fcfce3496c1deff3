"""Random bytes that are the same in each run."""

from __future__ import annotations

import random
from collections.abc import Callable


def seeded(seed: int) -> Callable[[int], bytes]:
    """A source as the core wants it: n -> n bytes."""
    return random.Random(seed).randbytes
