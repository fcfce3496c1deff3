"""The client endpoint: one attempt to reach a server, and the connection that comes of it.

docs/protocol/ncp.md, sections 5 and 13. Sans-I/O: a driver moves the datagrams and keeps the time.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Final, Protocol

from netcore.address import Address, pack_address
from netcore.codes import CloseCode
from netcore.config import ConnectionConfig
from netcore.connection import Connection, ConnectionHandler
from netcore.datagrams import (
    ACCEPT,
    ATTEMPT_ID_BYTES,
    DATA,
    MAX_DATAGRAM_BYTES,
    RESET,
    RETRY,
    VERSIONS,
    Hello,
    decode_accept,
    decode_reset,
    decode_retry,
    decode_versions,
    handshake_prologue,
)
from netcore.endpoint import EndpointStats, stay_asleep
from netcore.errors import ProtocolError
from netcore.noise import KEY_BYTES, Initiator
from netcore.params import Params, promise_of
from netcore.token import VERSION, Credentials

HELLO_INTERVALS_S: Final = (0.25, 0.5, 1.0, 1.0, 1.0)
"""How long each HELLO waits for its answer before the next; after the last one, `LAST_WAIT_S`."""
LAST_WAIT_S: Final = 1.0
MAX_RETRIES: Final = 3
"""RETRYs followed in one attempt."""


class ClientHandler(ConnectionHandler, Protocol):
    """Who a client endpoint tells. An attempt that fails gets `connection_closed` without `connected`."""

    def connected(self, connection: Connection) -> None:
        """The server has proved itself; `connection` may be used. Called once, first."""


class ClientEndpoint:
    """One handshake with one server, then its connection. A `netcore.endpoint.DatagramEndpoint`.

    A new attempt needs a new endpoint and new credentials: a token serves once.
    """

    def __init__(
        self,
        credentials: Credentials,
        server: Address,
        handler: ClientHandler,
        *,
        config: ConnectionConfig | None = None,
        random: Callable[[int], bytes],
        now: float,
    ) -> None:
        """`server` is numeric, as a socket would give it. The first HELLO is ready to be sent at once.

        Raises `ValueError` for credentials that do not fit a HELLO.
        """
        self.wake: Callable[[], None] = stay_asleep
        self.stats = EndpointStats()
        self.connection: Connection | None = None
        """None until the handshake is complete; stays after the end."""
        self._config = config or ConnectionConfig()
        self._handler = handler
        self._random = random
        self._server = server
        self._server_packed = pack_address(server)
        self._attempt_id = bytes((credentials.steer,)) + random(ATTEMPT_ID_BYTES - 1)
        self._credentials = credentials
        self._promise = promise_of(self._config)
        prologue = handshake_prologue(VERSION, self._attempt_id, credentials.app_id, credentials.token)
        self._noise: Initiator | None = Initiator(
            credentials.psk, prologue, random(KEY_BYTES), self._promise.encode()
        )
        self._hello = self._make_hello(b"")
        self._hellos_sent = 0
        self._hello_sent_at: float | None = None
        self._retries = 0
        self._deadline = now
        self._reset_token = b""
        self._over = False
        self._awake = False
        self._dirty = False

    @property
    def is_closed(self) -> bool:
        """True once the handler was told of the end, or the connection has nothing left to do."""
        return self._over or (self.connection is not None and self.connection.is_closed)

    def receive_datagram(self, data: bytes, addr: Address, now: float) -> None:
        """One datagram; anything not from the server is dropped. Never raises for its bytes."""
        self._awake = True
        stats = self.stats
        stats.datagrams_in += 1
        stats.bytes_in += len(data)
        if self._over:
            stats.drop("over")
        elif not data or len(data) > MAX_DATAGRAM_BYTES:
            stats.drop("length")
        elif addr != self._server and pack_address(addr) != self._server_packed:
            stats.drop("address")
        elif data[0] & 0xFE == DATA:
            if self.connection is None:
                stats.drop("early")
            elif not self.connection.receive_packet(data, addr, now):
                stats.drop("packet")
        else:
            try:
                self._receive_handshake(data, now)
            except ProtocolError as error:
                stats.drop(error.text)

    def datagrams_to_send(self, now: float) -> list[tuple[bytes, Address]]:
        """The HELLO that is due, or what the connection has to send."""
        out: list[bytes] = []
        if not self._over:
            if self.connection is not None:
                if self._dirty:
                    self._dirty = False
                    out = self.connection.datagrams_to_send(now)
                if self.connection.is_closed and self.stats.connections:
                    self.stats.connections, self.stats.ended = 0, 1
            elif self._deadline <= now:
                self._send_hello_or_fail(out, now)
        self._awake = self._dirty
        if self._dirty:
            self.wake()
        self.stats.datagrams_out += len(out)
        self.stats.bytes_out += sum(map(len, out))
        return [(datagram, self._server) for datagram in out]

    def next_timer(self) -> float | None:
        """When the next HELLO, the end of the attempt, or the connection is due."""
        if self._over:
            return None
        if self.connection is None:
            return self._deadline
        return self.connection.next_timer()

    def handle_timer(self, now: float) -> None:
        """Let the connection act; a HELLO that is due goes out with `datagrams_to_send`."""
        self._awake = True
        if self.connection is not None and not self._over:
            when = self.connection.next_timer()
            if when is not None and when <= now:
                self.connection.handle_timer(now)

    def close(self, code: int = CloseCode.NORMAL, reason: str = "", drain_s: float = 1.0) -> None:
        """End the connection, or give up the attempt."""
        if self.connection is not None:
            if not self._over:
                self.connection.close(code, reason, drain_s)
        else:
            self._end(code, reason, remote=False)

    def _receive_handshake(self, data: bytes, now: float) -> None:
        kind = data[0]
        if kind == RESET:
            self._receive_reset(data)
        elif self.connection is not None:
            self.stats.drop("late")
        elif kind == ACCEPT:
            self._receive_accept(data, now)
        elif kind == RETRY:
            self._receive_retry(data, now)
        elif kind == VERSIONS:
            self._receive_versions(data)
        else:
            self.stats.drop("type")

    def _receive_retry(self, data: bytes, now: float) -> None:
        attempt_id, cookie = decode_retry(data)
        self._check_attempt(attempt_id)
        if self._retries >= MAX_RETRIES:
            raise ProtocolError(CloseCode.PROTOCOL_VIOLATION, "retries")
        self._retries += 1
        self.stats.retries += 1
        self._hello = self._make_hello(cookie)
        # The answer came from this address, so the schedule starts again from its short steps.
        self._hellos_sent = 0
        self._deadline = now

    def _receive_versions(self, data: bytes) -> None:
        attempt_id, versions = decode_versions(data)
        self._check_attempt(attempt_id)
        if VERSION in versions:
            raise ProtocolError(CloseCode.VERSION, "versions")
        self.stats.versions += 1
        self._end(CloseCode.VERSION, "the server speaks no common protocol version", remote=True)

    def _receive_accept(self, data: bytes, now: float) -> None:
        attempt_id, message = decode_accept(data)
        self._check_attempt(attempt_id)
        if self._noise is None:
            raise ProtocolError(CloseCode.PROTOCOL_VIOLATION, "late")
        payload, keys = self._noise.read_accept(message)
        remote = Params.decode(payload)
        if remote.cid is None or not remote.reset_token:
            raise ProtocolError(CloseCode.PROTOCOL_VIOLATION, "params_missing")
        self.stats.accepts += 1
        self.stats.connections = self.stats.established = 1
        self._noise = None
        self._reset_token = remote.reset_token
        unambiguous = self._hellos_sent == 1 and self._hello_sent_at is not None
        connection = Connection(
            is_client=True,
            cid=remote.cid,
            send_secret=keys.client_to_server,
            recv_secret=keys.server_to_client,
            local=self._promise,
            remote=remote,
            config=self._config,
            address=self._server,
            now=now,
            rtt_s=now - (self._hello_sent_at or now) if unambiguous else None,
            random=self._random,
            dirty=self._mark_dirty,
        )
        self.connection = connection
        connection.handler = self._handler
        self._handler.connected(connection)
        # The server may not send before it has heard from us: a client with nothing to say speaks first too.
        connection.flush()

    def _receive_reset(self, data: bytes) -> None:
        token = decode_reset(data)
        if not self._reset_token or not hmac.compare_digest(token, self._reset_token):
            raise ProtocolError(CloseCode.PROTOCOL_VIOLATION, "reset_token")
        self.stats.resets += 1
        self._end(CloseCode.IDLE, "the server no longer knows this connection", remote=True)

    def _check_attempt(self, attempt_id: bytes) -> None:
        if attempt_id != self._attempt_id:
            raise ProtocolError(CloseCode.PROTOCOL_VIOLATION, "attempt_id")

    def _make_hello(self, cookie: bytes) -> bytes:
        assert self._noise is not None
        credentials = self._credentials
        return Hello(
            VERSION, self._attempt_id, credentials.app_id, cookie, credentials.token, self._noise.message
        ).encode()

    def _send_hello_or_fail(self, out: list[bytes], now: float) -> None:
        sent = self._hellos_sent
        if sent > len(HELLO_INTERVALS_S):
            self._end(CloseCode.IDLE, "no answer from the server", remote=False)
            return
        self._deadline = now + (HELLO_INTERVALS_S[sent] if sent < len(HELLO_INTERVALS_S) else LAST_WAIT_S)
        self._hellos_sent = sent + 1
        self._hello_sent_at = now
        self.stats.hellos += 1
        out.append(self._hello)

    def _mark_dirty(self, connection: Connection) -> None:
        self._dirty = True
        if not self._awake:
            self._awake = True
            self.wake()

    def _end(self, code: int, reason: str, *, remote: bool) -> None:
        """The end without a CLOSE: nothing more is sent, the handler is told once."""
        if self.is_closed:
            return
        self._over = True
        self.stats.connections = 0
        self.stats.ended = 1
        if self.connection is not None:
            self.connection.abandon(code, reason, remote)
        else:
            self._handler.connection_closed(code, reason, remote)
