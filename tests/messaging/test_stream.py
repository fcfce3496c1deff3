"""The session stream: nothing lost, nothing doubled, order kept, whatever the links do."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messaging.errors import StreamFull
from messaging.stream import ACK_EVERY_BYTES, ACK_EVERY_MESSAGES, StreamReceiver, StreamSender
from netcore.codes import CloseCode
from netcore.delivery import Delivery
from netcore.errors import ProtocolError

ORDERED, RELIABLE = Delivery.ORDERED, Delivery.RELIABLE


def push(sender, body=b"x", now=0.0, lane=8, kind=ORDERED, **options):
    return sender.push(now, lane, kind, body, **options)


# MSG-4-1, MSG-5-1
def test_numbers_start_at_one_and_stand_behind_the_head():
    sender = StreamSender()
    assert push(sender, b"body") == b"\x00\x01body"
    assert push(sender, b"body", head=b"\x40") == b"\x40\x00\x02body"
    assert sender.last == 2


# MSG-5-1
def test_only_the_low_sixteen_bits_travel():
    sender, receiver = StreamSender(), StreamReceiver()
    sender.start_after(0xFFFE)
    receiver.skip(0xFFFE)
    numbers = [receiver.accept(int.from_bytes(push(sender)[:2], "big")) for _ in range(4)]
    assert numbers == [0xFFFF, 0x10000, 0x10001, 0x10002]


def test_acknowledging_completes_each_number_once():
    sender = StreamSender()
    for _ in range(5):
        push(sender)
    assert list(sender.acknowledged(3)) == [1, 2, 3]
    assert list(sender.acknowledged(2)) == []
    assert list(sender.acknowledged(5)) == [4, 5]
    assert sender.unacknowledged == 0


# MSG-5-9
def test_an_acknowledgement_of_what_was_never_sent_is_a_violation():
    sender = StreamSender()
    push(sender)
    with pytest.raises(ProtocolError) as caught:
        sender.acknowledged(2)
    assert caught.value.code == CloseCode.PROTOCOL_VIOLATION
    with pytest.raises(ProtocolError):
        sender.resume(2)


# MSG-5-4
def test_the_message_cap_holds_at_the_limit_and_breaks_one_above():
    sender = StreamSender(max_messages=10)
    for _ in range(10):
        push(sender)
    with pytest.raises(StreamFull):
        push(sender)
    assert (sender.last, sender.unacknowledged) == (10, 10)
    sender.acknowledged(1)
    push(sender)
    with pytest.raises(StreamFull):
        push(sender)


# MSG-5-4
def test_the_byte_cap_holds_at_the_limit_and_breaks_one_above():
    sender = StreamSender(max_bytes=100)
    push(sender, bytes(60))
    push(sender, bytes(40))
    assert sender.unacknowledged_bytes == 100
    with pytest.raises(StreamFull):
        push(sender, b"x")
    sender.acknowledged(1)
    push(sender, bytes(60))
    with pytest.raises(StreamFull):
        push(sender, b"x")


# MSG-5-4
def test_the_age_cap_holds_at_the_limit_and_breaks_above():
    sender = StreamSender(max_age_s=120.0)
    push(sender, now=10.0)
    push(sender, now=130.0)
    with pytest.raises(StreamFull):
        push(sender, now=130.1)
    sender.acknowledged(1)
    push(sender, now=200.0)


def test_messages_bounded_otherwise_do_not_count():
    sender = StreamSender(max_messages=1, max_bytes=1)
    for _ in range(50):
        push(sender, bytes(50), counted=False)
    push(sender, b"x")
    sender.acknowledged(50)
    assert sender.unacknowledged_bytes == 1
    with pytest.raises(StreamFull):
        push(sender, b"x")


# MSG-5-5
def test_a_new_link_replays_what_was_not_received_in_order_and_on_its_lanes():
    sender = StreamSender()
    wires = [push(sender, bytes([n]), lane=8 + n, kind=RELIABLE if n % 2 else ORDERED) for n in range(6)]
    resumption = sender.resume(2)
    assert (resumption.recovered, resumption.missed) == (True, 0)
    replayed = list(sender.replay(5.0))
    assert [m.wire() for m in replayed] == wires[2:]
    assert [(m.lane, m.kind) for m in replayed] == [
        (10, ORDERED),
        (11, RELIABLE),
        (12, ORDERED),
        (13, RELIABLE),
    ]


def test_a_replay_renews_the_age():
    sender = StreamSender(max_age_s=10.0)
    push(sender, now=0.0)
    sender.resume(0)
    list(sender.replay(9.0))
    push(sender, now=18.0)


# MSG-5-6
def test_a_discarded_outbox_makes_an_explicit_gap():
    sender, receiver = StreamSender(), StreamReceiver()
    for _ in range(3):
        receiver.accept(int.from_bytes(push(sender)[:2], "big"))
    for _ in range(4):
        push(sender)
    sender.discard()
    push(sender)  # counted, not kept
    assert (sender.last, sender.unacknowledged) == (8, 0)
    resumption = sender.resume(receiver.cumulative)
    assert (resumption.recovered, resumption.missed) == (False, 5)
    receiver.skip(resumption.missed)
    assert list(sender.replay(0.0)) == []
    assert receiver.accept(int.from_bytes(push(sender)[:2], "big")) == 9
    assert sender.unacknowledged == 1


# MSG-5-7
def test_a_receiver_that_lost_its_state_gets_a_gap_and_nothing_half():
    sender = StreamSender()
    for _ in range(5):
        push(sender)
    sender.acknowledged(3)
    resumption = sender.resume(0)
    assert (resumption.recovered, resumption.missed) == (False, 5)
    assert list(sender.replay(0.0)) == []
    assert sender.unacknowledged_bytes == 0


# MSG-5-7
def test_a_client_without_state_continues_behind_what_the_server_has():
    sender = StreamSender()
    sender.start_after(57)
    push(sender)
    assert sender.last == 58
    assert list(sender.acknowledged(58)) == [58]
    with pytest.raises(ValueError):
        sender.start_after(3)


# MSG-5-2
def test_a_receiver_takes_each_number_once_and_closes_gaps():
    receiver = StreamReceiver()
    assert [receiver.accept(n) for n in (1, 3, 3, 4, 1, 2, 2, 5)] == [1, 3, 0, 4, 0, 2, 0, 5]
    assert (receiver.cumulative, receiver.duplicates) == (5, 3)


# MSG-5-2
def test_the_window_holds_at_the_limit_and_breaks_one_above():
    receiver = StreamReceiver(window=100)
    assert receiver.accept(100) == 100
    with pytest.raises(ProtocolError) as caught:
        receiver.accept(101)
    assert caught.value.code == CloseCode.LIMIT_EXCEEDED


def test_a_number_before_the_first_is_a_violation():
    receiver = StreamReceiver()
    for low in (0, 0xFFFF):
        with pytest.raises(ProtocolError) as caught:
            receiver.accept(low)
        assert caught.value.code == CloseCode.PROTOCOL_VIOLATION


def test_held_messages_are_not_acknowledged_before_their_release():
    receiver = StreamReceiver()
    for number in (1, 2, 3, 4):
        receiver.accept(number)
    receiver.hold(2)
    receiver.hold(4)
    assert receiver.received == 1
    receiver.release(2)
    assert receiver.received == 3
    receiver.release(4)
    assert receiver.received == 4


# MSG-5-3
def test_acknowledgement_is_needed_after_new_and_after_repeated_messages():
    receiver = StreamReceiver()
    assert not receiver.ack_needed
    receiver.accept(1)
    assert receiver.ack_needed
    assert receiver.acknowledge() == 1
    assert not receiver.ack_needed
    receiver.accept(1)  # the other side repeats: our acknowledgement was lost
    assert receiver.ack_needed


def test_a_release_makes_an_acknowledgement_needed():
    receiver = StreamReceiver()
    receiver.accept(1)
    receiver.hold(1)
    assert receiver.acknowledge() == 0
    assert not receiver.ack_needed
    receiver.release(1)
    assert receiver.ack_needed
    assert receiver.acknowledge() == 1


# MSG-5-3
def test_much_at_once_is_acknowledged_at_once():
    receiver = StreamReceiver()
    for number in range(1, ACK_EVERY_MESSAGES):
        receiver.accept(number)
    assert not receiver.ack_urgent
    receiver.accept(ACK_EVERY_MESSAGES)
    assert receiver.ack_urgent
    other = StreamReceiver()
    other.accept(1, ACK_EVERY_BYTES)
    assert other.ack_urgent
    other.acknowledge()
    assert not other.ack_urgent


@given(st.lists(st.integers(1, 60), max_size=200))
def test_a_receiver_agrees_with_a_set(numbers):
    receiver, seen = StreamReceiver(), set()
    for number in numbers:
        fresh = number not in seen
        assert bool(receiver.accept(number)) == fresh
        seen.add(number)
        cumulative = 0
        while cumulative + 1 in seen:
            cumulative += 1
        assert receiver.cumulative == cumulative


class Wire:
    """One link: ordered lanes keep their order, reliable lanes do not; a cut loses what is under way."""

    def __init__(self, rng):
        self.rng = rng
        self.lanes = {}

    def put(self, lane, kind, data):
        self.lanes.setdefault((lane, kind), []).append(data)

    def pick(self):
        """Any message that may arrive next."""
        filled = [key for key, queue in self.lanes.items() if queue]
        if not filled:
            return None
        lane, kind = self.rng.choice(filled)
        queue = self.lanes[lane, kind]
        index = 0 if kind is ORDERED else self.rng.randrange(len(queue))
        return lane, queue.pop(index)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 70_000))
def test_links_that_come_and_go_lose_nothing_and_double_nothing(seed, start):
    """Random cuts, random loss at the cut, replays, late acknowledgements: each message arrives exactly once,
    and each ordered lane in its order."""
    rng = random.Random(seed)
    sender, receiver = StreamSender(), StreamReceiver()
    sender.start_after(start)
    receiver.skip(start)
    wire, sent, got, completed = Wire(rng), [], [], []
    acks = []
    for step in range(rng.randrange(50, 400)):
        action = rng.random()
        if action < 0.45:
            lane = rng.choice([8, 9, 20])
            kind = RELIABLE if lane == 9 else ORDERED
            body = step.to_bytes(4, "big")
            wire.put(lane, kind, push(sender, body, lane=lane, kind=kind))
            sent.append((lane, body))
        elif action < 0.85:
            arrived = wire.pick()
            if arrived is not None:
                lane, data = arrived
                if receiver.accept(int.from_bytes(data[:2], "big")):
                    got.append((lane, data[2:]))
        elif action < 0.92:
            acks.append(receiver.acknowledge())
        elif action < 0.97 and acks:
            completed += sender.acknowledged(acks.pop(0))
        else:  # the link is cut: all that was under way is lost, in both directions
            wire, acks = Wire(rng), []
            assert sender.resume(receiver.received).recovered
            for message in sender.replay(0.0):
                wire.put(message.lane, message.kind, message.wire())
    sender.resume(receiver.received)
    for message in sender.replay(0.0):
        if receiver.accept(int.from_bytes(message.wire()[:2], "big")):
            got.append((message.lane, message.body))
    sender.acknowledged(receiver.received)
    assert Counter(got) == Counter(sent)
    for lane in (8, 20):
        assert [m for m in got if m[0] == lane] == [m for m in sent if m[0] == lane]
    assert completed == sorted(set(completed))
    assert sender.unacknowledged == sender.unacknowledged_bytes == 0
