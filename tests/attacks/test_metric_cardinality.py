"""A40: whatever users call themselves, the number of metric series stays what it is, and no name is in them."""

from __future__ import annotations

import contextlib

from prometheus_client import generate_latest

from hub.errors import ChannelError
from netplay.metric_sources import hub_source
from netplay.metrics import LABEL_VALUES, OTHER, Counts, metrics_registry
from tests.support.hub_world import HubWorld


def series(text: str) -> set[str]:
    return {line.rsplit(" ", 1)[0] for line in text.splitlines() if not line.startswith("#")}


def test_ten_thousand_agent_names_add_no_series() -> None:
    world = HubWorld(max_channels=20_000, agents_per_channel=2, trusted_networks=("0.0.0.0/0",))
    registry = metrics_registry("1", [hub_source(world.hub)])

    def measured() -> set[str]:
        return series(generate_latest(registry).decode())

    world.client("first", channel="first").send(b"x", type="first type")
    before = measured()
    for number in range(10_000):
        world.connect(f"victim-{number}", channel=f"parlour-{number}")
    after = measured()
    assert world.hub.stats()["sessions"] == 10_001
    assert after == before
    assert not any("victim" in name or "parlour" in name for name in after)


def test_names_types_and_refusals_of_users_never_become_labels() -> None:
    world = HubWorld(trusted_networks=("0.0.0.0/0",))
    registry = metrics_registry("1", [hub_source(world.hub)])
    ann = world.client("ann")
    for number in range(200):
        ann.send(b"x", type=f"evil-type-{number}")
        with contextlib.suppress(ChannelError):
            world.connect(f"evil\nname-{number}")
    told = generate_latest(registry).decode()
    assert "evil" not in told
    refused = {name for name in series(told) if name.startswith("netplay_hub_refused_total")}
    assert refused == {'netplay_hub_refused_total{reason="name-invalid"}'.replace("-", "_")}


def test_a_part_that_counts_by_endless_names_is_held_to_a_bound() -> None:
    counts = {f"refused.{number}": 1.0 for number in range(LABEL_VALUES + 500)}
    registry = metrics_registry("1", [Counts("part", lambda: counts)])
    told = [name for name in series(generate_latest(registry).decode()) if "part_refused" in name]
    assert len(told) == LABEL_VALUES + 1
    assert registry.get_sample_value("netplay_part_refused_total", {"reason": OTHER}) == 500
