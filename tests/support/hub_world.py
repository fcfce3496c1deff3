"""A hub on a made-up clock, with fake links and clients that speak the protocol."""

from __future__ import annotations

import heapq
import itertools
import random as stdlib_random
from collections.abc import Callable
from typing import Any

from hub.config import HubConfig
from hub.hub import Hub
from hub.keys import KeyRing
from hub.ports import LinkHandler, QueueFull, SharedBlock
from hub.requests import ConnectAnswer, ConnectRequest, LinkOffer
from messaging.claims import decode_claims
from messaging.control import (
    Attach,
    Leave,
    StreamAck,
    Welcome,
    decode_control,
    encode_link_control,
    encode_stream_control,
)
from messaging.envelope import Delivered, decode_delivery, encode_publication
from messaging.lanes import CONTROL, DEFAULT_APPLICATION_LANE, TIME
from messaging.stream import StreamReceiver, StreamSender
from netcore.delivery import Delivery
from stores.memory import MemoryLog


class FakeTimer:
    def __init__(self) -> None:
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class FakeClock:
    """Time that only passes when told to."""

    def __init__(self) -> None:
        self.time = 1000.0
        self._queue: list[tuple[float, int, FakeTimer, Callable[[], None]]] = []
        self._count = itertools.count()

    def now(self) -> float:
        return self.time

    def wall(self) -> float:
        return 1_700_000_000.0 + self.time

    def call_at(self, when: float, callback: Callable[[], None]) -> FakeTimer:
        timer = FakeTimer()
        heapq.heappush(self._queue, (when, next(self._count), timer, callback))
        return timer

    def pending(self) -> int:
        """How many calls are to come."""
        return sum(not timer.cancelled for _, _, timer, _ in self._queue)

    def advance(self, seconds: float) -> None:
        end = self.time + seconds
        while self._queue and self._queue[0][0] <= end:
            when, _, timer, callback = heapq.heappop(self._queue)
            self.time = max(self.time, when)
            if not timer.cancelled:
                callback()
        self.time = end


class FakeLink:
    """Keeps what the hub sends; `flushed` is what would be on the wire."""

    rtt_s = None

    def __init__(self, transport: str = "udp") -> None:
        self.transport = transport
        self.queued: list[tuple[int, Delivery, bytes, int]] = []
        self.flushed: list[tuple[int, Delivery, bytes, int]] = []
        self.flushes = 0
        self.closed: tuple[int, str] | None = None
        self.full = False
        self.cap_bytes = 1 << 30
        self.under_way = 0  # bytes of reliable messages since the other end last read
        self.handler: LinkHandler | None = None

    def shared_sender(self, lane: int) -> Callable[[SharedBlock], None]:
        def send(block: SharedBlock) -> None:
            for message in block.messages:
                self.send(lane, Delivery.SEQUENCED, message.data, message.key)

        return send

    def send(self, lane: int, kind: Delivery, data: bytes, key: int = 0) -> None:
        assert isinstance(data, bytes)
        if self.closed is None:
            if kind.is_reliable:
                self.under_way += len(data)
                if self.full or self.under_way > self.cap_bytes:
                    raise QueueFull
            self.queued.append((lane, kind, data, key))

    def flush(self) -> None:
        self.flushes += 1
        self.flushed += self.queued
        self.queued.clear()

    def close(self, code: int, reason: str = "") -> None:
        if self.closed is None:
            self.flush()
            self.closed = (code, reason)
            if self.handler is not None:
                self.handler.link_closed(code, reason, False)

    def stats(self) -> dict[str, float]:
        return {}

    def break_(self) -> None:
        """The transport loses it."""
        if self.closed is None:
            self.closed = (-1, "lost")
            assert self.handler is not None
            self.handler.link_closed(0x88, "idle", False)


class FakeMint:
    def __init__(self) -> None:
        self.minted: list[tuple[str, bytes]] = []

    def mint(self, transport: str, claims: bytes) -> LinkOffer:
        self.minted.append((transport, claims))
        return LinkOffer(transport, b"token:" + claims, None, 1, 0, 0.0)


class HubWorld:
    """One hub and whatever a test needs around it."""

    def __init__(self, rooms: Any = None, seed: int = 1, **config: Any) -> None:
        self.random = stdlib_random.Random(seed)
        self.clock = FakeClock()
        self.keys = KeyRing()
        self.key = self.keys.issue("dev-1", self.random.randbytes)
        self.log = MemoryLog(self.random.randbytes)
        self.mint = FakeMint()
        self.hub = Hub(
            HubConfig(**config),
            clock=self.clock,
            random=self.random.randbytes,
            keys=self.keys,
            log=self.log,
            mint=self.mint,
            rooms=rooms,
        )

    def request(self, name: str = "ann", channel: str = "room", **fields: Any) -> ConnectRequest:
        fields.setdefault("api_key", self.key)
        fields.setdefault("proof", bytes(32))
        fields.setdefault("remote_address", "192.0.2.1")
        return ConnectRequest(channel_name=channel, agent_name=name, **fields)

    def connect(self, name: str = "ann", channel: str = "room", **fields: Any) -> ConnectAnswer:
        return self.hub.connect(self.request(name, channel, **fields))

    def client(self, name: str = "ann", channel: str = "room", **fields: Any) -> Client:
        """A client with a link, attached."""
        client = Client(self, self.connect(name, channel, **fields))
        client.attach()
        return client

    def clients(self, count: int, **fields: Any) -> list[Client]:
        return [self.client(f"agent-{number}", **fields) for number in range(count)]


