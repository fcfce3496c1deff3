"""Ideal recovery: RFC 9002 with nothing in its way, as the yardstick for latency under loss.

Two endpoints send one message a packet on a schedule. Every packet carries a full acknowledgement (all ranges), a
gap is acknowledged at once, congestion never holds anything back, a processor takes no time. Loss is found by packet
threshold (RFC 9002 6.1.1), time threshold with its timer (6.1.2) and probe timeout (6.2); what is lost goes out again
at once. Delivery is as fast as these rules allow, which is what makes the model a yardstick.

With redundancy k every packet with messages also carries those that first went in one of the k packets with messages
before it and are not acknowledged.
"""

from __future__ import annotations

import functools
import heapq
import itertools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from bench.loss_trace import LossTrace

_PACKET_THRESHOLD = 3
_TIME_THRESHOLD = 9 / 8
_GRANULARITY_S = 0.001
_MAX_ACK_DELAY_S = 0.025


@dataclass(slots=True)
class _Packet:
    number: int
    messages: tuple[int, ...]
    eliciting: bool
    sent_at: float
    acknowledged: frozenset[int]
    largest: int
    ack_delay_s: float


@dataclass(slots=True)
class _Endpoint:
    """One side: what it sent, what it got, its estimate of the round trip."""

    trace: LossTrace
    srtt: float
    rttvar: float
    min_rtt: float
    next_number: int = 0
    largest_acked: int = -1
    flying: dict[int, _Packet] = field(default_factory=dict)
    unacked: dict[int, None] = field(default_factory=dict)
    recent: deque[int] = field(default_factory=deque)
    received: set[int] = field(default_factory=set)
    largest_received: int = -1
    largest_received_at: float = 0.0
    gap_untold: bool = False
    ack_due: float | None = None
    loss_due: float | None = None
    probes: int = 0
    last_eliciting_at: float = 0.0
    delivered_at: dict[int, float] = field(default_factory=dict)

    def probe_timeout(self) -> float:
        patience = self.srtt + max(4 * self.rttvar, _GRANULARITY_S) + _MAX_ACK_DELAY_S
        return patience * float(1 << self.probes)

    def sample(self, rtt: float, ack_delay_s: float) -> None:
        self.min_rtt = min(self.min_rtt, rtt)
        adjusted = rtt - ack_delay_s if rtt >= self.min_rtt + ack_delay_s else rtt
        self.rttvar = 0.75 * self.rttvar + 0.25 * abs(self.srtt - adjusted)
        self.srtt = 0.875 * self.srtt + 0.125 * adjusted

    def timer(self) -> float | None:
        probe = (
            self.last_eliciting_at + self.probe_timeout() if self.flying and self.loss_due is None else None
        )
        return min((due for due in (self.ack_due, self.loss_due, probe) if due is not None), default=None)


