"""Where the metrics come from: each part of the running server, and how its numbers are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from games.ticker import TickTotals
from hub.hub import Hub
from netcore.aio import UdpDriver
from netcore.server import ServerEndpoint
from netplay.loop_lag import BUCKETS_S as LAG_BUCKETS_S
from netplay.loop_lag import LagStats
from netplay.metrics import Counts, Durations, Source, Spread
from netplay.request_counts import BUCKETS_S as REQUEST_BUCKETS_S
from netplay.request_counts import RequestCounts
from signaling.http_protocol import ConnectionCensus
from transports.long_poll import LongPollTransport
from transports.websocket import WebSocketTransport

UdpSockets = Sequence[tuple[ServerEndpoint, UdpDriver]]


def hub_source(hub: Hub) -> Source:
    """Channels, sessions, messages."""
    return Counts("hub", hub.stats, frozenset({"channels", "sessions", "links"}))


def udp_sources(sockets: Callable[[], UdpSockets]) -> list[Source]:
    """Datagrams and handshakes over all sockets, and the round trips of the connections."""

    def read() -> Mapping[str, float]:
        return udp_counts(sockets())

    def round_trips() -> list[float]:
        connections = (one for endpoint, _ in sockets() for one in endpoint.connections.values())
        return [one.rtt_s for one in connections if one.rtt_s is not None]

    return [
        Counts("udp", read, frozenset({"connections", "half_open"})),
        Spread("udp_rtt_seconds", "Smoothed round trips of the connections over UDP there are.", round_trips),
    ]


def udp_counts(sockets: UdpSockets) -> Mapping[str, float]:
    """The counters of every endpoint and its driver, added up."""
    total: Counter[str] = Counter()
    for endpoint, driver in sockets:
        stats, moved = endpoint.stats, driver.stats
        for name in type(stats).__slots__:
            if name == "dropped":
                total.update({f"dropped.{reason}": count for reason, count in stats.dropped.items()})
            else:
                total[name] += getattr(stats, name)
        for name in type(moved).__slots__:
            total[name] += getattr(moved, name)
    return total


def websocket_source(transport: WebSocketTransport) -> Source:
    """Links over WebSocket."""

    def read() -> Mapping[str, float]:
        stats = transport.stats
        return {
            "links": len(transport.protocols),
            "openings_refused": stats.openings_refused,
            "opened": stats.opened,
            "token_timeouts": stats.token_timeouts,
            "attach_refused": stats.attach_refused,
            "attached": stats.attached,
            **{f"malformed.{code}": count for code, count in stats.malformed.items()},
        }

    return Counts("websocket", read, frozenset({"links"}), label="close_code")


def long_poll_source(transport: LongPollTransport) -> Source:
    """Links over long poll."""

    def read() -> Mapping[str, float]:
        stats = transport.stats
        counts = {name: getattr(stats, name) for name in type(stats).__slots__ if name != "malformed"}
        malformed = {f"malformed.{code}": count for code, count in stats.malformed.items()}
        return {"links": transport.links, **counts, **malformed}

    return Counts("long_poll", read, frozenset({"links"}), label="close_code")


def http_sources(census: ConnectionCensus, requests: RequestCounts) -> list[Source]:
    """TCP connections and the requests on them."""

    def connections() -> Mapping[str, float]:
        return {"connections": census.open, "connections_refused": census.refused}

    def answered() -> Mapping[str, float]:
        return {f"requests.{method}_{status}": count for (method, status), count in requests.answered.items()}

    return [
        Counts("http", connections, frozenset({"connections"})),
        Counts("http", answered, label="answer"),
        Durations(
            "http_request_seconds",
            "From a request's headers to the end of its answer; a long poll waits on purpose.",
            REQUEST_BUCKETS_S,
            lambda: (requests.took, requests.took_sum_s),
        ),
    ]


def tick_source(totals: TickTotals) -> Source:
    """The tick loops of the game rooms."""

    def read() -> Mapping[str, float]:
        return {
            "matches": totals.matches,
            "ticks": totals.ticks,
            "ticks_late": totals.late,
            "ticks_skipped": totals.skipped,
            "tick_lateness_seconds": totals.lateness_sum_s,
        }

    return Counts("games", read)


def lag_sources(stats: LagStats) -> list[Source]:
    """The event loop's lag."""
    return [
        Durations(
            "loop_lag_seconds",
            "How late the event loop's timers run.",
            LAG_BUCKETS_S,
            lambda: (stats.counts, stats.sum_s),
        ),
        Counts(
            "loop",
            lambda: {"blocked": stats.blocked, "longest_lag_seconds": stats.longest_s},
            frozenset({"longest_lag_seconds"}),
        ),
    ]
