"""Where a message goes: the four kinds, one or everyone, types, storing, and what is refused."""

from __future__ import annotations

import pytest

from hub.errors import ErrorCode
from messaging.control import ErrorNotice, TypeName
from messaging.envelope import STORED, encode_publication
from messaging.lanes import DEFAULT_APPLICATION_LANE, TO_CLIENT
from netcore.codes import CloseCode
from netcore.delivery import Delivery
from tests.support.hub_world import HubWorld

KINDS = list(Delivery)


@pytest.mark.parametrize("kind", KINDS)
# MSG-3-2, MSG-4-12
def test_every_kind_reaches_everyone_but_the_sender_on_its_lane(kind):
    world = HubWorld()
    ann, ben, cem = (world.client(name) for name in ("ann", "ben", "cem"))
    ann.send(b"hello", kind, key=9 if kind is Delivery.SEQUENCED else 0, format=1, encrypted=True)
    for client in (ben, cem):
        client.take()
        ((lane, message),) = client.messages
        assert lane == TO_CLIENT[kind]
        assert (message.sender, message.type_index, message.content) == (1, 0, b"hello")
        assert (message.lane, message.format, message.encrypted) == (DEFAULT_APPLICATION_LANE[kind], 1, True)
        assert message.key == (9 if kind is Delivery.SEQUENCED else None)
        assert not message.targeted and message.offset is None
    assert ann.contents() == []


@pytest.mark.parametrize("kind", KINDS)
# MSG-4-13
def test_a_message_to_one_reaches_that_one_alone(kind):
    world = HubWorld()
    ann, ben, cem = (world.client(name) for name in ("ann", "ben", "cem"))
    ann.send(b"psst", kind, to=3)
    cem.take()
    ((lane, message),) = cem.messages
    assert (lane, message.content, message.targeted) == (TO_CLIENT[kind], b"psst", True)
    assert ann.contents() == ben.contents() == []


# MSG-4-12
def test_a_message_to_oneself_comes_back():
    world = HubWorld()
    ann = world.client("ann")
    ann.send(b"note to self", to=1)
    assert ann.contents() == [b"note to self"]


# MSG-4-7
def test_nothing_that_a_client_sends_sets_sender_time_or_offset():
    """A25: the bytes that would be sender, time and offset are content."""
    world = HubWorld()
    ann, ben = world.client("ann"), world.client("ben")
    for flags in range(0x100):
        if ann.link.closed is not None:
            world.hub.disconnect(ann.session_id)
            ann = world.client(f"ann-{flags}")
        ann.raw(11, Delivery.UNRELIABLE, bytes([flags]) + b"\0\xff\xff\0\x08\x07\x07\x07\x07\x07\x07\x07")
    ben.take()
    senders = {message.sender for _, message in ben.messages}
    assert len(ben.messages) > 3
    assert 0xFFFF not in senders
    assert all(m.offset is None and m.time_ms is None for _, m in ben.messages)


# MSG-4-3
def test_a_literal_type_is_announced_once_and_interned():
    world = HubWorld()
    ann, ben = world.client("ann"), world.client("ben")
    ben.news(), ann.news()
    for _ in range(2):
        ann.send(b"x", type="pos")
    ben.send(b"y", type=1)
    assert ben.news() == ann.news() == [TypeName(1, "pos")]
    assert [message.type_index for _, message in ben.messages] == [1, 1]
    ann.take()
    assert [message.type_index for _, message in ann.messages] == [1]


# MSG-4-3
def test_an_index_that_was_never_told_closes_the_link():
    world = HubWorld()
    for data in (b"\0\x01x", encode_publication(700, b"x"), encode_publication(1, b"x", to=1)):
        ann = world.client("ann")
        ann.raw(11, Delivery.UNRELIABLE, data)
        assert ann.link.closed == (CloseCode.FRAME_ENCODING, "type_unknown")
        world.hub.disconnect(ann.session_id)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"to": 9}, ErrorCode.NO_SUCH_AGENT),
        ({"content": bytes(1025)}, ErrorCode.MESSAGE_TOO_LARGE),
        ({"content": bytes(1025), "type": "new"}, ErrorCode.MESSAGE_TOO_LARGE),
        ({"content": bytes(1025), "persistent": True}, ErrorCode.MESSAGE_TOO_LARGE),
        ({"type": "bad\ntype"}, ErrorCode.TYPE_REFUSED),
        ({"to": 9, "persistent": True}, ErrorCode.NO_SUCH_AGENT),
    ],
)
# MSG-6-3
def test_what_the_channel_refuses_is_told_to_the_sender_alone(fields, code):
    world = HubWorld(max_message_bytes=1024)
    ann, ben = world.client("ann"), world.client("ben")
    ann.news(), ben.news()
    ann.send(fields.pop("content", b"x"), **fields)
    (error,) = [n for n in ann.news() if isinstance(n, ErrorNotice)]
    assert (error.code, error.about) == (code, 1)
    assert [n for n in ben.news() if not isinstance(n, TypeName)] == []
    assert ben.contents() == []
    assert ann.link.closed is None
    ann.send(b"goes on")
    assert ben.contents() == [b"goes on"]


