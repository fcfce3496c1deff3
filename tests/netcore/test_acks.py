"""Received packets: ranges against a set, and when an acknowledgement is owed."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netcore.acks import MAX_RANGES, ReceivedPackets
from netcore.frames import CARRIES_RELIABLE, ELICITING, MAX_GAPS, URGENT
from tests.netcore.test_frames import parse

VECTORS = json.loads((Path(__file__).parents[2] / "docs/protocol/vectors/ack.json").read_text())


def numbers(acks: ReceivedPackets) -> set[int]:
    return {pn for low, high in acks.ranges() for pn in range(low, high + 1)}


def told(frame: bytes, largest: int) -> set[int]:
    """The packet numbers that an ACK frame names."""
    ((ack,), _) = parse(frame)
    assert ack["largest"] == largest & 0xFFFF
    low = largest - ack["first"]
    named = set(range(low, largest + 1))
    for missing, received in ack["gaps"]:
        high = low - missing - 2
        low = high - received
        named |= set(range(low, high + 1))
    return named


@settings(max_examples=200)
@given(st.permutations(range(40)), st.lists(st.integers(0, 39), max_size=25))
def test_ranges_agree_with_a_set(order, lost):
    acks, received = ReceivedPackets(0.025), set()
    for pn in order:
        if pn in lost:
            continue
        acks.record(pn, ELICITING, 1.0)
        received.add(pn)
        assert numbers(acks) == received
        ranges = acks.ranges()
        assert ranges == sorted(ranges, reverse=True)
        assert all(a[0] > b[1] + 1 for a, b in pairwise(ranges))
    if received:
        assert told(acks.take(1.0), max(received)) == received


@given(st.sets(st.integers(0, 60), min_size=1), st.integers(0, 60))
# NCP-10-10
def test_forgetting_takes_only_what_lies_at_or_below(received, pn):
    acks = ReceivedPackets(0.025)
    for number in sorted(received):
        acks.record(number, ELICITING, 1.0)
    acks.forget_up_to(pn)
    assert numbers(acks) == {number for number in received if number > pn} or numbers(acks) == {max(received)}


# NCP-10-9
def test_ranges_are_bounded_kept_and_sent():
    acks = ReceivedPackets(0.025)
    for pn in range(0, 4 * MAX_RANGES, 2):
        acks.record(pn, ELICITING, 1.0)
    assert len(acks.ranges()) == MAX_RANGES
    largest = 4 * MAX_RANGES - 2
    assert told(acks.take(1.0), largest) == set(range(largest - 2 * MAX_GAPS, largest + 1, 2))


@pytest.mark.parametrize("case", VECTORS["receive"], ids=lambda case: case["about"])
# NCP-10-1, NCP-10-2
def test_ack_vector(case):
    acks = ReceivedPackets(0.025)
    for pn, at in case["received"]:
        acks.record(pn, ELICITING, at)
    assert acks.take(case["now"]).hex() == case["frame"]


@pytest.mark.parametrize("case", VECTORS["when"], ids=lambda case: case["about"])
# NCP-10-5, NCP-10-6
def test_when_vector(case):
    acks = ReceivedPackets(0.025)
    flags = {
        "eliciting": ELICITING,
        "reliable": ELICITING | CARRIES_RELIABLE,
        "urgent": ELICITING | URGENT,
        "quiet": 0,
    }
    for pn, what in case["packets"][:-1]:
        acks.record(pn, flags[what], 1.0)
        if case["told_between"]:
            acks.take(1.0)
    pn, what = case["packets"][-1]
    acks.record(pn, flags[what], 1.0)
    assert acks.due == (case["ack"] == "at once")
    assert (acks.deadline is not None and not acks.due) == (case["ack"] == "within 25 ms")
    assert acks.pending == (case["ack"] != "no")


def test_the_deadline_counts_from_the_first_packet_not_told():
    acks = ReceivedPackets(0.025)
    acks.record(0, ELICITING, 1.0)
    acks.record(1, ELICITING, 1.02)
    deadline = acks.deadline
    assert 1.012 < deadline <= 1.025
    assert not acks.expire(deadline - 0.001)
    assert acks.expire(deadline)
    assert acks.due
    acks.take(deadline)
    assert (acks.pending, acks.due, acks.deadline) == (False, False, None)


@given(st.floats(0, 1e6), st.floats(0, 0.0049))
def test_deadlines_lie_on_a_grid_that_connections_share_and_never_beyond_the_delay(now, later):
    acks, other = ReceivedPackets(0.025), ReceivedPackets(0.025)
    acks.record(0, ELICITING, now)
    other.record(0, ELICITING, now + later)
    assert now + 0.0199 < acks.deadline <= now + 0.025 + 1e-9, (
        "later than the next packet at 60 Hz, which tells it"
    )
    apart = other.deadline - acks.deadline
    assert apart == pytest.approx(0, abs=1e-6) or apart == pytest.approx(0.005, abs=1e-6)


# NCP-10-2
def test_the_delay_is_that_of_the_largest_and_saturates():
    acks = ReceivedPackets(0.025)
    acks.record(5, ELICITING, 1.0)
    acks.record(3, ELICITING, 1.01)
    assert acks.take(1.01)[3] == int(0.01 / 128e-6)
    acks.record(4, ELICITING, 1.02)
    assert acks.take(9.0)[3] == 255
    acks.record(2, ELICITING, 9.0)
    assert acks.take(0.5)[3] == 0, "a clock that went back is no reason to fail"
