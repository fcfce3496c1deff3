"""The tick loop on a virtual clock."""

from __future__ import annotations

import pytest

from games.loop import TickLoop
from games.ticker import Ticker
from simnet.world import World


def test_ticks_come_at_their_deadlines() -> None:
    world = World()
    times: list[float] = []
    TickLoop(world, Ticker(60, start_s=1.0), lambda: times.append(world.now()))
    world.run_until(1.999)
    assert len(times) == 60
    assert times == pytest.approx([1 + n / 60 for n in range(60)], abs=1e-6)


def test_after_a_stall_the_missed_ticks_run_at_once_and_the_rest_of_the_time_is_skipped() -> None:
    class Stalling(World):
        offset = 0.0

        def now(self) -> float:
            return super().now() + self.offset

    world = Stalling()
    times: list[float] = []
    loop = TickLoop(world, Ticker(100, start_s=0.0, max_burst=3), lambda: times.append(world.now()))
    world.run_until(0.101)
    assert len(times) == 11
    world.offset = 0.1
    world.run_for(0.01)
    assert len(times) == 14
    assert loop.ticker.stats().skipped == 8


def test_stop_within_a_tick_ends_the_burst() -> None:
    world = World(start_s=10.0)
    count = 0

    def tick() -> None:
        nonlocal count
        count += 1
        loop.stop()

    loop = TickLoop(world, Ticker(60, start_s=9.9), tick)
    world.run_for(1.0)
    assert count == 1
