"""Messages in parts: cut evenly, joined in any order, bounded while unfinished."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from netcore.errors import ProtocolError
from netcore.fragments import (
    MAX_RELIABLE_PARTS,
    MESSAGE_COST,
    MIN_PART_BYTES,
    PART_BYTES,
    REASSEMBLY_TIMEOUT_S,
    PartialMessage,
    Reassembly,
    part_count,
    part_size,
)


def cut(data: bytes) -> list[bytes]:
    size = part_size(len(data))
    return [data[at : at + size] for at in range(0, len(data), size)]


@given(st.integers(PART_BYTES + 1, 1 << 20))
# NCP-9-13
def test_parts_are_even_and_fit(length):
    size, count = part_size(length), part_count(length)
    assert MIN_PART_BYTES <= size <= PART_BYTES
    assert 2 <= count <= MAX_RELIABLE_PARTS
    assert 0 < length - size * (count - 1) <= size


@settings(max_examples=60)
@given(st.integers(PART_BYTES + 1, 12_000), st.randoms(use_true_random=False))
# NCP-9-15
def test_any_order_and_repetition_join_to_the_message(length, random):
    data = random.randbytes(length)
    parts = list(enumerate(cut(data)))
    order = parts + random.choices(parts, k=3)
    random.shuffle(order)
    partial, joined = PartialMessage(len(parts) - 1, 0.0), None
    for index, part in order:
        assert partial.add(index, len(parts) - 1, part) in (0, len(part))
        joined = partial.joined()
    assert joined == data
    assert partial.size == length


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ([(0, 2, 300), (1, 3, 300)], "fragment_last"),
        ([(0, 2, 300), (1, 2, 299)], "fragment_size"),
        ([(0, 2, 300), (2, 2, 301)], "fragment_size"),
        ([(2, 2, 301), (0, 2, 300)], "fragment_size"),
        ([(2, 2, 0)], "fragment_size"),
        ([(0, 2, MIN_PART_BYTES - 1)], "fragment_size"),
    ],
)
# NCP-9-15
def test_parts_that_do_not_fit_together(parts, text):
    partial = PartialMessage(parts[0][1], 0.0)
    with pytest.raises(ProtocolError, match=text):
        for index, last, size in parts:
            partial.add(index, last, bytes(size))


# NCP-9-13
def test_the_smallest_part_and_an_equal_last_one_are_accepted():
    partial = PartialMessage(1, 0.0)
    assert partial.add(1, 1, bytes(MIN_PART_BYTES)) == MIN_PART_BYTES
    assert partial.add(0, 1, bytes(MIN_PART_BYTES)) == MIN_PART_BYTES


# NCP-9-5, NCP-9-16
def test_a_newer_message_ends_older_ones_of_its_key_alone():
    sets = Reassembly(65_536)
    for key, number in ((1, 5), (1, 6), (2, 5)):
        assert sets.add(70, number, key, 0, 1, bytes(300), 0.0) is None
    assert sets.add(70, 6, 1, 1, 1, bytes(300), 0.0) == bytes(600)
    assert sets.dropped == 1
    assert sets.used_bytes == 300 + MESSAGE_COST
    assert sets.add(70, 5, 2, 1, 1, bytes(300), 0.0) == bytes(600)


# NCP-9-16
def test_unfinished_messages_die_after_a_second():
    sets = Reassembly(65_536)
    sets.add(4, 0, 0, 0, 1, bytes(300), 10.0)
    sets.add(4, 1, 0, 0, 1, bytes(300), 10.0 + REASSEMBLY_TIMEOUT_S - 0.01)
    assert sets.dropped == 0
    assert sets.add(4, 0, 0, 1, 1, bytes(300), 10.0 + REASSEMBLY_TIMEOUT_S) is None
    assert sets.dropped == 1


# NCP-9-16
def test_the_byte_limit_drops_the_oldest_at_one_above():
    limit = 2 * (1000 + MESSAGE_COST)
    sets = Reassembly(limit)
    sets.add(4, 0, 0, 0, 1, bytes(1000), 0.0)
    sets.add(4, 1, 0, 0, 1, bytes(1000), 0.0)
    assert (sets.dropped, sets.used_bytes) == (0, limit)
    sets.add(4, 2, 0, 1, 1, bytes(1), 0.0)
    assert sets.dropped == 1
    assert sets.used_bytes <= limit


class ReassemblyMachine(RuleBasedStateMachine):
    """Parts of a few messages in any order and time: whatever comes out was sent, and memory stays bounded."""

    LIMIT = 4000

    def __init__(self) -> None:
        super().__init__()
        self.sets = Reassembly(self.LIMIT)
        self.now = 0.0

    @rule(number=st.integers(0, 5), key=st.integers(0, 1), index=st.integers(0, 2))
    def part(self, number: int, key: int, index: int) -> None:
        whole = bytes([number, key]) * 400
        parts = cut(whole + b"x" * 1200)
        got = self.sets.add(
            70, number, key, index % len(parts), len(parts) - 1, parts[index % len(parts)], self.now
        )
        assert got is None or got == whole + b"x" * 1200

    @rule(seconds=st.sampled_from([0.1, 0.6, 2.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def bounded(self) -> None:
        kept = self.sets._sets.values()
        assert self.sets.used_bytes == sum(partial.size + MESSAGE_COST for partial in kept) <= self.LIMIT


TestReassembly = ReassemblyMachine.TestCase
TestReassembly.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