class IdealPath:
    """Both endpoints over a pair of traces, in virtual time."""

    def __init__(self, up: LossTrace, down: LossTrace, rtt_s: float, redundancy: int = 0) -> None:
        self._sides = tuple(
            _Endpoint(trace, rtt_s, rtt_s / 2, rtt_s, recent=deque(maxlen=redundancy)) for trace in (up, down)
        )
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = itertools.count()

    def run(self, messages: int, interval_s: float) -> tuple[list[float], list[float]]:
        """(ordered, reliable) one-way latencies in seconds of `messages` in each direction, pooled."""
        for side in (0, 1):
            for message in range(messages):
                self._at(message * interval_s, functools.partial(self._send_new, side, message))
        while self._events:
            now, _, action = heapq.heappop(self._events)
            action(now)
        return self._latencies(messages, interval_s)

    def _latencies(self, messages: int, interval_s: float) -> tuple[list[float], list[float]]:
        ordered, reliable = [], []
        for side in (0, 1):
            arrivals = self._sides[1 - side].delivered_at
            head = 0.0
            for message in range(messages):
                head = max(head, arrivals[message])
                ordered.append(head - message * interval_s)
                reliable.append(arrivals[message] - message * interval_s)
        return ordered, reliable

    def _at(self, when: float, action: Callable[[float], None]) -> None:
        heapq.heappush(self._events, (when, next(self._order), action))

    def _send_new(self, side: int, message: int, now: float) -> None:
        recent = self._sides[side].recent
        self._send(side, (message,), now)
        recent.append(message)

    def _send(self, side: int, messages: tuple[int, ...], now: float, eliciting: bool = True) -> None:
        sender = self._sides[side]
        if messages:
            messages += tuple(
                each for each in sender.recent if each in sender.unacked and each not in messages
            )
        packet = _Packet(
            sender.next_number,
            messages,
            eliciting,
            now,
            frozenset(sender.received),
            sender.largest_received,
            now - sender.largest_received_at,
        )
        sender.next_number += 1
        sender.ack_due = None
        sender.gap_untold = False
        if eliciting:
            sender.flying[packet.number] = packet
            sender.last_eliciting_at = now
            sender.unacked.update(dict.fromkeys(messages))
        arrival = sender.trace.arrival(now)
        if arrival is not None:
            self._at(arrival, lambda at: self._receive(1 - side, packet, at))
        self._arm(side)

    def _receive(self, side: int, packet: _Packet, now: float) -> None:
        receiver = self._sides[side]
        receiver.gap_untold |= packet.number != receiver.largest_received + 1
        receiver.received.add(packet.number)
        if packet.number > receiver.largest_received:
            receiver.largest_received, receiver.largest_received_at = packet.number, now
        for message in packet.messages:
            receiver.delivered_at.setdefault(message, now)
        self._acknowledged(side, packet, now)
        if packet.eliciting:
            if receiver.gap_untold:  # RFC 9000 13.2.1: also where what made the gap asked for no answer
                self._send(side, (), now, eliciting=False)
            elif receiver.ack_due is None:
                receiver.ack_due = now + _MAX_ACK_DELAY_S
        self._arm(side)

    def _acknowledged(self, side: int, packet: _Packet, now: float) -> None:
        sender = self._sides[side]
        sender.largest_acked = max(sender.largest_acked, packet.largest)
        newly = [number for number in sender.flying if number in packet.acknowledged]
        if newly:
            if packet.largest == newly[-1]:
                sender.sample(now - sender.flying[newly[-1]].sent_at, packet.ack_delay_s)
            sender.probes = 0
            for number in newly:
                for message in sender.flying.pop(number).messages:
                    sender.unacked.pop(message, None)
        self._find_losses(side, now)

    def _find_losses(self, side: int, now: float) -> None:
        sender = self._sides[side]
        patience = max(_TIME_THRESHOLD * sender.srtt, _GRANULARITY_S)
        sender.loss_due = None
        lost: list[int] = []
        for number, packet in list(sender.flying.items()):
            if number > sender.largest_acked:
                continue
            due = packet.sent_at + patience
            if number <= sender.largest_acked - _PACKET_THRESHOLD or due <= now + 1e-9:
                del sender.flying[number]
                lost += [message for message in packet.messages if message in sender.unacked]
            else:
                sender.loss_due = due if sender.loss_due is None else min(sender.loss_due, due)
        if lost:
            self._send(side, tuple(dict.fromkeys(lost)), now)

    def _arm(self, side: int) -> None:
        due = self._sides[side].timer()
        if due is not None:
            self._at(due, lambda now: self._timer(side, due, now))

    def _timer(self, side: int, due: float, now: float) -> None:
        sender = self._sides[side]
        if sender.timer() != due:
            return  # armed anew since
        if sender.ack_due == due:
            self._send(side, (), now, eliciting=False)
        elif sender.loss_due == due:
            self._find_losses(side, now)
            self._arm(side)
        else:
            sender.probes += 1
            oldest = next(iter(sender.unacked), None)
            self._send(side, () if oldest is None else (oldest,), now)
