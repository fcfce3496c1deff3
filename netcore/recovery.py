"""Sent packets: what is in flight, what was acknowledged, what is lost, when to probe.

RFC 9002 sections 5 and 6 with one packet number space; docs/protocol/ncp.md, section 11.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, Protocol

from netcore.codes import CloseCode
from netcore.congestion import CongestionController
from netcore.errors import ProtocolError
from netcore.frames import ACK_DELAY_UNIT_S, Gaps
from netcore.rtt import GRANULARITY_S, RttEstimator

if TYPE_CHECKING:
    from netcore.packet import PacketSealer
    from netcore.send_lanes import Draft

PACKET_THRESHOLD: Final = 3
MAX_PACKET_THRESHOLD: Final = 16
TIME_THRESHOLD: Final = 9 / 8
MAX_PROBE_INTERVAL_S: Final = 1.0
"""Probe timeouts double up to this (or one plain timeout, where that is longer): a healed path is found
soon."""
PERSISTENT_TIMEOUTS: Final = 3
CIRCUIT_BREAKER_TIMEOUTS: Final = 3
"""After so many probe timeouts without an answer nothing but one probe a timeout is sent (RFC 8085)."""
TIMER_SLACK_S: Final = 1e-6
"""A timer that fires this much early counts as due: clocks and virtual worlds round."""
_MIN_RTT_S: Final = 1e-6
_REMEMBERED_LOST: Final = 1024
_TICK_S: Final = GRANULARITY_S


class ReliableLane(Protocol):
    """Whose messages a packet carried: told of each part's fate."""

    def acked(self, number: int, index: int) -> None:
        """Part `index` (-1: the whole message) of message `number` arrived."""

    def lost(self, number: int, index: int) -> None:
        """It seems not to have arrived; it must go out again."""

    def is_unacked(self, number: int, index: int) -> bool:
        """True while it has not been acknowledged."""

    def repeat(self, draft: Draft, number: int, index: int) -> bool:
        """Send it again, if it still matters. False where it does not fit."""


Part = tuple[ReliableLane, int, int]
"""(lane, message number, part index or -1)."""
SentPacket = tuple[float, int, "list[Part] | None", int]
"""(time sent, bytes, reliable parts inside, largest acknowledged by an ACK inside or -1)."""


