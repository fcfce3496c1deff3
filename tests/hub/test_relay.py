"""The relay: shared bytes, slots, flushing at once and by the tick, and links that fail."""

from __future__ import annotations

from hub.ports import QueueFull
from hub.slots import SLOTS, SLOTS_TO_EVERYONE
from netcore.delivery import Delivery
from tests.support.hub_world import FakeLink, HubWorld

SEQUENCED, UNRELIABLE, ORDERED = Delivery.SEQUENCED, Delivery.UNRELIABLE, Delivery.ORDERED


def forget(clients):
    for client in clients:
        client.take()
        client.messages.clear()
        client.link.flushes = 0


# MSG-4-8
def test_a_message_is_encoded_once_for_all():
    world = HubWorld()
    ann, *others = world.clients(5)
    forget(others)
    ann.send(b"state", SEQUENCED, key=3)
    ann.send(b"event", ORDERED)
    shared = [client.link.flushed[0][2] for client in others]
    assert all(data is shared[0] for data in shared)
    streamed = [client.link.flushed[1][2] for client in others]
    assert len({data[2:] for data in streamed}) == 1


def test_up_to_eight_links_are_flushed_at_once():
    world = HubWorld()
    clients = world.clients(8)
    forget(clients)
    clients[0].send(b"x", UNRELIABLE)
    assert all(len(client.link.flushed) == 1 for client in clients[1:])
    assert clients[0].link.flushes == 0  # nothing was put on the sender's link


def test_above_eight_links_the_tick_flushes():
    world = HubWorld(relay_tick_s=0.005)
    clients = world.clients(9)
    world.clock.advance(1.0)
    forget(clients)
    clients[0].send(b"one", UNRELIABLE)
    clients[0].send(b"two", UNRELIABLE)
    assert all(client.link.flushes == 0 for client in clients)
    world.clock.advance(0.0049)
    assert all(client.link.flushes == 0 for client in clients)
    world.clock.advance(0.0002)
    assert [client.link.flushes for client in clients] == [0] + [1] * 8
    assert clients[1].contents() == [b"one", b"two"]
    world.clock.advance(1.0)
    assert [client.link.flushes for client in clients] == [0] + [1] * 8


def test_the_tick_flushes_only_those_who_got_something():
    world = HubWorld()
    clients = world.clients(10)
    world.clock.advance(1.0)
    forget(clients)
    clients[0].send(b"x", UNRELIABLE, to=3)
    world.clock.advance(0.01)
    assert [client.link.flushes for client in clients] == [0, 0, 1] + [0] * 7
    clients[0].send(b"x", UNRELIABLE)
    clients[1].send(b"x", UNRELIABLE)
    world.clock.advance(0.01)
    assert [client.link.flushes for client in clients] == [1, 1, 2] + [1] * 7


def test_a_tick_of_zero_flushes_at_once_whatever_the_size():
    world = HubWorld(relay_tick_s=0.0)
    clients = world.clients(12)
    forget(clients)
    clients[0].send(b"x", UNRELIABLE)
    assert all(client.link.flushes == 1 for client in clients[1:])


def test_the_number_of_links_decides_and_not_of_sessions():
    world = HubWorld()
    clients = world.clients(9)
    clients[8].link.break_()
    forget(clients)
    clients[0].send(b"x", UNRELIABLE)
    assert clients[1].contents() == [b"x"]


# MSG-4-11
def test_the_link_key_is_a_slot_and_the_real_key_is_in_the_envelope():
    world = HubWorld()
    ann, ben, cem = world.clients(3)
    forget([cem])
    for sender in (ann, ben):
        for lane in (10, 12):
            for key in (7, 2**30 - 1):
                sender.send(b"x", SEQUENCED, key=key, lane=lane)
                sender.send(b"y", SEQUENCED, key=key, lane=lane)
    slots = [key for _, _, _, key in cem.link.flushed]
    assert len(set(slots)) == 8 and max(slots) < 256
    cem.take()
    names = [(m.sender, m.lane, m.key) for _, m in cem.messages]
    assert len(set(zip(slots, names, strict=True))) == 8


