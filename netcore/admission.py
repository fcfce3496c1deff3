"""Admission: all that a server does for a HELLO, up to the moment there is a connection.

docs/protocol/ncp.md, section 5. The order of the checks is the defence: each is dearer than the one before,
and neither memory nor a public-key operation is spent on anyone who has not shown the pre-shared key.
"""

from __future__ import annotations

import hmac
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from netcore.address import Address, TrustedNetworks, pack_address, rate_group
from netcore.address_buckets import AddressBuckets
from netcore.codes import CloseCode
from netcore.connection_ids import ConnectionIds
from netcore.cookie import CookieJar
from netcore.datagrams import (
    RESET_TOKEN_BYTES,
    Hello,
    decode_hello,
    encode_accept,
    encode_retry,
    encode_versions,
    hello_attempt_id,
)
from netcore.endpoint import EndpointStats
from netcore.errors import ProtocolError
from netcore.noise import KEY_BYTES, Responder, SessionKeys
from netcore.params import Params, promise_of
from netcore.server_config import ServerConfig
from netcore.token import VERSION, OpenedToken, TokenGate, token_id_of

SUPPORTED_VERSIONS: Final = (VERSION,)
_EVERYONE: Final = b""


class HalfOpen:
    """A handshake whose ACCEPT is out and whose first DATA has not come."""

    __slots__ = (
        "accept",
        "accept_at",
        "address",
        "cid",
        "claims",
        "expires_at",
        "hello",
        "keys",
        "local",
        "packed",
        "remote",
    )

    def __init__(
        self,
        hello: Hello,
        opened: OpenedToken,
        address: Address,
        packed: bytes,
        cid: bytes,
        local: Params,
        remote: Params,
        accept: bytes,
        keys: SessionKeys,
        now: float,
        expires_at: float,
    ) -> None:
        """Holds the keys, the answer and what a connection needs; about 2 kB."""
        self.address = address
        """Where the ACCEPT went: whoever answers from there with its keys has proved the address too."""
        self.packed = packed
        self.hello = hello
        self.claims = opened.claims
        self.cid = cid
        self.local = local
        self.remote = remote
        self.accept = accept
        self.keys = keys
        self.accept_at: float | None = now
        """When the ACCEPT was sent; None once it was sent twice, for then it gives no round trip."""
        self.expires_at = expires_at

    @property
    def token_id(self) -> bytes:
        """The token that this handshake holds."""
        return token_id_of(self.hello.token)

    def is_repeated_by(self, hello: Hello) -> bool:
        """True for the HELLO that began this handshake, whatever cookie it carries this time."""
        mine = self.hello
        return (
            hello.attempt_id == mine.attempt_id
            and hello.message == mine.message
            and hello.token == mine.token
            and hello.app_id == mine.app_id
        )