class Client:
    """The other end of a session: streams, presence and messages, as a client library would keep them."""

    def __init__(self, world: HubWorld, answer: ConnectAnswer) -> None:
        self.world = world
        self.answer = answer
        self.session_id = answer.session_id
        self.claims = [offer.token.removeprefix(b"token:") for offer in answer.links]
        self.link = FakeLink()
        self.handler: LinkHandler | None = None
        self.welcome: Welcome | None = None
        self.out = StreamSender()
        self.inbound = StreamReceiver()
        self.controls: list[Any] = []
        self.messages: list[tuple[int, Delivered]] = []
        self.other: list[tuple[int, bytes]] = []
        self.acks: list[int] = []

    def open(self, transport: str = "udp") -> FakeLink:
        """A new link whose token was proved; no ATTACH yet."""
        claims = next(c for c in self.claims if decode_claims(c).transport == transport)
        self.link = FakeLink(transport)
        self.handler = self.link.handler = self.world.hub.attach(claims, self.link)
        return self.link

    def attach(self, transport: str = "udp") -> Welcome:
        """A new link, ATTACH, and what the server answers."""
        self.open(transport)
        self.raw(CONTROL, Delivery.ORDERED, encode_link_control(Attach(self.inbound.cumulative)))
        self.take()
        assert self.welcome is not None
        return self.welcome

    def reattach(self) -> Welcome:
        """As `attach`, with what a client does for its own stream."""
        welcome = self.attach()
        for message in (self.out.resume(welcome.received), *self.out.replay(self.world.clock.now()))[1:]:
            self.raw(message.lane, message.kind, message.wire())  # type: ignore[union-attr]
        return welcome

    def raw(self, lane: int, kind: Delivery, data: bytes, key: int = 0) -> None:
        assert self.handler is not None
        self.handler.link_message(lane, kind, key, data)

    def send(
        self,
        content: bytes,
        kind: Delivery = Delivery.ORDERED,
        *,
        type: int | str = 0,
        key: int = 0,
        lane: int | None = None,
        to: int | None = None,
        persistent: bool = False,
        **flags: Any,
    ) -> None:
        lane = DEFAULT_APPLICATION_LANE[kind] if lane is None else lane
        data = encode_publication(type, content, to=to, persistent=persistent, **flags)
        if kind.is_reliable:
            data = self.out.push(self.world.clock.now(), lane, kind, data)
        self.raw(lane, kind, data, key)

    def leave(self) -> None:
        head, body = encode_stream_control(Leave())
        self.raw(CONTROL, Delivery.ORDERED, self.out.push(0.0, CONTROL, Delivery.ORDERED, body, head=head))

    def take(self) -> None:
        """Read everything that is on the wire."""
        flushed, self.link.flushed = self.link.flushed, []
        self.link.under_way = 0
        for lane, _, data, _ in flushed:
            if lane == CONTROL:
                self._control(data)
            elif lane == TIME:
                self.other.append((lane, data))
            elif lane in (1, 2):
                if self.inbound.accept(int.from_bytes(data[:2], "big"), len(data)):
                    self.messages.append((lane, decode_delivery(data[2:], lane)))
            else:
                self.messages.append((lane, decode_delivery(data, lane)))

    def _control(self, data: bytes) -> None:
        message, number = decode_control(data)
        if number is not None:
            if self.inbound.accept(number, len(data)):
                self.controls.append(message)
        elif isinstance(message, Welcome):
            self.welcome = message
            self.inbound.skip(message.missed)
        elif isinstance(message, StreamAck):
            self.acks.append(message.received)
            self.out.acknowledged(message.received)

    def acknowledge(self) -> None:
        """Tell the server what has arrived."""
        self.raw(CONTROL, Delivery.ORDERED, encode_link_control(StreamAck(self.inbound.acknowledge())))

    def contents(self) -> list[bytes]:
        """The contents that arrived since last asked."""
        self.take()
        messages, self.messages = self.messages, []
        return [message.content for _, message in messages]

    def news(self) -> list[Any]:
        """The in-stream control messages that arrived since last asked."""
        self.take()
        controls, self.controls = self.controls, []
        return controls
