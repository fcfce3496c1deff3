"""Hostile bytes: they close the link with a code and are counted; nothing ever raises out of the hub."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messaging.control import (
    Attach,
    Joined,
    Leave,
    StreamAck,
    TypeName,
    encode_link_control,
    encode_stream_control,
)
from messaging.envelope import encode_publication
from messaging.timecode import decode_time, encode_time_answer, encode_time_request
from netcore.codes import CloseCode
from netcore.delivery import Delivery
from tests.support.hub_world import Client, HubWorld

ORDERED, UNRELIABLE, SEQUENCED, RELIABLE = (
    Delivery.ORDERED,
    Delivery.UNRELIABLE,
    Delivery.SEQUENCED,
    Delivery.RELIABLE,
)


def in_stream(message, number=1):
    head, body = encode_stream_control(message)
    return head + number.to_bytes(2, "big") + body


@pytest.mark.parametrize(
    ("lane", "kind", "data", "code", "text"),
    [
        (0, ORDERED, b"", CloseCode.FRAME_ENCODING, "control_empty"),
        (0, ORDERED, b"\x7f\0\1\x90", CloseCode.FRAME_ENCODING, "control_op"),
        (0, ORDERED, bytes([3]) + b"\x80" * 5000, CloseCode.FRAME_ENCODING, "control_too_long"),
        (0, RELIABLE, encode_link_control(StreamAck(0)), CloseCode.PROTOCOL_VIOLATION, "control_kind"),
        (0, ORDERED, encode_link_control(Attach(0)), CloseCode.PROTOCOL_VIOLATION, "control_unexpected"),
        (0, ORDERED, in_stream(Joined(1, "x", 0)), CloseCode.PROTOCOL_VIOLATION, "control_unexpected"),
        (0, ORDERED, in_stream(TypeName(1, "x")), CloseCode.PROTOCOL_VIOLATION, "control_unexpected"),
        (
            0,
            ORDERED,
            encode_link_control(StreamAck(99)),
            CloseCode.PROTOCOL_VIOLATION,
            "stream_ack_of_unsent",
        ),
        (0, ORDERED, in_stream(Leave(), 5000), CloseCode.LIMIT_EXCEEDED, "stream_window"),
        (1, ORDERED, b"\0\1\0\0x", CloseCode.PROTOCOL_VIOLATION, "lane"),
        (5, UNRELIABLE, b"\0\0", CloseCode.PROTOCOL_VIOLATION, "lane"),
        (7, ORDERED, b"\0\0", CloseCode.PROTOCOL_VIOLATION, "lane"),
        (64, UNRELIABLE, b"\0\0", CloseCode.PROTOCOL_VIOLATION, "lane"),
        (6, UNRELIABLE, b"\x01", CloseCode.FRAME_ENCODING, "time_message"),
        (6, UNRELIABLE, encode_time_answer(1, 2, 3), CloseCode.PROTOCOL_VIOLATION, "time_direction"),
        (8, ORDERED, b"\0", CloseCode.FRAME_ENCODING, "stream_number_truncated"),
        (8, ORDERED, b"\0\1\0", CloseCode.FRAME_ENCODING, "publication_truncated"),
        (8, ORDERED, b"\x20\0\0\0x", CloseCode.LIMIT_EXCEEDED, "stream_window"),
        (8, ORDERED, b"\0\0\0\0x", CloseCode.PROTOCOL_VIOLATION, "stream_number"),
        (11, UNRELIABLE, b"", CloseCode.FRAME_ENCODING, "publication_truncated"),
        (11, UNRELIABLE, b"\x80\0", CloseCode.FRAME_ENCODING, "varint_truncated"),
        (11, UNRELIABLE, b"\x80\0\0", CloseCode.FRAME_ENCODING, "filter_length"),
        (11, UNRELIABLE, b"\xa0\0\0\1\1.x", CloseCode.PROTOCOL_VIOLATION, "to_and_filter"),
        (8, ORDERED, b"\0\1\x08\0\x01\x20x", CloseCode.FRAME_ENCODING, "compressed_block"),
        (11, UNRELIABLE, b"\x08\0x", CloseCode.PROTOCOL_VIOLATION, "compressed"),
    ],
)
# MSG-1-2, MSG-3-2, MSG-3-3, MSG-4-4
def test_what_breaks_a_rule_closes_the_link_by_name_and_is_counted(lane, kind, data, code, text):
    world = HubWorld()
    ann, ben = world.client("ann"), world.client("ben")
    ann.raw(lane, kind, data)
    assert ann.link.closed == (code, text)
    assert world.hub.stats()[f"protocol_errors.{text}"] == 1
    assert ben.link.closed is None
    assert type(ben.news()[-1]).__name__ == "Away"
    ann.raw(lane, kind, data)  # the transport may still have some
    assert ben.contents() == []


def test_a_key_above_the_limit_closes_and_the_limit_passes():
    world = HubWorld()
    ann, ben = world.client("ann"), world.client("ben")
    ann.send(b"x", SEQUENCED, key=2**30 - 1)
    assert ben.contents() == [b"x"]
    ann.send(b"x", SEQUENCED, key=2**30)
    assert ann.link.closed == (CloseCode.LIMIT_EXCEEDED, "key_range")


# MSG-2-4
def test_before_attach_ephemeral_messages_are_dropped_and_others_close():
    world = HubWorld()
    ben = world.client("ben")
    ann = Client(world, world.connect("ann"))
    ann.open()
    ann.send(b"early", UNRELIABLE)
    ann.raw(6, UNRELIABLE, encode_time_request(1))
    assert ann.link.closed is None
    assert world.hub.stats()["early_messages"] == 2
    ann.send(b"early")
    assert ann.link.closed == (CloseCode.PROTOCOL_VIOLATION, "lane")
    assert ben.contents() == []


# MSG-5-9
def test_attach_with_a_number_that_was_never_sent_is_refused_and_the_old_link_stays():
    world = HubWorld()
    ann = world.client("ann")
    active = ann.link
    ann.open("websocket")
    ann.raw(0, ORDERED, encode_link_control(Attach(10_000)))
    assert ann.link.closed == (CloseCode.PROTOCOL_VIOLATION, "stream_ack_of_unsent")
    assert active.closed is None


# MSG-7-1
def test_clock_requests_are_answered_at_once():
    world = HubWorld()
    ann = world.client("ann")
    ann.link.flushed.clear()
    ann.raw(6, UNRELIABLE, encode_time_request(123))
    ((lane, kind, data, _),) = ann.link.flushed
    answer = decode_time(data)
    assert (lane, kind) == (6, UNRELIABLE)
    assert (answer.sent_us, answer.received_us) == (123, int(world.clock.now() * 1e6))
    assert answer.answered_us >= answer.received_us


# MSG-2-7
def test_leave_is_acknowledged_before_the_link_closes():
    world = HubWorld()
    ann = world.client("ann")
    ann.send(b"x")
    ann.leave()
    ann.take()
    assert ann.acks == [2]
    assert ann.link.closed == (CloseCode.NORMAL, "left")


@pytest.mark.parametrize("size", [1, 2, 3, 50])
def test_a_room_survives_a_member_that_sends_only_garbage(size):
    world = HubWorld()
    ben, cem = world.client("ben"), world.client("cem")
    for number in range(100):
        eve = world.client(f"eve-{number}")
        eve.raw(number % 64, Delivery(number % 4), world.random.randbytes(size), key=number)
        if eve.link.closed is None:
            eve.leave()
        else:
            world.hub.disconnect(eve.session_id)
        for friend in (ben, cem):
            friend.take()
            friend.acknowledge()
    ben.send(b"still here")
    assert cem.contents()[-1] == b"still here"
    assert ben.link.closed is None and cem.link.closed is None


tails = st.binary(max_size=20)
messages = st.one_of(
    st.tuples(
        st.integers(0, 70), st.sampled_from(list(Delivery)), st.integers(0, 2**62 - 1), st.binary(max_size=60)
    ),
    st.tuples(
        st.integers(8, 63),
        st.sampled_from([UNRELIABLE, SEQUENCED]),
        st.integers(0, 2**31),
        st.builds(
            encode_publication,
            st.integers(0, 3) | st.text(min_size=1, max_size=5),
            st.binary(max_size=9),
            format=st.integers(0, 2),
            persistent=st.booleans(),
            to=st.none() | st.integers(1, 4),
        ),
    ),
    st.tuples(
        st.just(0), st.just(ORDERED), st.just(0), tails.map(lambda tail: b"\x03\x81\xa8received" + tail)
    ),
    st.tuples(st.just(8), st.just(ORDERED), st.just(0), tails.map(lambda tail: b"\0\1" + tail)),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(messages, max_size=30), st.booleans())
def test_no_bytes_raise_and_no_other_link_suffers(script, attach_first):
    world = HubWorld()
    ben = world.client("ben")
    eve = Client(world, world.connect("eve"))
    eve.attach() if attach_first else eve.open()
    for lane, kind, key, data in script:
        eve.raw(lane, kind, data, key)
    world.clock.advance(0.2)
    assert ben.link.closed is None
    ben.take()
    codes = set(CloseCode)
    assert eve.link.closed is None or eve.link.closed[0] in codes
