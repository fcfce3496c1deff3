"""The ideal recovery model does what RFC 9002 says, and no better."""

import pytest

from bench.ideal import IdealPath
from bench.loss_trace import LossTrace, trace_pair
from bench.percentiles import summary

DELAY = 0.025
RTT = 2 * DELAY


def perfect(lost: tuple[float, ...] = (), seconds: float = 3.0) -> LossTrace:
    slots = bytearray(int(seconds * 1000))
    for at in lost:
        slots[int(at * 1000)] = 1
    return LossTrace(bytes(slots), (DELAY,) * len(slots))


def test_without_loss_every_message_takes_the_one_way_delay():
    ordered, reliable = IdealPath(perfect(), perfect(), RTT).run(60, 1 / 60)
    assert ordered == reliable
    assert ordered == pytest.approx([DELAY] * 120)


def test_a_lost_message_is_repeated_as_soon_as_anything_newer_is_acknowledged_late_enough():
    # Sent at 0.1 and lost. A bare acknowledgement follows at 0.15, is there at 0.175 and makes the gap; the message
    # back at 0.2 tells of it. At 0.225 more than 9/8 of a round trip have passed: repeated, there one way later.
    _, reliable = IdealPath(perfect(lost=(0.1,)), perfect(), RTT).run(10, 0.1)
    assert max(reliable) == pytest.approx(0.125 + DELAY)


def test_the_time_threshold_waits_9_8_of_a_round_trip():
    # With 1 ms between messages the acknowledgement is back long before 9/8 RTT, but three newer packets
    # are acknowledged then: the packet threshold speaks first.
    _, reliable = IdealPath(perfect(lost=(0.1,)), perfect(), RTT).run(500, 0.001)
    assert max(reliable) == pytest.approx(0.003 + RTT + DELAY, abs=0.0015)
    # Two newer packets only: the timer at 9/8 RTT does it.
    _, reliable = IdealPath(perfect(lost=(0.1,)), perfect(), RTT).run(103, 0.001)
    assert max(reliable) == pytest.approx(RTT * 9 / 8 + DELAY, abs=0.002)


def test_a_lost_last_message_waits_for_the_probe_timeout():
    _, reliable = IdealPath(perfect(lost=(0.9,)), perfect(), RTT).run(10, 0.1)
    assert RTT + DELAY < max(reliable) < 0.2


def test_ordered_messages_wait_for_the_lost_one_before_them():
    ordered, reliable = IdealPath(perfect(lost=(0.1,)), perfect(), RTT).run(60, 1 / 60)
    assert max(reliable) == max(ordered)
    assert sum(latency > DELAY + 0.001 for latency in reliable) == 1
    assert sum(latency > DELAY + 0.001 for latency in ordered) > 1


def test_the_model_stays_near_the_published_table():
    # docs/performance.md: ordered, 2 % loss: p99 about 99 ms.
    pooled = []
    for seed in range(10):
        pooled += IdealPath(*trace_pair(seed, 0.02, 25), rtt_s=0.054).run(900, 1 / 60)[0]
    assert 0.094 < summary(pooled)["p99"] < 0.104


@pytest.mark.parametrize("times", [1, 2, 3])
def test_with_redundancy_a_lost_message_comes_with_the_next_packet_that_arrives(times):
    # `times` packets in a row are lost: the first message is in the one after them for the last time.
    lost = tuple(0.1 + number * 0.01 for number in range(times))
    path = IdealPath(perfect(lost=lost), perfect(), RTT, redundancy=times)
    ordered, reliable = path.run(100, 0.01)
    assert max(reliable) == max(ordered) == pytest.approx(times * 0.01 + DELAY)
    # One packet more lost, and only recovery helps, a round trip later.
    lost += (0.1 + times * 0.01,)
    _, reliable = IdealPath(perfect(lost=lost), perfect(), RTT, redundancy=times).run(100, 0.01)
    assert max(reliable) > RTT + DELAY


def test_redundancy_stays_near_the_published_table():
    # docs/adr/0008-the-last-word-arrives.md: two repetitions at 5 % loss, p99 and p99.9 about 45 and 62 ms.
    pooled = []
    for seed in range(10):
        path = IdealPath(*trace_pair(seed, 0.05, 25), rtt_s=0.054, redundancy=2)
        pooled += path.run(900, 1 / 60)[0]
    assert summary(pooled)["p99"] < 0.046
    assert summary(pooled)["p99.9"] < 0.064
