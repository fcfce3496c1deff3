"""An open loop: actions at intended times, whatever came of the earlier ones.

A sender that waits for answers before it sends on hides the very delays it should measure (coordinated omission).
Each action is therefore told when it was meant to happen, and ages count from there.
"""

from __future__ import annotations

import asyncio
import heapq
import random
import time
from collections.abc import Callable, Sequence


async def run_open_loop(
    actions: Sequence[Callable[[float], None]], rate_hz: float, seconds: float, seed: int = 1
) -> None:
    """Call each action `rate_hz` times a second for `seconds`, out of phase with the others.

    An action gets its intended time (perf_counter seconds). The loop sleeps until the next one is due.
    """
    source = random.Random(seed)
    start = time.perf_counter() + 0.01
    end = start + seconds
    due = [(start + source.random() / rate_hz, index) for index in range(len(actions))]
    heapq.heapify(due)
    while due[0][0] < end:
        ahead = due[0][0] - time.perf_counter()
        await asyncio.sleep(max(0.0, ahead))
        while due[0][0] <= time.perf_counter():
            intended, index = due[0]
            if intended >= end:
                break
            actions[index](intended)
            heapq.heapreplace(due, (intended + 1 / rate_hz, index))
