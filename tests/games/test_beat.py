"""The server's beat, from when snapshots come."""

from __future__ import annotations

import pytest

from games.beat import ServerBeat


def test_the_fastest_snapshot_of_the_last_two_seconds_tells_the_tick() -> None:
    beat = ServerBeat(60)
    for tick in range(1, 61):
        beat.hear(tick, tick / 60 + (0.030 if tick != 20 else 0.010))
    assert beat.server_tick(1.0, way_s=0.010) == pytest.approx(60)
    assert beat.jitter_s == pytest.approx(0.020)


def test_after_two_seconds_an_old_beat_is_forgotten() -> None:
    beat = ServerBeat(60)
    beat.hear(1, 1 / 60)
    for tick in range(2, 200):
        beat.hear(tick, tick / 60 + 0.1)
    assert beat.server_tick(4.0, way_s=0.0) == pytest.approx((4.0 - 0.1) * 60)
    assert beat.jitter_s == pytest.approx(0.0)