def test_a_member_with_very_many_keys_never_leaves_the_slots():
    world = HubWorld(ingress_messages_burst=1e6)
    ann, ben = world.clients(2)
    forget([ben])
    for key in range(1000):
        ann.send(b"x", SEQUENCED, key=key)
    assert ben.link.closed is None
    assert {key for _, _, _, key in ben.link.flushed} == set(range(SLOTS_TO_EVERYONE))


def test_one_link_that_raises_does_not_keep_the_message_from_the_others():
    world = HubWorld()
    clients = world.clients(5)
    forget(clients)

    def refuse(*_):
        raise QueueFull

    def too_large(*_):
        raise ValueError("too large")

    for number, fault in ((1, refuse), (3, too_large)):
        clients[number].link.send = fault
        world.hub._channels[clients[0].answer.channel_id].relay.set_link(number + 1, clients[number].link)
    clients[0].send(b"x", UNRELIABLE)
    clients[0].send(b"y", UNRELIABLE, to=2)
    assert [clients[n].contents() for n in (2, 4)] == [[b"x"], [b"x"]]
    assert clients[0].link.closed is None
    assert world.hub.stats()["link_failures"] == 3


def test_who_comes_and_goes_is_counted_in_at_once():
    world = HubWorld()
    ann, ben = world.clients(2)
    ann.send(b"1", UNRELIABLE)
    cem = world.client("cem")
    ann.send(b"2", UNRELIABLE)
    ben.link.break_()
    ann.send(b"3", UNRELIABLE)
    assert cem.contents() == [b"2", b"3"]
    ben.attach()
    ann.send(b"4", UNRELIABLE)
    assert ben.contents() == [b"4"]  # what was unreliable is not kept
    assert world.hub.stats()["deliveries"] == 1 + 2 + 1 + 2


def test_one_tick_is_waited_for_however_many_messages_come():
    world = HubWorld()
    clients = world.clients(9)
    world.clock.advance(1.0)
    before = world.clock.pending()
    for _ in range(50):
        clients[0].send(b"x", UNRELIABLE)
    assert world.clock.pending() == before + 1


def test_a_leaver_takes_nothing_with_it_and_gives_its_slots_back():
    world = HubWorld(ingress_messages_burst=1e6)
    ann, ben, cem = world.clients(3)
    for key in range(SLOTS_TO_EVERYONE):
        ben.send(b"x", SEQUENCED, key=key)
    ben.leave()
    delivered = world.hub.stats()["deliveries"]
    ann.send(b"event", ORDERED)
    ann.send(b"state", UNRELIABLE)
    assert world.hub.stats()["deliveries"] == delivered + 2  # cem alone
    forget([cem])
    for key in range(SLOTS_TO_EVERYONE):
        ann.send(b"x", SEQUENCED, key=key)
    assert {key for _, _, _, key in cem.link.flushed} == set(range(SLOTS_TO_EVERYONE))


# MSG-4-11
def test_what_goes_to_one_never_takes_the_slot_of_what_goes_to_everyone():
    world = HubWorld(ingress_messages_burst=1e6)
    ann, ben, cem = world.clients(3)
    forget([ben, cem])
    for key in range(300):
        ann.send(b"all", SEQUENCED, key=key)
        ann.send(b"one", SEQUENCED, key=key, to=ben.welcome.index)
    slots = {body[-3:]: set() for _, _, body, _ in ben.link.flushed}
    for _, _, body, slot in ben.link.flushed:
        slots[body[-3:]].add(slot)
    assert slots == {
        b"all": set(range(SLOTS_TO_EVERYONE)),
        b"one": set(range(SLOTS_TO_EVERYONE, SLOTS)),
    }
    assert not {slot for _, _, _, slot in cem.link.flushed} & slots[b"one"]


# MSG-4-11
def test_of_each_slot_only_the_last_word_counts_as_the_newest(monkeypatch):
    """So a link that settles sends again what was lost, and not what was replaced."""
    messages = []
    monkeypatch.setattr(
        FakeLink, "shared_sender", lambda link, lane: lambda block: messages.extend(block.messages)
    )
    world = HubWorld()
    ann, _ = world.clients(2)
    for number in range(3):
        ann.send(b"moving %d" % number, SEQUENCED, key=1)
    ann.send(b"other key", SEQUENCED, key=2)
    assert [message.is_newest() for message in messages] == [False, False, True, True]
