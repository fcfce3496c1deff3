"""idle: memory of idle connections, and whether connections that ended leave any behind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bench.child import child
from bench.peers import idle_server
from bench.scenario import Bar, Measurement, Scenario

_LIMIT_BYTES = 16_000
"""What our own state of an idle connection may take."""


def measure(settings: Mapping[str, Any]) -> Measurement:
    """Each figure comes from a fresh process. Memory hardly varies from run to run, so one run is the default."""
    measurement = Measurement(details=dict(settings))
    connections = settings["connections"]
    for _ in range(settings["runs"]):
        traced, resident = _ask(idle_server.serve_netcore, connections)
        their_traced, their_resident = _ask(idle_server.serve_aioquic, max(1, connections // 20))
        measurement.add("netcore_bytes", traced, "bytes/connection")
        measurement.add("netcore_resident_bytes", resident, "bytes/connection")
        measurement.add("aioquic_bytes", their_traced, "bytes/connection")
        measurement.add("aioquic_resident_bytes", their_resident, "bytes/connection")
        measurement.add("memory_ratio", traced / _LIMIT_BYTES, "x")
        measurement.add("aioquic_ratio", traced / their_traced, "x")
        half, whole, left = _ask(idle_server.serve_churn, settings["cycles"])
        if left:
            raise RuntimeError(f"{left} connections are still there after all clients have gone")
        measurement.add("churn_half_mib", half / 2**20, "MiB")
        measurement.add("churn_whole_mib", whole / 2**20, "MiB")
        measurement.add("churn_ratio", whole / half, "x")
    return measurement


def _ask(target: Callable[..., None], count: int) -> Any:
    with child(target, count) as server:
        return server.next_word()


SCENARIO = Scenario(
    name="idle",
    about="memory of idle connections at the server, and after many connects and disconnects",
    baseline="16 kB a connection; aioquic's idle connections; the same process halfway",
    bars=(
        Bar("memory_ratio", 1.0, "netcore's own state of an idle connection (tracemalloc) against 16 kB"),
        Bar(
            "churn_ratio", 1.02, "resident memory after all connects and disconnects against that after half"
        ),
    ),
    measure=measure,
    settings={"runs": 1, "connections": 10_000, "cycles": 20_000},
)