class Admission:
    """Turns HELLOs into RETRY, VERSIONS or ACCEPT, and keeps the half-open handshakes."""

    def __init__(
        self,
        config: ServerConfig,
        tokens: TokenGate,
        ids: ConnectionIds,
        stats: EndpointStats,
        *,
        random: Callable[[int], bytes],
        wall: Callable[[], float],
    ) -> None:
        """`wall` gives Unix seconds, for the tokens' windows only."""
        self._config = config
        self._tokens = tokens
        self._ids = ids
        self._stats = stats
        self._random = random
        self._wall = wall
        self._cookies = CookieJar(random)
        self._promise = promise_of(config.connection)
        self._trusted = TrustedNetworks(config.trusted_networks)
        # Endpoints that share a gate must not both take one HELLO.
        self._holder = random(8)
        self._reset_key = config.reset_key or random(32)
        self._by_address = AddressBuckets(config.address_hellos_per_s, config.address_hello_burst)
        self._in_all = AddressBuckets(config.hellos_per_s, max(1.0, config.hellos_per_s / 4), cap=1)
        self._resets = AddressBuckets(config.address_resets_per_s, max(1.0, config.address_resets_per_s))
        self._by_token: dict[bytes, HalfOpen] = {}
        self._by_cid: dict[bytes, HalfOpen] = {}
        self._in_order: deque[HalfOpen] = deque()

    def answer_hello(self, data: bytes, addr: Address, now: float) -> bytes | None:
        """The datagram to send back to `addr`, never longer than `data`; None where the HELLO was dropped."""
        self._stats.hellos += 1
        try:
            hello = decode_hello(data)
            if hello.app_id != self._tokens.app_id:
                raise ProtocolError(CloseCode.NOT_ALLOWED, "app_id")
            packed = pack_address(addr)
            proved = bool(hello.cookie) and self._cookies.check(
                hello.cookie, packed, hello.attempt_id, hello.ephemeral, now
            )
            half = self._by_token.get(token_id_of(hello.token))
            if not proved and not self._may_pass(half, packed, now):
                self._stats.retries += 1
                cookie = self._cookies.bake(packed, hello.attempt_id, hello.ephemeral, now)
                return encode_retry(hello.attempt_id, cookie)
            if half is not None:
                return self._repeat(half, hello, addr, packed)
            return self._accept(hello, addr, packed, now)
        except ProtocolError as error:
            if error.text == "version":
                self._stats.versions += 1
                return encode_versions(hello_attempt_id(data), SUPPORTED_VERSIONS)
            if error.code == CloseCode.TOKEN_REFUSED:
                self._stats.tokens_refused += 1
            self._stats.drop(error.text)
            return None

    def answer_stray(self, cid: bytes, addr: Address, now: float) -> bytes | None:
        """The reset token for DATA of an unknown connection, or None where none may be sent."""
        if not self._ids.is_mine(cid):
            self._stats.drop("other_worker")
        elif self._ids.is_silent(cid, now):
            self._stats.drop("late")
        else:
            packed = pack_address(addr)
            if packed in self._trusted or self._resets.take(rate_group(packed), now):
                self._stats.resets += 1
                return self._reset_token(cid, packed)
            self._stats.drop("reset_limit")
        return None

    def half_open(self, cid: bytes) -> HalfOpen | None:
        """The handshake that gave out this connection id."""
        return self._by_cid.get(cid)

    def establish(self, half: HalfOpen) -> None:
        """The client's first DATA is authentic: the token is used, the handshake is over."""
        self._tokens.consume(half.token_id)
        self._remove(half)

    def expire(self, now: float) -> None:
        """Forget handshakes that waited too long; their tokens may be used again."""
        while self._in_order and self._in_order[0].expires_at <= now:
            half = self._in_order.popleft()
            if self._by_cid.get(half.cid) is half:
                self._remove(half)
                self._tokens.release(half.token_id)
                self._ids.forget(half.cid)
                self._stats.drop("half_open_expired")

    def next_expiry(self) -> float | None:
        """When `expire` has work again."""
        while self._in_order and self._by_cid.get(self._in_order[0].cid) is not self._in_order[0]:
            self._in_order.popleft()
        return self._in_order[0].expires_at if self._in_order else None

    def _may_pass(self, half: HalfOpen | None, packed: bytes, now: float) -> bool:
        """False where a HELLO without a valid cookie has to bring one first."""
        if self._config.retry == "always" or len(self._by_cid) > self._config.retry_above_half_open:
            return False
        if half is not None and half.packed != packed:
            # Had both addresses got the ACCEPT, DATA from one would not prove that its sender sits there.
            return False
        if packed not in self._trusted and not self._by_address.take(rate_group(packed), now):
            return False
        return self._in_all.take(_EVERYONE, now)

    def _repeat(self, half: HalfOpen, hello: Hello, addr: Address, packed: bytes) -> bytes:
        """The same ACCEPT again, for the same HELLO again. Raises `ProtocolError` for another one."""
        if not half.is_repeated_by(hello):
            raise ProtocolError(CloseCode.TOKEN_REFUSED, "token_pending")
        half.address, half.packed = addr, packed
        half.accept_at = None
        self._stats.accepts += 1
        return half.accept

    def _accept(self, hello: Hello, addr: Address, packed: bytes, now: float) -> bytes:
        """The ACCEPT for a HELLO that is worth a look. Raises `ProtocolError`, the cheap reasons first."""
        wall_now = self._wall()
        opened = self._tokens.open(hello.token, wall_now)
        responder = Responder(opened.psk, hello.prologue(), hello.message)
        remote = Params.decode(responder.payload)
        _check_version(hello.version, remote.versions)
        if len(self._by_cid) >= self._config.half_open_cap:
            raise ProtocolError(CloseCode.LIMIT_EXCEEDED, "half_open_cap")
        self._tokens.reserve(opened, self._holder + hello.ephemeral, wall_now)
        try:
            half = self._answer(hello, opened, responder, remote, addr, packed, now)
        except ProtocolError:
            self._tokens.release(opened.token_id)
            raise
        self._by_token[opened.token_id] = self._by_cid[half.cid] = half
        self._in_order.append(half)
        self._stats.half_open = len(self._by_cid)
        self._stats.accepts += 1
        return half.accept

    def _answer(
        self,
        hello: Hello,
        opened: OpenedToken,
        responder: Responder,
        remote: Params,
        addr: Address,
        packed: bytes,
        now: float,
    ) -> HalfOpen:
        """The public-key work. Raises `ProtocolError` where the client's key is no good one."""
        cid = self._ids.take(now)
        local = replace(
            self._promise,
            cid=int.from_bytes(cid, "big"),
            reset_token=self._reset_token(cid, packed),
            server_time_us=int(now * 1e6),
        )
        try:
            message, keys = responder.accept(self._random(KEY_BYTES), local.encode())
        except ProtocolError:
            self._ids.forget(cid)
            raise
        accept = encode_accept(hello.attempt_id, message)
        expires_at = now + self._config.half_open_s
        return HalfOpen(hello, opened, addr, packed, cid, local, remote, accept, keys, now, expires_at)

    def _reset_token(self, cid: bytes, packed: bytes) -> bytes:
        return hmac.digest(self._reset_key, cid + packed, "sha256")[:RESET_TOKEN_BYTES]

    def _remove(self, half: HalfOpen) -> None:
        del self._by_cid[half.cid]
        del self._by_token[half.token_id]
        self._stats.half_open = len(self._by_cid)


def _check_version(used: int, offered: tuple[int, ...]) -> None:
    """Raises `ProtocolError` where both sides speak a later version: someone tampered with the choice."""
    if max((version for version in offered if version in SUPPORTED_VERSIONS), default=used) != used:
        raise ProtocolError(CloseCode.VERSION, "downgrade")
