"""A link over the project's own UDP protocol, without a socket: an adapter between connection and session.

Used by the asyncio layer under a real socket and by virtual worlds under a simulated one.
"""

from __future__ import annotations

from collections.abc import Callable

from messaging.lanes import APPLICATION_FIRST, TO_SERVER_OPTIONS
from messaging_agent.errors import OutboxFull
from messaging_agent.links import LinkHandler
from netcore.connection import Connection
from netcore.delivery import Delivery
from netcore.errors import QueueFull


class DatagramLink:
    """One connection attempt over UDP. Give it to a `ClientEndpoint` as its handler.

    `opened(link)` is called once when the server has proved itself: attach the link to a session then,
    `link.start(session.attach_link(link))`. `failed(code, reason)` is called instead where the attempt ends
    without an open connection. Once started, the link tells its handler of its end.
    """

    transport = "udp"

    def __init__(
        self, opened: Callable[[DatagramLink], None], failed: Callable[[int, str], None] | None = None
    ) -> None:
        self._opened = opened
        self._failed = failed
        self._handler: LinkHandler | None = None
        self._connection: Connection | None = None
        self._end: tuple[int, str, bool] | None = None
        self._lanes: set[int] = set()  # that know how to send

    def start(self, handler: LinkHandler) -> None:
        """From now on `handler` hears what comes; at once of an end that has been already."""
        self._handler = handler
        if self._end is not None:
            handler.link_closed(*self._end)

    # ClientHandler of netcore

    def connected(self, connection: Connection) -> None:
        """The handshake is complete."""
        self._connection = connection
        self._opened(self)

    def message_received(self, lane: int, kind: Delivery, key: int, data: bytes) -> None:
        """A whole message arrived on the connection."""
        if self._handler is not None:
            self._handler.link_message(lane, kind, key, data)

    def connection_closed(self, code: int, reason: str, remote: bool) -> None:
        """The connection ended, or never came about."""
        self._end = (code, reason, remote)
        if self._handler is not None:
            self._handler.link_closed(code, reason, remote)
        elif self._connection is None and self._failed is not None:
            self._failed(code, reason)

    # Link of the session

    def send(self, lane: int, kind: Delivery, data: bytes, key: int = 0) -> None:
        """Queue one message; `OutboxFull` for a reliable kind whose queue is at its cap."""
        connection = self._connection
        if connection is None or self._end is not None:
            return
        if lane not in self._lanes:
            self._configure(connection, lane, kind)
        try:
            connection.send(lane, kind, data, key)
        except QueueFull as error:
            raise OutboxFull(f"The link's queue is full: {error}") from None

    def _configure(self, connection: Connection, lane: int, kind: Delivery) -> None:
        """The first message of a lane."""
        self._lanes.add(lane)
        options = TO_SERVER_OPTIONS.get(kind)
        if options is not None and lane >= APPLICATION_FIRST:
            connection.configure_lane(lane, options)

    def flush(self) -> None:
        """Let queued messages go out when the present wake-up ends."""
        if self._connection is not None and self._end is None:
            self._connection.flush()

    def close(self, code: int, reason: str = "") -> None:
        """Send what is queued, tell the server, and end."""
        if self._connection is not None and self._end is None:
            self._connection.close(code, reason)

    @property
    def rtt_s(self) -> float | None:
        """The connection's smoothed round trip."""
        return None if self._connection is None else self._connection.rtt_s

    def stats(self) -> dict[str, float]:
        """The connection's counters."""
        return {} if self._connection is None else self._connection.stats.snapshot()
