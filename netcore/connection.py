"""A connection: the parts of one remote's state, joined (docs/protocol/ncp.md, sections 7 to 13).

Sans-I/O: datagrams and time come in, datagrams and the next timer go out. What the parts do stands in their
own files; here is only who is told when.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from netcore.acks import ReceivedPackets
from netcore.address import Address
from netcore.closing import Closing, Phase
from netcore.codes import CloseCode
from netcore.config import ConnectionConfig
from netcore.congestion import CONTROLLERS, CongestionController
from netcore.delivery import Delivery
from netcore.errors import ProtocolError
from netcore.fragments import MESSAGE_COST
from netcore.frames import MAX_LANE, SLOTS, FrameLane, Gaps, parse
from netcore.keys import packet_keys
from netcore.lane import PLAIN_LANES, LaneOptions
from netcore.outgoing import Outgoing
from netcore.pacing import Pacer
from netcore.packet import PacketOpener, PacketSealer
from netcore.params import MIN_UDP_PAYLOAD, Params
from netcore.receive_lanes import Inbox
from netcore.recovery import TIMER_SLACK_S, Recovery
from netcore.reliable_lane import ReliableBudget, ReliableSender
from netcore.rtt import RttEstimator
from netcore.send_lanes import UnreliableSender
from netcore.sequenced_lane import SequencedSender
from netcore.settled import SettledSender
from netcore.shared import SharedBlock
from netcore.stats import ConnectionStats
from netcore.varint import MAX_VARINT

_FollowedLane = ReliableSender | SettledSender
_SendLane = UnreliableSender | SequencedSender | _FollowedLane
_OPEN: Final = Phase.OPEN
_DRAINING: Final = Phase.DRAINING
_CLOSING: Final = Phase.CLOSING
_CLOSED: Final = Phase.CLOSED


class ConnectionHandler(Protocol):
    """Who a connection tells. Calls come directly from `receive_packet`, `datagrams_to_send` and
    `handle_timer`; they may send, flush and close."""

    def message_received(self, lane: int, kind: Delivery, key: int, data: bytes) -> None:
        """One whole message arrived."""

    def connection_closed(self, code: int, reason: str, remote: bool) -> None:
        """The connection ended; `remote` tells whether the other side said so. Called once, last."""


class _Nobody:
    """The handler until the endpoint sets one."""

    def message_received(self, lane: int, kind: Delivery, key: int, data: bytes) -> None:
        pass

    def connection_closed(self, code: int, reason: str, remote: bool) -> None:
        pass


class _Arrivals:
    """The connection as `frames.parse` sees it: bound methods in slots, so that a frame costs one call."""

    __slots__ = ("ack", "close", "lanes", "open_lane", "path_challenge", "path_response")

    def __init__(
        self, inbox: Inbox, recovery: Recovery, outgoing: Outgoing, close: Callable[[int, str], None]
    ) -> None:
        self.lanes = inbox.lanes
        self.open_lane = inbox.open_lane
        self.path_challenge = outgoing.answer_path
        self.path_response: Callable[[bytes], None] = _ignore
        self.ack = recovery.on_ack
        self.close = close


class _ClosingArrivals:
    """The same once CLOSE was sent: only the remote's own CLOSE matters."""

    __slots__ = ("closed", "lanes")

    def __init__(self) -> None:
        self.closed = False
        self.lanes: list[FrameLane | None] = [self] * SLOTS

    def open_lane(self, slot: int) -> FrameLane:
        return self

    def message(self, number: int, key: int, data: bytes) -> None:
        pass

    def fragment(self, number: int, key: int, index: int, last: int, data: bytes) -> None:
        pass

    def ack(self, largest: int, delay: int, first: int, gaps: Gaps) -> None:
        pass

    def path_challenge(self, data: bytes) -> None:
        pass

    def path_response(self, data: bytes) -> None:
        pass

    def close(self, code: int, reason: str) -> None:
        self.closed = True


class _NoLane:
    """What a closed connection queues into."""

    kind = None

    def put(self, data: bytes, key: int, ttl_s: float | None) -> None:
        pass