class Recovery:
    """Ack-eliciting packets that were sent, by packet number, and the timers over them."""

    __slots__ = (
        "_ack_acked",
        "_congestion",
        "_max_ack_delay_s",
        "_probe_base_at",
        "_sealer",
        "_wake",
        "acked_packets",
        "blocked",
        "bytes_in_flight",
        "largest_acked",
        "loss_at",
        "lost",
        "lost_packets",
        "now",
        "packet_threshold",
        "probe_count",
        "rtt",
        "sent",
        "spurious",
    )

    def __init__(
        self,
        rtt: RttEstimator,
        congestion: CongestionController,
        sealer: PacketSealer,
        max_ack_delay_s: float,
        ack_acked: Callable[[int], None],
        wake: Callable[[], None],
    ) -> None:
        """`ack_acked(pn)` is called when a packet with an ACK whose largest was `pn` is acknowledged,
        `wake()` when an acknowledgement left something to send."""
        self.rtt = rtt
        self._congestion = congestion
        self._max_ack_delay_s = max_ack_delay_s
        self._sealer = sealer
        self._ack_acked = ack_acked
        self._wake = wake
        self.now = 0.0
        """Time of the packet being handled."""
        self.blocked = False
        """Something waits for an acknowledgement of anything."""
        self._probe_base_at = 0.0
        self.sent: dict[int, SentPacket] = {}
        self.lost: dict[int, SentPacket] = {}
        """Packets declared lost lately, by packet number: an acknowledgement may still prove them alive."""
        self.largest_acked = -1
        self.bytes_in_flight = 0
        self.loss_at: float | None = None
        """When the time threshold declares the next packet lost."""
        self.probe_count = 0
        """Probe timeouts since the last acknowledgement of something new."""
        self.packet_threshold = PACKET_THRESHOLD
        self.acked_packets = 0
        self.lost_packets = 0
        self.spurious = 0
        """Packets declared lost that arrived after all."""

    def on_sent(self, pn: int, now: float, size: int, parts: list[Part] | None, acked_largest: int) -> None:
        """An ack-eliciting packet goes out."""
        self.sent[pn] = (now, size, parts, acked_largest)
        self.bytes_in_flight += size
        self._probe_base_at = now
        self._congestion.on_sent(size, now)

    def on_ack(self, largest: int, delay: int, first: int, gaps: Gaps) -> None:
        """Take an ACK frame in; `now` was set before. Calls `wake` where there is something to send after it.

        Raises `ProtocolError` where it acknowledges what was never sent.
        """
        base = self.largest_acked + 1
        distance = (largest - base) & 0xFFFF  # restore_u16, inline
        largest = base + distance
        if distance > 0x8000 and largest >= 0x10000:
            largest -= 0x10000
        elif largest >= self._sealer.next_pn:
            raise ProtocolError(CloseCode.PROTOCOL_VIOLATION, "ack_unsent")
        else:
            self.largest_acked = largest
        if first > largest:
            raise ProtocolError(CloseCode.FRAME_ENCODING, "ack_range")
        sent, now = self.sent, self.now
        packet = sent.pop(largest, None)
        acked_bytes = 0
        if packet is not None:
            sent_at, acked_bytes, parts, told = packet  # _settle, inline: this runs for nearly every packet
            self.acked_packets += 1
            if parts is not None:
                for lane, number, index in parts:
                    lane.acked(number, index)
            if told >= 0:
                self._ack_acked(told)
            delay_s = delay * ACK_DELAY_UNIT_S
            rtt_s = now - sent_at
            self.rtt.sample(
                rtt_s if rtt_s > _MIN_RTT_S else _MIN_RTT_S,
                delay_s if delay_s < self._max_ack_delay_s else self._max_ack_delay_s,
            )
        if sent or self.lost:
            acked_bytes += self._take_ranges(largest, largest - first, gaps)
        if not acked_bytes:
            if largest == self.largest_acked and self.loss_at is None:
                self._look_for_losses(now)  # an ACK of ours arrived; what was sent before it may be lost
            return
        self.bytes_in_flight -= acked_bytes
        self.probe_count = 0
        self._congestion.on_acked(acked_bytes, self.rtt.smoothed, now)
        self.loss_at = None
        self._look_for_losses(now)
        if self.blocked:
            self.blocked = False
            self._wake()

    def _look_for_losses(self, now: float) -> None:
        if self.sent and next(iter(self.sent)) < self.largest_acked:
            self.detect_losses(now)

    def _settle(self, packet: SentPacket) -> int:
        """`packet` arrived: its bytes."""
        self.acked_packets += 1
        parts = packet[2]
        if parts is not None:
            for lane, number, index in parts:
                lane.acked(number, index)
        if packet[3] >= 0:
            self._ack_acked(packet[3])
        return packet[1]

    def _take_ranges(self, high: int, low: int, gaps: Gaps) -> int:
        """Packets `low` to `high` and those between the gaps arrived: their bytes that were in flight."""
        acked_bytes = self._take(low, high)
        for missing, received in gaps:
            high = low - missing - 2
            low = high - received
            if low < 0:
                raise ProtocolError(CloseCode.FRAME_ENCODING, "ack_range")
            acked_bytes += self._take(low, high)
        return acked_bytes

    def _take(self, low: int, high: int) -> int:
        if self.lost:
            self._take_lost(low, high)
        sent = self.sent
        acked_bytes = 0
        if sent:
            oldest = next(iter(sent))
            for pn in range(low if low > oldest else oldest, high + 1):
                packet = sent.pop(pn, None)
                if packet is not None:
                    acked_bytes += self._settle(packet)
        return acked_bytes

    def _take_lost(self, low: int, high: int) -> None:
        """Packets declared lost arrived after all: nothing but counters, patience and the messages' own
        fate."""
        for pn in [pn for pn in self.lost if low <= pn <= high]:
            parts = self.lost.pop(pn)[2]
            self.spurious += 1
            behind = self.largest_acked - pn + 1
            if behind > self.packet_threshold:
                self.packet_threshold = min(behind, MAX_PACKET_THRESHOLD)
            for lane, number, index in parts or ():
                lane.acked(number, index)

    def detect_losses(self, now: float) -> None:
        """Declare lost what RFC 9002 section 6.1 says; sets `loss_at` for what may follow. True if any
        was."""
        rtt = self.rtt
        patience = TIME_THRESHOLD * (rtt.latest if rtt.latest > rtt.smoothed else rtt.smoothed)
        patience = max(patience, _TICK_S)
        self.loss_at = None
        gone: list[int] = []
        for pn, packet in self.sent.items():
            if pn >= self.largest_acked:
                break
            due_at = packet[0] + patience
            if due_at > now + TIMER_SLACK_S and pn > self.largest_acked - self.packet_threshold:
                self.loss_at = due_at
                break  # later packets were sent later: none of them is due
            gone.append(pn)
        if gone:
            self._declare_lost(gone, now)
            self._wake()

    def _declare_lost(self, gone: list[int], now: float) -> None:
        size = 0
        first_at, last_at = self.sent[gone[0]][0], self.sent[gone[-1]][0]
        for pn in gone:
            packet = self.lost[pn] = self.sent.pop(pn)
            size += packet[1]
            for lane, number, index in packet[2] or ():
                lane.lost(number, index)
        self.lost_packets += len(gone)
        self.bytes_in_flight -= size
        while len(self.lost) > _REMEMBERED_LOST:
            del self.lost[next(iter(self.lost))]
        self._congestion.on_lost(size, now)
        if (
            gone[-1] - gone[0] == len(gone) - 1
            and last_at - first_at > PERSISTENT_TIMEOUTS * self.probe_base()
        ):
            self._congestion.on_persistent(now)

    def probe_base(self) -> float:
        """One probe timeout without doubling, in seconds (RFC 9002 section 6.2.1)."""
        rtt = self.rtt
        spread = 4 * rtt.variation
        return rtt.smoothed + (spread if spread > _TICK_S else _TICK_S) + self._max_ack_delay_s

    def timer(self) -> float | None:
        """When `expire` has something to do."""
        if self.loss_at is not None:
            return self.loss_at
        if not self.sent:
            return None
        rtt = self.rtt  # probe_base, inline: this runs for every packet
        spread = 4 * rtt.variation
        interval = rtt.smoothed + (spread if spread > _TICK_S else _TICK_S) + self._max_ack_delay_s
        if self.probe_count:
            longest = interval if interval > MAX_PROBE_INTERVAL_S else MAX_PROBE_INTERVAL_S
            interval *= 1 << min(self.probe_count, 10)
            interval = min(interval, longest)
        return self._probe_base_at + interval

    def expire(self, now: float) -> int:
        """Let a due timer act: the number of probe packets to send now (0 where losses were declared
        instead)."""
        due_at = self.timer()
        if due_at is None or due_at > now + TIMER_SLACK_S:
            return 0
        if self.loss_at is not None:
            self.detect_losses(now)
            return 0
        self.probe_count += 1
        self._probe_base_at = now
        return 2 if self.probe_count < CIRCUIT_BREAKER_TIMEOUTS else 1

    def heard(self, now: float) -> bool:
        """The remote was heard while its acknowledgements fail to come: True where a probe should go now.

        So a path that heals is found by the remote's next packet, not by a doubled timeout.
        """
        if self.probe_count < 2 or not self.sent or now < self._probe_base_at + self.probe_base():
            return False
        self._probe_base_at = now
        return True

    def unacked_parts(self) -> Iterator[Part]:
        """Reliable parts in flight that were not acknowledged otherwise, oldest packet first."""
        for _, _, parts, _ in self.sent.values():
            for part in parts or ():
                if part[0].is_unacked(part[1], part[2]):
                    yield part
