"""The server endpoint: where a datagram belongs, which connections there are, who has something to send.

docs/protocol/ncp.md, sections 3, 5 and 13. Sans-I/O: a driver moves the datagrams and keeps the time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from netcore.address import Address
from netcore.admission import Admission, HalfOpen
from netcore.codes import CloseCode
from netcore.connection import Connection, ConnectionHandler
from netcore.connection_ids import CID_BYTES, ConnectionIds
from netcore.datagrams import (
    DATA,
    HELLO,
    MAX_DATAGRAM_BYTES,
    MIN_CLIENT_DATA_BYTES,
    QUIC_BIT,
    encode_reset,
)
from netcore.delivery import Delivery
from netcore.endpoint import DEAF, EndpointStats, stay_asleep
from netcore.server_config import ServerConfig
from netcore.timer_heap import TimerHeap
from netcore.token import TokenGate

__all__ = ["Refusal", "ServerConfig", "ServerEndpoint"]

_FLUSH_ROUNDS: Final = 4
"""How often one flush goes over connections made dirty meanwhile, before it leaves them to the next."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The application's no to a connection: sent to the client as an authenticated CLOSE."""

    code: int
    reason: str = ""


class ServerEndpoint:
    """Connections by id, and the handshakes before them. A `netcore.endpoint.DatagramEndpoint`."""

    def __init__(
        self,
        config: ServerConfig,
        tokens: TokenGate,
        accept: Callable[[Connection], ConnectionHandler | Refusal],
        *,
        random: Callable[[int], bytes],
        wall: Callable[[], float],
    ) -> None:
        """`accept` is called when a client's first DATA authenticates, with the token's claims in `claims`.

        `random(n)` gives n unpredictable bytes, `wall()` Unix seconds (for the tokens' windows).
        """
        self.wake: Callable[[], None] = stay_asleep
        self.stats = EndpointStats()
        self._config = config
        self._accept = accept
        self._random = random
        self._ids = ConnectionIds(config.worker, random)
        self._admission = Admission(config, tokens, self._ids, self.stats, random=random, wall=wall)
        self._routes: dict[bytes, Connection] = {}
        self._connections: dict[int, Connection] = {}
        self._answers: list[tuple[bytes, Address]] = []
        self._dirty: list[Connection] = []
        # Ordered, unlike a set of objects: a run in virtual time must not depend on memory addresses.
        self._touched: dict[Connection, None] = {}
        self._timers: TimerHeap[Connection] = TimerHeap()
        self._awake = False
        self._closing: Refusal | None = None
        self._closing_drain_s = 0.0

    @property
    def connections(self) -> Mapping[int, Connection]:
        """Every connection whose client has proved itself, by connection id."""
        return MappingProxyType(self._connections)

    def receive_datagram(self, data: bytes, addr: Address, now: float) -> None:
        """One datagram from `addr`. Never raises for its bytes."""
        self._awake = True
        stats = self.stats
        length = len(data)
        stats.datagrams_in += 1
        stats.bytes_in += length
        if length < MIN_CLIENT_DATA_BYTES or length > MAX_DATAGRAM_BYTES:
            stats.drop("length")
            return
        first = data[0]
        if first & 0xFE == DATA:
            connection = self._routes.get(data[1:5])
            if connection is None:
                self._receive_stray(data, addr, now)
                return
            self._touched[connection] = None
            if not connection.receive_packet(data, addr, now):
                stats.drop("packet")
        elif first == HELLO:
            answer = self._admission.answer_hello(data, addr, now)
            if answer is not None:
                self._answers.append((answer, addr))
        else:
            stats.drop("quic" if first & QUIC_BIT else "type")

    def datagrams_to_send(self, now: float) -> list[tuple[bytes, Address]]:
        """The answers to handshakes and whatever the connections that were flushed have to send."""
        out, self._answers = self._answers, []
        touched = self._touched
        for _ in range(_FLUSH_ROUNDS):
            if not self._dirty:
                break
            dirty, self._dirty = self._dirty, []
            for connection in dirty:
                touched[connection] = None
                for datagram in connection.datagrams_to_send(now):
                    out.append((datagram, connection.address))
        self._settle(now)
        self._awake = bool(self._dirty)
        if self._dirty:
            self.wake()
        stats = self.stats
        stats.datagrams_out += len(out)
        for datagram, _ in out:
            stats.bytes_out += len(datagram)
        return out

    def next_timer(self) -> float | None:
        """The earliest deadline of a connection or of a waiting handshake. It may turn out to have moved."""
        connection, handshake = self._timers.next(), self._admission.next_expiry()
        if connection is None or handshake is None:
            return handshake if connection is None else connection
        return min(connection, handshake)

    def handle_timer(self, now: float) -> None:
        """Let due connections act and due handshakes go; nothing is sent to who has not proved himself."""
        self._awake = True
        self._admission.expire(now)
        for connection in self._timers.pop_due(now):
            self._touched[connection] = None
            when = connection.next_timer()
            if when is not None and when <= now:
                connection.handle_timer(now)
        self._settle(now)

    def close_all(self, code: int, reason: str = "", drain_s: float = 1.0) -> None:
        """Close every connection, and each later one as soon as its client has proved itself."""
        self._closing = Refusal(code, reason)
        self._closing_drain_s = drain_s
        for connection in list(self._connections.values()):
            connection.close(code, reason, drain_s)

    def _mark_dirty(self, connection: Connection) -> None:
        self._dirty.append(connection)
        if not self._awake:
            self._awake = True
            self.wake()

    def _settle(self, now: float) -> None:
        """Arm the timers of the connections that this wake-up touched, and let go of those that ended."""
        if not self._touched:
            return
        for connection in self._touched:
            if connection.is_closed:
                self._retire(connection, now)
            else:
                self._timers.arm(connection, connection.next_timer())
        self._touched.clear()

    def _retire(self, connection: Connection, now: float) -> None:
        cid = connection.cid.to_bytes(CID_BYTES, "big")
        if self._routes.pop(cid, None) is None:
            return
        del self._connections[connection.cid]
        self._timers.arm(connection, None)
        self._ids.end(cid, now)
        self.stats.ended += 1
        self.stats.connections = len(self._connections)

    def _receive_stray(self, data: bytes, addr: Address, now: float) -> None:
        """DATA of no connection there is: a client's first, or one for RESET."""
        cid = data[1:5]
        half = self._admission.half_open(cid)
        if half is not None:
            self._receive_first(half, data, addr, now)
            return
        token = self._admission.answer_stray(cid, addr, now)
        if token is not None:
            self._answers.append((encode_reset(token), addr))

    def _receive_first(self, half: HalfOpen, data: bytes, addr: Address, now: float) -> None:
        """DATA for a half-open handshake. Only an authentic one leaves anything behind."""
        connection = Connection(
            is_client=False,
            cid=int.from_bytes(half.cid, "big"),
            send_secret=half.keys.server_to_client,
            recv_secret=half.keys.client_to_server,
            local=half.local,
            remote=half.remote,
            config=self._config.connection,
            # An address other than the one the ACCEPT went to is a new path, to be validated like any other.
            address=half.address,
            now=now,
            rtt_s=None if half.accept_at is None else now - half.accept_at,
            random=self._random,
            dirty=self._mark_dirty,
        )
        connection.claims = half.claims
        opening = _Opening(self, half, connection)
        connection.handler = opening
        if not connection.receive_packet(data, addr, now):
            self.stats.drop("packet")
            return
        opening.open()
        self._touched[connection] = None

    def _admit(self, half: HalfOpen, connection: Connection) -> ConnectionHandler:
        """The client has proved itself: use up the token and ask the application."""
        self._admission.establish(half)
        self._routes[half.cid] = connection
        self._connections[connection.cid] = connection
        self.stats.established += 1
        self.stats.connections = len(self._connections)
        connection.handler = DEAF
        if self._closing is not None:
            connection.close(self._closing.code, self._closing.reason, self._closing_drain_s)
            return DEAF
        try:
            answer = self._accept(connection)
        except Exception:
            # The application's defect costs this one connection; the error itself goes up to the driver.
            connection.close(CloseCode.INTERNAL, "", 0.0)
            raise
        if isinstance(answer, Refusal):
            self.stats.refused += 1
            connection.close(answer.code, answer.reason, 0.0)
            return DEAF
        connection.handler = answer
        return answer


class _Opening:
    """The first handler of a connection: asks the application just before the first event, then hands on.

    The first packet may carry messages; only its seal, checked by then, proves that it came from the client.
    """

    __slots__ = ("_connection", "_endpoint", "_half", "_handler")

    def __init__(self, endpoint: ServerEndpoint, half: HalfOpen, connection: Connection) -> None:
        self._endpoint = endpoint
        self._half = half
        self._connection = connection
        self._handler: ConnectionHandler | None = None

    def open(self) -> ConnectionHandler:
        """The application's handler; it is asked once."""
        if self._handler is None:
            self._handler = DEAF
            self._handler = self._endpoint._admit(self._half, self._connection)
        return self._handler

    def message_received(self, lane: int, kind: Delivery, key: int, data: bytes) -> None:
        self.open().message_received(lane, kind, key, data)

    def connection_closed(self, code: int, reason: str, remote: bool) -> None:
        self.open().connection_closed(code, reason, remote)