_NO_LANE: Final = _NoLane()


def _ignore(what: object) -> None:
    """For answers to a challenge, of which none of ours is ever out, and for messages after the end."""


class Connection:
    """Delivery state for one remote. Made by an endpoint once the handshake left two secrets.

    A client's connection starts with a PING waiting, so that its first `flush` proves the client to the
    server; the server's sends nothing before its first authentic packet.
    """

    __slots__ = (
        "__weakref__",
        "_acks",
        "_arrivals",
        "_budget",
        "_closing",
        "_config",
        "_congestion",
        "_dirty",
        "_followed_lanes",
        "_handler",
        "_heard_at",
        "_idle_s",
        "_inbox",
        "_is_dirty",
        "_keepalive_s",
        "_opener",
        "_outgoing",
        "_phase",
        "_pinged_at",
        "_recovery",
        "_sealer",
        "_send_lanes",
        "address",
        "cid",
        "claims",
        "established",
        "is_client",
        "stats",
    )

    def __init__(
        self,
        *,
        is_client: bool,
        cid: int,
        send_secret: bytes,
        recv_secret: bytes,
        local: Params,
        remote: Params,
        config: ConnectionConfig,
        address: Address,
        now: float,
        rtt_s: float | None,
        random: Callable[[int], bytes],
        dirty: Callable[[Connection], None],
    ) -> None:
        """`rtt_s` is the handshake's round trip; `dirty(self)` says that there is something to send, at most
        once until the next `datagrams_to_send`. `random` is for path challenges."""
        self.is_client = is_client
        self.cid = cid
        self.address = address
        self.claims = b""
        self.established = is_client
        """False at a server until the client's first packet authenticated."""
        self.stats = ConnectionStats(self._gauges)
        self._config = config
        self._dirty = dirty
        self._is_dirty = False
        self._phase = _OPEN
        self._closing = Closing()
        self._heard_at = self._pinged_at = now
        self._idle_s = min(local.idle_timeout_s, remote.idle_timeout_s)
        self._keepalive_s = min(config.keepalive_s or self._idle_s / 3, self._idle_s / 3)
        self._sealer = PacketSealer(packet_keys(send_secret), cid if is_client else None)
        self._opener = PacketOpener(packet_keys(recv_secret), has_cid=not is_client)
        self._congestion: CongestionController = CONTROLLERS[config.congestion](
            config.window_bytes, config.rate_bytes_per_s
        )
        self._acks = ReceivedPackets(config.max_ack_delay_s)
        rtt = RttEstimator(config.initial_rtt_s, rtt_s)
        self._recovery = Recovery(
            rtt,
            self._congestion,
            self._sealer,
            config.max_ack_delay_s,
            self._acks.forget_up_to,
            self.flush,
        )
        # Larger packets wait for path MTU probing; every path takes 1,200 bytes, HELLO has shown it.
        max_packet = min(MIN_UDP_PAYLOAD, remote.max_udp_payload)
        self._outgoing = Outgoing(
            self._sealer,
            self._acks,
            self._recovery,
            self._congestion,
            Pacer(max_packet, now),
            self.stats,
            max_packet,
        )
        self._outgoing.ping = is_client
        self._inbox = Inbox(
            max_message=local.max_message,
            recv_budget=local.recv_budget,
            reassembly_bytes=config.reassembly_bytes,
            stats=self.stats,
        )
        self._budget = ReliableBudget(
            max_message=min(config.max_message_bytes, remote.max_message, remote.recv_budget - MESSAGE_COST),
            recv_budget=remote.recv_budget,
            queue_bytes=config.queue_reliable_bytes,
            queue_messages=config.queue_reliable_messages,
            wake=self.flush,
        )
        self._send_lanes: dict[int, _SendLane] = {}
        self._followed_lanes: list[_FollowedLane] = []
        self._handler: ConnectionHandler = _Nobody()
        self._arrivals = _Arrivals(self._inbox, self._recovery, self._outgoing, self._on_close)

    # -- what the application uses ---------------------------------------------------------------------------

    @property
    def handler(self) -> ConnectionHandler:
        """Who is told of messages and of the end."""
        return self._handler

    @handler.setter
    def handler(self, handler: ConnectionHandler) -> None:
        self._handler = handler
        if self._phase is _OPEN:
            self._inbox.deliver = handler.message_received

    def configure_lane(self, lane: int, options: LaneOptions) -> None:
        """How `lane` sends, said before its first message. Raises `ValueError` for a lane in use. Nothing once
        closed."""
        if lane in self._send_lanes:
            raise ValueError(f"lane {lane} is in use already; it is configured before its first message")
        self._open_lane(lane, options.kind, options)

    def send(self, lane: int, kind: Delivery, data: bytes, key: int = 0, ttl_s: float | None = None) -> None:
        """Queue one message; it leaves with the next flush, acknowledgement or timer. Nothing once closed.

        A lane (0 to 63) keeps the kind of its first message. `key` is for sequenced lanes: the newest
        message of each key wins. `ttl_s` is for unreliable ones. Raises `ValueError` for a caller's mistake
        and `QueueFull` where a reliable or ordered message exceeds the queue's cap.
        """
        out = self._send_lanes.get(lane)
        if out is None or out.kind is not kind:
            self._open_lane(lane, kind).put(data, key, ttl_s)
        else:
            out.put(data, key, ttl_s)

    def shared_sender(self, lane: int) -> Callable[[SharedBlock], None]:
        """A call that queues shared messages on a sequenced lane, as `send` would, with nothing in between.

        What it takes once the connection is closed goes nowhere. Raises `ValueError` for a lane of another kind.
        """
        out = self._open_lane(lane, Delivery.SEQUENCED)
        return out.put_shared if isinstance(out, SequencedSender) else _ignore

    def flush(self) -> None:
        """What is queued goes out at the end of this wake-up."""
        if not self._is_dirty and self._phase is not _CLOSED:
            self._is_dirty = True
            self._dirty(self)

    def close(self, code: int = 0, reason: str = "", drain_s: float = 1.0) -> None:
        """Take no more messages; send what is queued; once it is acknowledged, or after `drain_s`, send
        CLOSE.

        Messages that still arrive are not delivered. The handler's `connection_closed` comes when CLOSE
        leaves. Closing again changes nothing.
        """
        if not 0 <= code <= MAX_VARINT:
            raise ValueError(f"close code {code} out of range, must be 0 to {MAX_VARINT}")
        if self._phase is not _OPEN:
            return
        self._inbox.discard()
        self._send_lanes = {}
        self._closing.begin(code, reason, drain_s)
        self._phase = _DRAINING
        self.flush()

    def abandon(self, code: int, reason: str, remote: bool) -> None:
        """End at once and in silence: the endpoint learned that the other side is gone (RESET)."""
        if self._phase is not _CLOSED:
            self._finish(code, reason, remote)

    @property
    def rtt_s(self) -> float | None:
        """Smoothed round trip in seconds, None before the first sample."""
        rtt = self._recovery.rtt
        return rtt.smoothed if rtt.count else None

    @property
    def is_closed(self) -> bool:
        """True once nothing will be sent or delivered any more; the endpoint may forget the connection."""
        return self._phase is _CLOSED

    # -- what the endpoint uses ------------------------------------------------------------------------------

    def receive_packet(self, data: bytes, addr: Address, now: float) -> bool:
        """Handle a whole DATA datagram. True where it was authentic and new."""
        if addr != self.address:
            # Migration goes here: an authentic packet with the largest number so far moves the connection.
            self.stats.other_address += 1
            return False
        if self._phase is _CLOSED:
            return False
        opener = self._opener
        frames = opener.open(data)
        if frames is None:
            if opener.undecryptable > self._config.aead_failure_limit:
                self._finish(CloseCode.PROTOCOL_VIOLATION, "too many packets failed authentication", False)
            return False
        self._heard_at = self._inbox.now = self._recovery.now = now
        stats = self.stats
        stats.packets_in += 1
        stats.bytes_in += len(data)
        self.established = True
        if self._phase is _CLOSING:
            self._receive_while_closing(frames, now)
            return True
        try:
            what = parse(frames, self._arrivals)
        except ProtocolError as error:
            self._fail(error)
            return True
        acks = self._acks
        acks.record(opener.pn, what, now)
        if acks.due or self._phase is _DRAINING:
            self.flush()
        if self._recovery.probe_count and self._recovery.heard(now):
            self._outgoing.probes = 1
            self.flush()
        return True

    def datagrams_to_send(self, now: float) -> list[bytes]:
        """Everything that may leave now."""
        self._is_dirty = False
        if self._phase is _OPEN:
            return self._outgoing.packets(now) if self.established else []
        return self._ending_datagrams(now)

    def next_timer(self) -> float | None:
        """When `handle_timer` must be called at the latest; None once closed."""
        phase = self._phase
        if phase is not _OPEN and phase is not _DRAINING:
            return self._closing.timer()
        due = self._heard_at + self._idle_s
        recovery = self._recovery
        if recovery.sent:
            at = recovery.timer()
        elif self.established:
            quiet_since = self._heard_at if self._heard_at > self._pinged_at else self._pinged_at
            at = quiet_since + self._keepalive_s
        else:
            return due
        if at is not None and at < due:
            due = at
        at = self._acks.deadline
        if at is not None and at < due:
            due = at
        at = self._outgoing.release_at
        if at is not None and at < due:
            due = at
        if phase is _DRAINING:
            at = self._closing.drain_until
            if at is not None and at < due:
                due = at
        return due

    def handle_timer(self, now: float) -> None:
        """Let everything due act. Early calls are harmless."""
        due_by = now + TIMER_SLACK_S
        if self._phase is _CLOSED:
            return
        if self._phase is _CLOSING:
            self._expire_closing(due_by)
            return
        if self._heard_at + self._idle_s <= due_by:
            self._finish(CloseCode.IDLE, "nothing heard", False)
            return
        outgoing, recovery = self._outgoing, self._recovery
        if self._acks.expire(due_by):
            self.flush()
        if recovery.sent:
            at = recovery.timer()
            if at is not None and at <= due_by:
                outgoing.probes = recovery.expire(now)
                self.stats.probes += outgoing.probes > 0
                self.flush()
        elif self.established and max(self._heard_at, self._pinged_at) + self._keepalive_s <= due_by:
            self._pinged_at = now
            outgoing.ping = True
            self.flush()
        if outgoing.release_at is not None and outgoing.release_at <= due_by:
            outgoing.release_at = None
            self.flush()
        if self._closing.drain_until is not None and self._closing.drain_until <= due_by:
            self._closing.drain_until = now
            self.flush()

    # -- inside ----------------------------------------------------------------------------------------------

    def _open_lane(
        self, lane: int, kind: Delivery, options: LaneOptions | None = None
    ) -> _SendLane | _NoLane:
        if self._phase is not _OPEN:
            return _NO_LANE
        kind = Delivery(kind)
        out = self._send_lanes.get(lane)
        if out is not None:
            if out.kind is kind:
                return out
            raise ValueError(f"lane {lane} is {out.kind.name.lower()}, not {kind.name.lower()}")
        if not 0 <= lane <= MAX_LANE:
            raise ValueError(f"lane {lane} out of range, must be 0 to {MAX_LANE}")
        options = options or PLAIN_LANES[kind]
        ready = self._outgoing.ready_lanes(options.priority)
        if kind is Delivery.UNRELIABLE:
            cap = options.max_queue_bytes or self._config.queue_unreliable_bytes
            out = UnreliableSender(lane, cap, ready, self.stats, options.ttl_s)
        elif kind is not Delivery.SEQUENCED:
            out = self._follow(ReliableSender(lane, options, self._budget, ready, self.stats))
        elif options.settle or options.redundancy:
            out = self._follow(SettledSender(lane, ready, options, self.stats))
        else:
            out = SequencedSender(lane, ready)
        self._send_lanes[lane] = out
        return out

    def _follow(self, lane: _FollowedLane) -> _FollowedLane:
        """A lane that cares what became of its messages."""
        self._followed_lanes.append(lane)
        if lane.repeats is not None:
            self._outgoing.repeats.append(lane.repeats)
        return lane

    def _on_close(self, code: int, reason: str) -> None:
        self._finish(code, reason, True)

    def _fail(self, error: ProtocolError) -> None:
        """The remote broke a rule: end at once, saying why."""
        self._start_closing(error.code, error.text)
        self.flush()

    def _start_closing(self, code: int, reason: str) -> None:
        self._inbox.discard()
        self._send_lanes = {}
        self._closing.close(code, reason)
        self._phase = _CLOSING
        self.stats.close_code = code
        self._tell_closed(code, reason, False)

    def _finish(self, code: int, reason: str, remote: bool) -> None:
        """Nothing is sent or delivered any more."""
        self._inbox.discard()
        self._send_lanes = {}
        self._closing.end()
        self._phase = _CLOSED
        if self.stats.close_code < 0:
            self.stats.close_code = code
            self._tell_closed(code, reason, remote)

    def _tell_closed(self, code: int, reason: str, remote: bool) -> None:
        handler, self._handler = self._handler, _Nobody()
        handler.connection_closed(code, reason, remote)

    def _ending_datagrams(self, now: float) -> list[bytes]:
        closing = self._closing
        out: list[bytes] = []
        if self._phase is _DRAINING:
            if not self.established:  # a server may not speak to an address that never proved itself
                self._finish(closing.code, closing.reason, False)
                return out
            out = self._outgoing.packets(now)
            if closing.drained(any(lane.outstanding for lane in self._followed_lanes), now):
                self._start_closing(closing.code, closing.reason)
        if self._phase is _CLOSING and closing.copy_due(now, self._recovery.probe_base()):
            out.append(self._outgoing.close_packet(closing.code, closing.reason, now))
        return out

    def _receive_while_closing(self, frames: bytes, now: float) -> None:
        arrivals = _ClosingArrivals()
        try:
            parse(frames, arrivals)
        except ProtocolError:
            return
        if arrivals.closed:
            self._finish(self._closing.code, self._closing.reason, False)
        elif self._closing.heard(now):
            self.flush()

    def _expire_closing(self, due_by: float) -> None:
        closing = self._closing
        if closing.ends_at is not None and closing.ends_at <= due_by:
            self._finish(closing.code, closing.reason, False)
        elif closing.copy_at is not None and closing.copy_at <= due_by:
            closing.copy_at = 0.0
            self.flush()

    def _gauges(self) -> dict[str, float]:
        recovery, rtt = self._recovery, self._recovery.rtt
        lanes = list(self._send_lanes.values())
        return {
            "acked": recovery.acked_packets,
            "lost": recovery.lost_packets,
            "spurious": recovery.spurious,
            "packet_threshold": recovery.packet_threshold,
            "duplicates": self._opener.duplicates,
            "undecryptable": self._opener.undecryptable,
            "dropped_incomplete": self._inbox.reassembly.dropped,
            "rtt_s": rtt.smoothed,
            "rtt_min_s": rtt.minimum,
            "rtt_var_s": rtt.variation,
            "rtt_p50_s": rtt.percentile(0.50),
            "rtt_p95_s": rtt.percentile(0.95),
            "rtt_p99_s": rtt.percentile(0.99),
            "jitter_s": rtt.jitter(),
            "bytes_in_flight": recovery.bytes_in_flight,
            "cwnd_bytes": self._congestion.cwnd,
            "pacing_bytes_per_s": self._congestion.pacing_rate,
            "queued_bytes": sum(lane.queued_bytes() for lane in lanes),
            "unacked_bytes": self._budget.queued_bytes,
            "held_bytes": self._inbox.held_cost,
            "key_phase": 0,
        }