# MSG-4-5
def test_the_size_of_a_message_holds_at_the_limit():
    """A12."""
    world = HubWorld(max_message_bytes=1024)
    ann, ben = world.client("ann"), world.client("ben")
    for fields in ({}, {"type": "new"}, {"to": 2}, {"persistent": True}):
        ann.send(bytes(1024), **fields)
        assert ben.contents() == [bytes(1024)]


# MSG-6-3
def test_errors_about_messages_without_a_number_are_rare():
    world = HubWorld()
    ann = world.client("ann")
    ann.news()
    for _ in range(200):
        ann.send(b"x", Delivery.UNRELIABLE, to=9)
        world.clock.advance(0.01)
    errors = ann.news()
    assert 2 <= len(errors) <= 9
    assert all(error.about is None for error in errors)


# MSG-4-13
def test_an_agent_that_left_or_has_no_link_yet_is_no_target():
    world = HubWorld()
    ann, ben = world.client("ann"), world.client("ben")
    world.connect("cem")
    ben.link.break_()
    ann.send(b"kept for ben", to=2)
    world.clock.advance(31)
    ann.news()
    ann.send(b"too late", to=2)
    ann.send(b"too early", to=3)
    assert [n.code for n in ann.news()] == [ErrorCode.NO_SUCH_AGENT] * 2
    ben.reattach()
    assert ben.contents() == [b"kept for ben"]


# Storing.


def test_a_stored_message_carries_offset_and_the_servers_time():
    world = HubWorld()
    ann, ben = world.client("ann"), world.client("ben")
    ann.send(b"one", persistent=True)
    ann.send(b"two", Delivery.RELIABLE, persistent=True)
    ben.take()
    assert [(lane, m.offset, m.time_ms, m.content) for lane, m in ben.messages] == [
        (1, 1, int(world.clock.wall() * 1000), b"one"),
        (2, 2, int(world.clock.wall() * 1000), b"two"),
    ]
    assert world.client("cem").welcome.offset == 2


# MSG-4-4
def test_only_reliable_kinds_are_stored():
    world = HubWorld()
    ann, ben = world.client("ann"), world.client("ben")
    ann.news()
    for kind in (Delivery.UNRELIABLE, Delivery.SEQUENCED):
        ann.send(b"x", kind, persistent=True)
        world.clock.advance(1)
    assert [n.code for n in ann.news()] == [ErrorCode.NOT_STORABLE] * 2
    assert ben.contents() == []
    assert world.hub.stats()["stored"] == 0


class SlowLog:
    """A log that stores when it is told to."""

    def __init__(self, log):
        self.log, self.waiting = log, []

    def append(self, *arguments):
        self.waiting.append(arguments)

    def store_all(self):
        waiting, self.waiting = self.waiting, []
        for arguments in waiting:
            self.log.append(*arguments)

    def __getattr__(self, name):
        return getattr(self.log, name)


def slow_world():
    world = HubWorld()
    slow = SlowLog(world.log)
    object.__setattr__(world.hub._env, "log", slow)
    return world, slow


# MSG-4-4
def test_a_message_is_acknowledged_and_relayed_only_when_it_is_stored():
    world, slow = slow_world()
    ann, ben = world.client("ann"), world.client("ben")
    ann.send(b"plain")
    ann.send(b"to store", persistent=True)
    ann.send(b"after")
    world.clock.advance(0.2)
    ann.take()
    assert max(ann.acks) == 1
    assert ben.contents() == [b"plain", b"after"]
    slow.store_all()
    world.clock.advance(0.2)
    ann.take()
    assert max(ann.acks) == 3
    assert ben.contents() == [b"to store"]


def test_a_message_that_waits_to_be_stored_is_not_stored_twice_by_a_new_link():
    world, slow = slow_world()
    ann = world.client("ann")
    ann.send(b"to store", persistent=True)
    ann.link.break_()
    assert ann.reattach().received == 0
    slow.store_all()
    world.clock.advance(0.2)
    ann.take()
    assert ann.acks[-1] == 1
    assert world.log.position(ann.answer.channel_id)[1] == 1


def test_a_message_stored_after_its_sender_left_reaches_the_others():
    world, slow = slow_world()
    ann, ben = world.client("ann"), world.client("ben")
    ann.send(b"last words", persistent=True)
    ann.leave()
    slow.store_all()
    ben.take()
    assert [(m.sender, m.content) for _, m in ben.messages] == [(1, b"last words")]
    ben.leave()
    world.clock.advance(1)


def test_stored_flags_of_the_client_do_not_reach_anyone():
    world = HubWorld()
    ann, ben = world.client("ann"), world.client("ben")
    ann.send(b"x", persistent=True, to=2)
    data = next(d for lane, _, d, _ in ben.link.flushed if lane == 1)
    assert data[2] & STORED and ben.contents() == [b"x"]
