"""Metrics: every part's numbers in one answer, under names and labels that do not change."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from netcore.aio import DriverStats
from netcore.endpoint import EndpointStats
from netplay.metric_sources import udp_counts
from netplay.metrics import Counts, Durations, ServerMetrics, Spread, metrics_app, metrics_registry


def told(*sources: Counts | Durations | Spread) -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(ServerMetrics("1.2", sources))
    return registry


def test_counters_and_gauges_are_told_apart() -> None:
    text = generate_latest(
        told(Counts("hub", lambda: {"links": 3, "connects": 7}, frozenset({"links"})))
    ).decode()
    assert "# TYPE netplay_hub_links gauge\nnetplay_hub_links 3.0\n" in text
    assert "# TYPE netplay_hub_connects_total counter\nnetplay_hub_connects_total 7.0\n" in text
    assert 'netplay_info{version="1.2"} 1.0' in text


def test_groups_become_one_label_whose_value_is_made_plain() -> None:
    registry = told(Counts("udp", lambda: {"dropped.Bad Packet": 2, "dropped.length": 1}))
    assert registry.get_sample_value("netplay_udp_dropped_total", {"reason": "bad_packet"}) == 2
    assert registry.get_sample_value("netplay_udp_dropped_total", {"reason": "length"}) == 1


def test_a_histogram_is_cumulative_and_ends_with_all_of_them() -> None:
    registry = told(Durations("lag_seconds", "Lag.", (0.01, 0.1), lambda: ([3, 2, 1], 0.5)))
    buckets = [
        registry.get_sample_value("netplay_lag_seconds_bucket", {"le": bound})
        for bound in ("0.01", "0.1", "+Inf")
    ]
    assert buckets == [3, 5, 6]
    assert registry.get_sample_value("netplay_lag_seconds_count") == 6
    assert registry.get_sample_value("netplay_lag_seconds_sum") == 0.5


def test_a_spread_is_told_by_its_quantiles() -> None:
    registry = told(Spread("rtt_seconds", "Round trips.", lambda: [n / 1000 for n in range(101)]))
    assert registry.get_sample_value("netplay_rtt_seconds", {"quantile": "0.5"}) == 0.05
    assert registry.get_sample_value("netplay_rtt_seconds", {"quantile": "0.99"}) == 0.099


def test_udp_counters_of_all_sockets_are_added_up() -> None:
    class Part:
        def __init__(self, stats: object) -> None:
            self.stats = stats

    sockets = []
    for _ in range(2):
        endpoint, driver = EndpointStats(), DriverStats()
        endpoint.datagrams_in, driver.wake_ups = 5, 4
        endpoint.drop("length")
        sockets.append((Part(endpoint), Part(driver)))
    counts = udp_counts(sockets)  # type: ignore[arg-type]
    assert (counts["datagrams_in"], counts["wake_ups"], counts["dropped.length"]) == (10, 8, 2)
    assert set(counts) >= set(DriverStats.__slots__) | (set(EndpointStats.__slots__) - {"dropped"})


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = metrics_app(metrics_registry("1", [Counts("hub", lambda: {"connects": 1})]))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://metrics") as made:
        yield made


async def test_the_answer_is_what_prometheus_reads(client: httpx.AsyncClient) -> None:
    answer = await client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    assert "netplay_hub_connects_total 1.0" in answer.text
    assert "process_resident_memory_bytes" in answer.text
    newer = await client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert newer.text.endswith("# EOF\n")


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/", 404), ("POST", "/metrics", 405)])
async def test_there_is_nothing_else(client: httpx.AsyncClient, method: str, path: str, status: int) -> None:
    assert (await client.request(method, path)).status_code == status
