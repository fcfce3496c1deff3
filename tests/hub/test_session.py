"""Session streams at the hub: acknowledgement, overflow at the limit and one above, gaps, replay."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messaging.control import Attach, Joined, StreamAck, encode_link_control
from netcore.codes import CloseCode, may_come_back
from netcore.delivery import Delivery
from tests.support.hub_world import Client, HubWorld

ORDERED, RELIABLE, UNRELIABLE, SEQUENCED = (
    Delivery.ORDERED,
    Delivery.RELIABLE,
    Delivery.UNRELIABLE,
    Delivery.SEQUENCED,
)


def settle(*clients):
    for client in clients:
        client.take()
        client.acknowledge()
        client.messages.clear()
        client.controls.clear()


# Acknowledgement.


# MSG-5-3
def test_stream_messages_are_acknowledged_together_within_the_delay():
    world = HubWorld(ack_delay_s=0.05)
    ann = world.client("ann")
    ann.send(b"1")
    ann.send(b"2", RELIABLE)
    ann.send(b"3", UNRELIABLE)
    ann.take()
    assert ann.acks == []
    world.clock.advance(0.051)
    ann.take()
    assert ann.acks == [2]
    world.clock.advance(1.0)
    ann.take()
    assert ann.acks == [2]


def test_one_timer_is_enough_for_many_messages():
    world = HubWorld()
    ann = world.client("ann")
    before = world.clock.pending()
    for _ in range(30):
        ann.send(b"x")
    assert world.clock.pending() == before + 1


def test_a_link_that_is_closed_for_a_fault_still_acknowledges_what_came_before():
    world = HubWorld()
    ann = world.client("ann")
    ann.send(b"1")
    ann.send(b"2")
    ann.raw(5, ORDERED, b"a fault")
    ann.take()
    assert ann.acks == [2]
    assert ann.link.closed[0] == CloseCode.PROTOCOL_VIOLATION


def test_a_great_many_are_acknowledged_at_once():
    world = HubWorld()
    ann = world.client("ann")
    for _ in range(64):
        ann.send(b"x")
    ann.take()
    assert ann.acks == [64]


# MSG-5-2, MSG-5-3
def test_a_repeated_message_is_acknowledged_again_and_not_delivered():
    world = HubWorld()
    ann, ben = world.client("ann"), world.client("ben")
    data = ann.out.push(0.0, 8, ORDERED, b"\0\0once")
    for _ in range(2):
        ann.raw(8, ORDERED, data)
        world.clock.advance(0.1)
    ann.take()
    assert ann.acks == [1, 1]
    assert ben.contents() == [b"once"]


# Overflow.


def flood(world, sender, count, size=1):
    for number in range(count):
        sender.send(number.to_bytes(2, "big") + bytes(size))


def outbox_world(**config):
    world = HubWorld(ingress_messages_burst=1e9, ingress_bytes_burst=1e9, **config)
    ann, ben = world.client("ann"), world.client("ben")
    settle(ann, ben)
    return world, ann, ben


# MSG-5-6
def test_a_receiver_that_does_not_keep_up_is_closed_one_above_the_cap():
    """F-22: the cap holds at the limit; one more closes the receiver's link, never the sender's."""
    world, ann, ben = outbox_world(outbox_messages=20)
    flood(world, ann, 20)
    world.clock.advance(0.0)
    assert ben.link.closed is None
    ann.send(b"one more")
    assert ben.link.closed is None  # not from within the sending
    world.clock.advance(0.0)
    assert ben.link.closed[0] == CloseCode.SLOW_CONSUMER
    assert may_come_back(ben.link.closed[0])
    assert ann.link.closed is None
    assert [type(n).__name__ for n in ann.news()] == ["Away"]
    assert world.hub.stats()["slow_consumers"] == 1


def test_bytes_close_a_slow_receiver_too():
    world, ann, ben = outbox_world(outbox_bytes=1000)
    envelope = 1 + 2 + 1 + 1
    ann.send(bytes(1000 - envelope))
    world.clock.advance(0.0)
    assert ben.link.closed is None
    ann.send(b"")
    world.clock.advance(0.0)
    assert ben.link.closed[0] == CloseCode.SLOW_CONSUMER


def test_a_slow_receiver_that_comes_back_at_once_misses_nothing():
    world, ann, ben = outbox_world(outbox_messages=20)
    flood(world, ann, 21)
    world.clock.advance(0.0)
    ben.take()  # what reached it before the close
    welcome = ben.reattach()
    assert (welcome.recovered, welcome.missed) == (True, 0)
    assert ben.contents() == [n.to_bytes(2, "big") + b"\0" for n in range(21)]


def test_a_slow_receiver_that_has_a_new_link_before_the_old_is_closed_was_never_away():
    world, ann, ben = outbox_world(outbox_messages=20)
    flood(world, ann, 21)
    old = ben.link
    ben.take()
    ben.reattach()
    world.clock.advance(1.0)
    assert old.closed[0] == CloseCode.SLOW_CONSUMER
    assert ben.link.closed is None
    assert ann.news() == []


def test_a_slow_receiver_that_is_ended_before_its_link_is_closed_stays_ended():
    world, ann, ben = outbox_world(outbox_messages=20)
    flood(world, ann, 21)
    world.hub.disconnect(ben.session_id)
    world.clock.advance(500.0)
    assert [type(n).__name__ for n in ann.news()] == ["Left"]
    assert world.hub.stats()["sessions"] == 1
    assert world.clock.pending() == 0


# MSG-5-6
def test_an_absent_receiver_keeps_its_outbox_to_the_cap_and_loses_it_one_above():
    world, ann, ben = outbox_world(outbox_messages=20)
    ben.link.break_()
    flood(world, ann, 20)
    assert ben.reattach().recovered
    assert len(ben.contents()) == 20
    settle(ben)
    ben.link.break_()
    flood(world, ann, 21)
    flood(world, ann, 4)
    welcome = ben.reattach()
    assert (welcome.recovered, welcome.missed) == (False, 25)
    assert ben.contents() == []
    assert [n.name for n in ben.news() if isinstance(n, Joined)] == ["ann", "ben"]
    ann.send(b"goes on")
    assert ben.contents() == [b"goes on"]
    assert world.hub.stats()["gaps"] == 1


# MSG-5-5
def test_a_full_outbox_is_replayed_in_portions_that_a_link_can_take():
    """The outbox and one message more are larger than the queue of any link; what is new waits its turn."""
    world, ann, ben = outbox_world()
    for number in range(18):
        ann.send(number.to_bytes(2, "big") + bytes(60_000))
        world.hub._channels[ann.answer.channel_id].roster.named("ann").ack_now()
        ann.take()
    world.clock.advance(0.0)
    assert ben.link.closed[0] == CloseCode.SLOW_CONSUMER
    ben.link.flushed.clear()  # nothing of it arrived
    ben.open()
    ben.link.cap_bytes = 1 << 20
    ben.raw(0, ORDERED, encode_link_control(Attach(ben.inbound.cumulative)))
    ann.send(b"\xff\xffnew")
    got = []
    for _ in range(10):
        got += [content[:2] for content in ben.contents()]
        assert ben.link.closed is None
        ben.acknowledge()
    assert got == [number.to_bytes(2, "big") for number in (*range(18), 0xFFFF)]
    ann.send(b"at once")
    assert ben.contents() == [b"at once"]


def test_a_full_queue_of_the_link_closes_it_and_keeps_the_message():
    world, ann, ben = outbox_world()
    ben.link.full = True
    ann.send(b"kept")
    world.clock.advance(0.0)
    assert ben.link.closed[0] == CloseCode.SLOW_CONSUMER
    ben.reattach()
    assert ben.contents() == [b"kept"]


def test_unreliable_and_sequenced_messages_never_close_a_receiver():
    world, ann, ben = outbox_world(outbox_messages=5, outbox_bytes=100)
    ben.link.full = True
    for _ in range(500):
        ann.send(bytes(50), UNRELIABLE)
        ann.send(bytes(50), SEQUENCED, key=1)
    world.clock.advance(1.0)
    assert ben.link.closed is None


def test_one_agents_burst_does_not_overflow_a_receiver_that_acknowledges():
    world = HubWorld()
    ann, ben = world.client("ann"), world.client("ben")
    settle(ann, ben)
    for _ in range(490):
        ann.send(bytes(1000))
    world.clock.advance(0.0)
    assert ben.link.closed is None and ann.link.closed is None


def test_many_receivers_that_fail_at_once_do_not_bring_each_other_down():
    world, ann, *_ = outbox_world(outbox_messages=160, agents_per_channel=300)
    others = [world.client(f"agent-{number}") for number in range(150)]
    world.clock.advance(0.01)
    settle(ann, *others)
    for _ in range(161):
        ann.send(b"x")
    world.clock.advance(0.0)
    assert all(client.link.closed[0] == CloseCode.SLOW_CONSUMER for client in others)
    assert ann.link.closed is None


# The budget of what comes in.


@pytest.mark.parametrize("kind", [UNRELIABLE, SEQUENCED])
def test_above_the_budget_ephemeral_messages_are_dropped_and_counted(kind):
    world = HubWorld(ingress_messages_burst=10, ingress_messages_per_s=1)
    ann, ben = world.client("ann"), world.client("ben")
    world.clock.advance(10)
    for number in range(12):
        ann.send(bytes([number]), kind, key=number)
    assert len(ben.contents()) == 10
    assert ann.link.closed is None
    assert world.hub.stats()["dropped_over_budget"] == 2
    world.clock.advance(1.0)
    ann.send(b"again", kind)
    assert ben.contents() == [b"again"]


@pytest.mark.parametrize("kind", [RELIABLE, ORDERED])
def test_above_the_budget_a_reliable_message_closes_and_comes_again(kind):
    world = HubWorld(ingress_messages_burst=10, ingress_messages_per_s=1)
    ann, ben = world.client("ann"), world.client("ben")
    world.clock.advance(10)
    for number in range(10):
        ann.send(bytes([number]), kind)
    assert ann.link.closed is None
    ann.send(b"one more", kind)
    assert ann.link.closed[0] == CloseCode.RATE_LIMIT
    assert len(ben.contents()) == 10
    world.clock.advance(5)
    ann.reattach()
    assert ben.contents() == [b"one more"]


def test_control_messages_and_clock_requests_have_a_budget_too():
    world = HubWorld(ingress_messages_burst=5, ingress_messages_per_s=0.1)
    ann = world.client("ann")
    for _ in range(50):
        ann.raw(6, UNRELIABLE, b"\x01" + bytes(8))
    ann.take()
    assert len(ann.other) <= 5 and ann.link.closed is None
    ann.raw(0, ORDERED, encode_link_control(StreamAck(0)))
    assert ann.link.closed[0] == CloseCode.RATE_LIMIT


# A client that lost its state.


# MSG-5-7
def test_a_client_without_state_gets_a_gap_and_goes_on_with_its_own_stream():
    world = HubWorld()
    ann, ben = world.client("ann"), world.client("ben")
    for number in range(5):
        ben.send(b"%d" % number)
        ann.send(b"a%d" % number)
    settle(ann, ben)
    ann.link.break_()
    ben.send(b"while away")
    reborn = Client(world, world.connect("ann", session_id=ann.session_id))
    welcome = reborn.attach()
    assert (welcome.recovered, welcome.received, welcome.index) == (False, 5, 1)
    assert welcome.missed >= 6
    reborn.out.start_after(welcome.received)
    assert [n.name for n in reborn.news() if isinstance(n, Joined)] == ["ben", "ann"]
    reborn.send(b"hello again")
    assert ben.contents() == [b"hello again"]
    ben.send(b"welcome back")
    assert reborn.contents() == [b"welcome back"]


# Everything at once.


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
# MSG-3-5, MSG-5-5
def test_whatever_the_links_do_nothing_is_lost_doubled_or_out_of_order(seed):
    """Three agents; links cut at random, with what was under way lost in both directions, links replaced while in
    use, absences on both sides of the leave, acknowledgements at random. At the end everyone has everything."""
    rng = random.Random(seed)
    world = HubWorld(seed=seed, ingress_messages_burst=1e9, ingress_bytes_burst=1e9)
    clients = [world.client(name) for name in ("ann", "ben", "cem")]
    sent = {index: [] for index in range(3)}
    got = {index: [] for index in range(3)}
    on = [True] * 3

    def take(index):
        client = clients[index]
        client.take()
        got[index] += [(m.sender - 1, m.lane, m.content) for _, m in client.messages]
        client.messages.clear()

    def come_back(index):
        client = clients[index]
        assert client.attach(rng.choice(["udp", "websocket"])).recovered
        client.out.resume(client.welcome.received)
        for message in client.out.replay(world.clock.now()):
            client.raw(message.lane, message.kind, message.wire())
        on[index] = True

    for step in range(rng.randrange(30, 150)):
        index, action = rng.randrange(3), rng.random()
        client = clients[index]
        if action < 0.5:
            kind, lane = rng.choice([(ORDERED, 8), (ORDERED, 20), (RELIABLE, 9)])
            content = b"%d" % step
            sent[index].append((lane, content))
            if on[index] and rng.random() < 0.8:
                client.send(content, kind, lane=lane)
            elif on[index]:  # lost under way: the link dies with it
                client.out.push(world.clock.now(), lane, kind, b"\0\0" + content)
                on[index] = False
                client.link.break_()
            else:
                client.out.push(world.clock.now(), lane, kind, b"\0\0" + content)
        elif action < 0.65 and on[index]:
            take(index)
            if rng.random() < 0.5:
                client.acknowledge()
        elif action < 0.75 and on[index]:
            client.link.flushed = client.link.flushed[: rng.randrange(len(client.link.flushed) + 1)]
            take(index)
            on[index] = False
            client.link.break_()
        elif action < 0.8 and on[index]:
            take(index)
            come_back(index)  # another link, while this one lives
        elif action < 0.95 and not on[index]:
            come_back(index)
        else:
            world.clock.advance(rng.choice([0.01, 0.1, 3.0]))
    for index in range(3):
        if not on[index]:
            come_back(index)
    for index in range(3):
        take(index)
        expected = [(sender, *message) for sender in range(3) if sender != index for message in sent[sender]]
        assert Counter(got[index]) == Counter(expected)
        for sender in range(3):
            for lane in (8, 20):
                order = [m for m in got[index] if m[:2] == (sender, lane)]
                assert order == [m for m in expected if m[:2] == (sender, lane)]
    world.clock.advance(1.0)
    for client in clients:
        client.take()
        assert client.out.unacknowledged == 0
