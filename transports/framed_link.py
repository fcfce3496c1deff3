"""The link of every transport that carries whole byte strings: frames in, frames out, a queue between.

The transport below (a `Carrier`) moves byte strings; this link turns them into messages and back and fills
`hub.ports.Link`. docs/protocol/websocket.md, section "Frames".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from hub.ports import LinkHandler, QueueFull, SharedBlock
from messaging.link_frames import MAX_FRAME_DATA_BYTES, MAX_KEY, encode_frame, iterate_frames
from netcore.codes import CloseCode
from netcore.delivery import Delivery
from netcore.errors import ProtocolError
from transports.outgoing import OutgoingQueue, QueueLimits

MAX_KEYS_PER_LANE: Final = 256
"""Different keys a sender may use on one sequenced lane, the same on every transport."""

_SEQUENCED: Final = Delivery.SEQUENCED


class Carrier(Protocol):
    """What moves a framed link's byte strings."""

    @property
    def rtt_s(self) -> float | None:
        """Smoothed round trip in seconds, None before the first sample."""

    def wake(self) -> None:
        """The link has something to send: ask it with `take` at the end of the present wake-up."""

    def drain(self) -> None:
        """Take what fits at once: the link's queue is full."""

    def finish(self, code: int, reason: str) -> None:
        """Send what the link still holds, tell the remote `code`, end; `ended` follows, not from here."""

    def counters(self) -> dict[str, float]:
        """The carrier's own counters."""


class FramedLink:
    """A `hub.ports.Link` over byte strings. The carrier makes it and sets `handler` once attached."""

    __slots__ = (
        "_carrier",
        "_closed",
        "_ended",
        "_keys",
        "_max_message_bytes",
        "_messages_in",
        "_messages_out",
        "_receive_kinds",
        "_send_kinds",
        "handler",
        "queue",
        "transport",
    )

    def __init__(
        self,
        transport: str,
        carrier: Carrier,
        limits: QueueLimits,
        max_message_bytes: int = MAX_FRAME_DATA_BYTES,
    ) -> None:
        """`transport` is the name towards the hub; messages hold up to `max_message_bytes`, both ways."""
        self.transport = transport
        self.handler: LinkHandler | None = None
        self.queue = OutgoingQueue(limits)
        self._carrier = carrier
        self._max_message_bytes = max_message_bytes
        self._send_kinds: dict[int, Delivery] = {}
        self._receive_kinds: dict[int, Delivery] = {}
        self._keys: dict[int, set[int]] = {}
        self._messages_in = 0
        self._messages_out = 0
        self._closed = False
        self._ended = False

    @property
    def is_closed(self) -> bool:
        """True once either side has closed: nothing more is delivered or queued."""
        return self._closed

    @property
    def rtt_s(self) -> float | None:
        """Smoothed round trip in seconds, None before the first sample."""
        return self._carrier.rtt_s

    def shared_sender(self, lane: int) -> Callable[[SharedBlock], None]:
        """A call that queues shared messages on a sequenced lane (see `hub.ports.Link.shared_sender`)."""

        def send(block: SharedBlock) -> None:
            for message in block.messages:
                self.send(lane, Delivery.SEQUENCED, message.data, message.key)

        return send

    def send(self, lane: int, kind: Delivery, data: bytes, key: int = 0) -> None:
        """Queue one message (see `hub.ports.Link.send`).

        Raises `hub.ports.QueueFull` for a reliable or ordered message at the cap, `ValueError` for a message
        that is too large, a lane or key out of range, or a lane that carries another kind.
        """
        if self._closed:
            return
        if len(data) > self._max_message_bytes:
            raise ValueError(f"a message of {len(data)} bytes where {self._max_message_bytes} are allowed")
        frame = encode_frame(lane, kind, key, data)
        if self._send_kinds.setdefault(lane, kind) is not kind:
            raise ValueError(f"lane {lane} carries {self._send_kinds[lane].name}, not {kind.name}")
        try:
            self.queue.put(lane, kind, key, frame)
        except QueueFull:
            # The wake-up may not have ended yet: the receiver is slow only if the stream is stuck too.
            self._carrier.drain()
            self.queue.put(lane, kind, key, frame)
        self._messages_out += 1

    def flush(self) -> None:
        """Send what is queued when the present wake-up ends."""
        self._carrier.wake()

    def close(self, code: int, reason: str = "") -> None:
        """Send what is queued, tell the remote `code`, end. `link_closed` follows once, not from here."""
        if self._closed:
            return
        self._closed = True
        if code == CloseCode.SLOW_CONSUMER:
            # The receiver could not take it; its session replays what counts on the next link.
            self.queue.clear()
        self._carrier.finish(code, reason)

    def stats(self) -> dict[str, float]:
        """Counters of this link and its carrier."""
        counters = self._carrier.counters()
        counters.update(
            messages_in=self._messages_in,
            messages_out=self._messages_out,
            queued_messages=len(self.queue),
            queued_bytes=self.queue.size_bytes,
            dropped=self.queue.dropped,
            replaced=self.queue.replaced,
        )
        return counters

    def take(self, budget_bytes: int) -> bytes:
        """The next byte string to carry, empty where nothing waits. For the carrier."""
        return b"".join(self.queue.take(budget_bytes))

    def receive(self, payload: bytes) -> None:
        """Deliver one received byte string's messages. For the carrier.

        Raises `ProtocolError` for bytes that break a rule; messages before the bad frame have been delivered.
        """
        handler = self.handler
        if handler is None:
            raise ProtocolError(CloseCode.PROTOCOL_VIOLATION, "message_before_token")
        for lane, kind, key, data in iterate_frames(payload, max_data_bytes=self._max_message_bytes):
            if self._closed:
                return
            if self._receive_kinds.setdefault(lane, kind) is not kind:
                raise ProtocolError(CloseCode.PROTOCOL_VIOLATION, "lane_kind")
            if kind is _SEQUENCED:
                self._check_key(lane, key)
            self._messages_in += 1
            handler.link_message(lane, kind, key, data)

    def _check_key(self, lane: int, key: int) -> None:
        keys = self._keys.get(lane)
        if keys is None:
            keys = self._keys[lane] = set()
        keys.add(key)
        if len(keys) > MAX_KEYS_PER_LANE or key > MAX_KEY:
            raise ProtocolError(CloseCode.LIMIT_EXCEEDED, "sequenced_keys")

    def ended(self, code: int, reason: str, remote: bool) -> None:
        """The carrier is gone. Tells the handler, once, however often the carrier says so."""
        self._closed = True
        if self._ended:
            return
        self._ended = True
        self.queue.clear()
        if self.handler is not None:
            self.handler.link_closed(code, reason, remote)
