"""Round trip, loss and probes: RFC 9002's rules, one by one."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netcore.congestion import FixedWindow
from netcore.errors import ProtocolError
from netcore.keys import packet_keys
from netcore.packet import PacketSealer
from netcore.recovery import MAX_PACKET_THRESHOLD, PACKET_THRESHOLD, Recovery
from netcore.rtt import RttEstimator


class Lane:
    """A reliable lane that keeps what it is told."""

    def __init__(self) -> None:
        self.told_acked: list[tuple[int, int]] = []
        self.told_lost: list[tuple[int, int]] = []

    def acked(self, number: int, index: int) -> None:
        self.told_acked.append((number, index))

    def lost(self, number: int, index: int) -> None:
        self.told_lost.append((number, index))

    def is_unacked(self, number: int, index: int) -> bool:
        return (number, index) not in self.told_acked


class Sender:
    """A recovery with a packet counter; message n travels in packet n."""

    def __init__(self, rtt_s: float | None = 0.05) -> None:
        self.sealer = PacketSealer(packet_keys(bytes(32)), None)
        self.lane = Lane()
        self.wakes = 0
        self.acks_acked: list[int] = []
        self.recovery = Recovery(
            RttEstimator(0.333, rtt_s),
            FixedWindow(131_072, 1e6),
            self.sealer,
            0.025,
            self.acks_acked.append,
            self.wake,
        )

    def wake(self) -> None:
        self.wakes += 1

    def send(self, now: float, *, told: int = -1) -> int:
        pn = self.sealer.next_pn
        self.sealer.next_pn += 1
        self.recovery.on_sent(pn, now, 100, [(self.lane, pn, -1)], told)
        return pn

    def ack(self, now: float, largest: int, first: int = 0, *gaps: tuple[int, int], delay: int = 0) -> None:
        self.recovery.now = now
        self.recovery.on_ack(largest & 0xFFFF, delay, first, gaps)


# NCP-11-1
def test_the_first_sample_and_the_next():
    rtt = RttEstimator(0.333, None)
    assert rtt.count == 0
    rtt.sample(0.1, 0.02)
    assert (rtt.smoothed, rtt.variation, rtt.minimum) == (0.1, 0.05, 0.1)
    rtt.sample(0.16, 0.02)
    assert rtt.smoothed == pytest.approx(7 / 8 * 0.1 + 0.14 / 8)
    assert rtt.variation == pytest.approx(3 / 4 * 0.05 + 0.04 / 4)


# NCP-11-1
def test_an_ack_delay_never_takes_a_sample_below_the_minimum():
    rtt = RttEstimator(0.333, 0.1)
    rtt.sample(0.11, 0.02)
    assert rtt.smoothed == pytest.approx(7 / 8 * 0.1 + 0.11 / 8)


@given(st.lists(st.tuples(st.floats(1e-6, 10), st.floats(0, 0.025)), min_size=1, max_size=300))
def test_estimates_stay_sane(samples):
    rtt = RttEstimator(0.333, None)
    for sample, delay in samples:
        rtt.sample(sample, delay)
    assert rtt.minimum == min(sample for sample, _ in samples) <= rtt.latest
    assert 0 < rtt.smoothed <= max(sample for sample, _ in samples) * 1.001
    assert 0 <= rtt.variation < 10.001
    recent = [sample for sample, _ in samples[-256:]]
    assert min(recent) <= rtt.percentile(0.5) <= rtt.percentile(0.99) <= max(recent)
    assert 0 <= rtt.jitter() < 10


def test_acknowledged_packets_leave_flight_and_tell_their_messages():
    sender = Sender()
    for now in (1.0, 1.01, 1.02):
        sender.send(now)
    sender.ack(1.07, 2, 2)
    assert sender.lane.told_acked == [(2, -1), (0, -1), (1, -1)]
    assert (sender.recovery.bytes_in_flight, sender.recovery.timer()) == (0, None)


# NCP-10-10
def test_what_an_ack_told_is_reported_once_it_is_acknowledged():
    sender = Sender()
    sender.send(1.0, told=77)
    sender.ack(1.05, 0)
    assert sender.acks_acked == [77]


# NCP-11-2
def test_three_packets_above_declare_a_packet_lost():
    sender = Sender()
    for _ in range(4):
        sender.send(1.0)
    sender.ack(1.01, 2, 1)
    assert sender.lane.told_lost == []
    sender.ack(1.011, 3, 2)
    assert sender.lane.told_lost == [(0, -1)]
    assert sender.wakes == 1
    assert sender.recovery.bytes_in_flight == 0


# NCP-11-2
def test_time_declares_a_packet_lost_exactly_when_the_timer_says():
    sender = Sender()
    sender.send(1.0)
    sender.send(1.001)
    sender.ack(1.051, 1)
    due = sender.recovery.timer()
    assert due == pytest.approx(1.0 + 9 / 8 * 0.05)
    assert sender.recovery.expire(due - 0.001) == 0
    assert sender.lane.told_lost == []
    assert sender.recovery.expire(due) == 0
    assert sender.lane.told_lost == [(0, -1)]
    assert sender.recovery.timer() is None


def test_a_late_ack_beyond_the_time_threshold_declares_at_once():
    sender = Sender()
    sender.send(1.0)
    sender.send(1.0167)
    sender.ack(1.0667, 1)
    assert sender.lane.told_lost == [(0, -1)]


def test_an_ack_that_shows_only_our_own_ack_arrived_still_shows_loss():
    sender = Sender()
    sender.send(1.0)
    sender.sealer.next_pn += 1  # a packet with nothing but an ACK
    sender.ack(1.08, 1)
    assert sender.lane.told_lost == [(0, -1)]


# NCP-11-3
def test_a_packet_lost_by_mistake_raises_the_threshold_and_its_message_counts():
    sender = Sender()
    for _ in range(6):
        sender.send(1.0)
    sender.ack(1.01, 5, 4)
    assert sender.lane.told_lost == [(0, -1)]
    sender.ack(1.011, 5, 5)
    assert sender.recovery.spurious == 1
    assert sender.lane.told_acked[-1] == (0, -1)
    assert sender.recovery.packet_threshold == 6 > PACKET_THRESHOLD
    assert sender.recovery.bytes_in_flight == 0
    for _ in range(40):
        sender.send(1.02)
    sender.ack(1.03, 45, 38)
    sender.ack(1.031, 45, 39)
    assert sender.recovery.packet_threshold == MAX_PACKET_THRESHOLD


# NCP-11-5, NCP-11-6
def test_probe_timeouts_double_up_to_a_second_and_send_two_then_one():
    sender = Sender()
    now = 1.0
    sender.send(now)
    base = 0.05 + 4 * 0.025 + 0.025
    counts, waits = [], []
    for _ in range(6):
        due = sender.recovery.timer()
        waits.append(due - now)
        counts.append(sender.recovery.expire(due))
        now = due
    assert counts == [2, 2, 1, 1, 1, 1]
    assert waits == pytest.approx([base, 2 * base, 4 * base, 1.0, 1.0, 1.0])
    sender.ack(now, 0)
    assert sender.recovery.probe_count == 0


# NCP-11-8
def test_a_sign_of_life_makes_a_probe_go_early_but_not_often():
    sender = Sender()
    sender.send(1.0)
    assert not sender.recovery.heard(9.0), "no timeout yet"
    sender.recovery.expire(sender.recovery.timer())
    second = sender.recovery.timer()
    sender.recovery.expire(second)
    assert not sender.recovery.heard(second + 0.1)
    assert sender.recovery.heard(second + 0.2)
    assert not sender.recovery.heard(second + 0.3)


# NCP-11-7
def test_persistent_loss_is_reported():
    told = []

    class Watched(FixedWindow):
        def on_persistent(self, now: float) -> None:
            told.append(now)

    sender = Sender()
    sender.recovery._congestion = Watched(131_072, 1e6)
    for number in range(20):
        sender.send(1.0 + number * 0.08)
    sender.ack(2.6, 19)
    assert len(sender.lane.told_lost) == 19
    assert told == [2.6]


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        ((3, 0), "ack_unsent"),
        ((2, 3), "ack_range"),
        ((0x8000, 0), "ack_unsent"),
        ((2, 0, (0, 1)), "ack_range"),
    ],
)
# NCP-10-3
def test_an_ack_of_what_cannot_be(frame, text):
    sender = Sender()
    for _ in range(3):
        sender.send(1.0)
    with pytest.raises(ProtocolError, match=text):
        sender.ack(1.1, *frame)


@settings(max_examples=200)
@given(st.lists(st.tuples(st.sampled_from("sssaalt"), st.integers(0, 12), st.integers(0, 5)), max_size=80))
def test_books_balance_whatever_happens(script):
    """Bytes in flight equal the tracked packets; each message is told acked or lost or is in flight."""
    sender, now = Sender(), 1.0
    recovery = sender.recovery
    for action, number, count in script:
        now += 0.007
        pn = sender.sealer.next_pn - 1 - number
        if action == "s":
            sender.send(now)
        elif action in "al" and pn >= 0:
            sender.ack(now, pn, min(count, pn))
        elif action == "t" and recovery.timer() is not None:
            now = max(now, recovery.timer())
            recovery.expire(now)
            due = recovery.timer()
            assert due is None or due > now
        assert recovery.bytes_in_flight == sum(packet[1] for packet in recovery.sent.values()) >= 0
        fates = (
            {n for n, _ in sender.lane.told_acked}
            | {n for n, _ in sender.lane.told_lost}
            | set(recovery.sent)
        )
        assert fates == set(range(sender.sealer.next_pn))
        assert list(recovery.sent) == sorted(recovery.sent)
