"""Links over the project's own datagram protocol: `netcore.connection` seen as a `hub.ports.Link`.

Pure: the sockets are `netcore.aio`'s. docs/protocol/ncp.md.
"""

from __future__ import annotations

from collections.abc import Callable

from hub.errors import ChannelError
from hub.ports import LinkAcceptor, LinkHandler
from messaging.lanes import TO_CLIENT_OPTIONS
from netcore.connection import Connection
from netcore.delivery import Delivery
from netcore.server import Refusal


class UdpLink:
    """A `hub.ports.Link` over one established connection, and that connection's handler."""

    __slots__ = (
        "_closed",
        "_connection",
        "_handler",
        "message_received",
        "send",
        "shared_sender",
        "transport",
    )

    def __init__(self, connection: Connection) -> None:
        """`attach` has to follow before anything is received."""
        for lane, options in TO_CLIENT_OPTIONS.items():
            connection.configure_lane(lane, options)
        self.transport = "udp"
        self._connection = connection
        self._handler: LinkHandler | None = None
        self._closed = False
        self.send = connection.send
        """The connection's own: no call in between. `ValueError` for what no lane of NCP takes."""
        self.shared_sender = connection.shared_sender
        self.message_received: Callable[[int, Delivery, int, bytes], None] = self._not_attached

    def attach(self, handler: LinkHandler) -> None:
        """From now on `handler` gets the messages, straight from the connection: no call in between."""
        self._handler = handler
        self.message_received = handler.link_message

    def _not_attached(self, lane: int, kind: Delivery, key: int, data: bytes) -> None:
        raise RuntimeError("a message arrived before the link was attached")

    @property
    def rtt_s(self) -> float | None:
        """Smoothed round trip in seconds, None before the first sample."""
        return self._connection.rtt_s

    def flush(self) -> None:
        """Send what is queued when the present wake-up ends."""
        if not self._closed:
            self._connection.flush()

    def close(self, code: int, reason: str = "") -> None:
        """Send what is queued, tell the remote `code`, end. The handler gets `link_closed` once."""
        if self._closed:
            return
        self._closed = True
        self._connection.close(code, reason)

    def stats(self) -> dict[str, float]:
        """The connection's counters."""
        return self._connection.stats.snapshot()

    def connection_closed(self, code: int, reason: str, remote: bool) -> None:
        """The connection ended. Called once by it, last."""
        self._closed = True
        handler, self._handler = self._handler, None
        if handler is not None:
            handler.link_closed(code, reason, remote)


def accept_links(acceptor: LinkAcceptor) -> Callable[[Connection], UdpLink | Refusal]:
    """The `accept` argument of `netcore.server.ServerEndpoint`: hands each proved connection on."""

    def accept(connection: Connection) -> UdpLink | Refusal:
        link = UdpLink(connection)
        try:
            link.attach(acceptor.attach(connection.claims, link))
        except ChannelError as error:
            return Refusal(error.close_code, error.text)
        return link

    return accept
