"""The end of a connection: drained, said three times, then silence."""

from __future__ import annotations

import pytest

from netcore.codes import CloseCode
from netcore.delivery import Delivery
from simnet.link import LinkProfile
from tests.netcore.linked import CLIENT, SERVER, Forger, LinkedPair, Listener, make_connection, message


def open_pair(link: LinkProfile | None = None) -> LinkedPair:
    pair = LinkedPair(4, link)
    pair.run(0.5)
    return pair


# NCP-13-1
def test_what_was_sent_before_close_arrives_first():
    pair = open_pair(LinkProfile(delay_s=0.02, loss=0.2))
    for number in range(50):
        pair.client.send(8, Delivery.ORDERED, b"%d" % number * 100)
    pair.client.close(0x102, "done", drain_s=5.0)
    pair.client.send(8, Delivery.ORDERED, b"too late")
    pair.client.send(20, Delivery.UNRELIABLE, b"too late")
    pair.run(8)
    assert pair.at_server.texts() == [b"%d" % number * 100 for number in range(50)]
    assert pair.at_server.closed == [(0x102, "done", True)]
    assert pair.at_client.closed == [(0x102, "done", False)]
    assert pair.client.is_closed and pair.server.is_closed
    assert pair.client.next_timer() is None


# NCP-13-1
def test_draining_ends_in_time_where_nobody_acknowledges():
    pair = open_pair()
    pair.world.cut(CLIENT, SERVER)
    pair.client.send(8, Delivery.ORDERED, b"lost")
    start = pair.world.now()
    pair.client.close(0, "", drain_s=0.7)
    pair.run(5)
    assert pair.at_client.closed == [(0, "", False)]
    assert pair.at_client.closed_at - start == pytest.approx(0.7, abs=0.01)
    assert pair.client.is_closed


# NCP-13-2
def test_close_is_said_three_times_a_probe_timeout_apart_then_never():
    pair = open_pair()
    pair.world.cut(CLIENT, SERVER)
    before = pair.client.stats.packets_out
    pair.client.close(0, "")
    pair.run(0.001)
    assert pair.client.stats.packets_out == before + 1
    assert not pair.client.is_closed
    pair.run(3)
    assert pair.client.stats.packets_out == before + 3
    assert pair.client.is_closed


def test_close_without_a_drain_goes_at_once():
    pair = open_pair()
    pair.client.send(8, Delivery.ORDERED, bytes(20_000))
    pair.client.close(CloseCode.KICKED, "out", drain_s=0.0)
    pair.run(0.05)
    assert pair.at_server.closed == [(CloseCode.KICKED, "out", True)]


# NCP-13-1
def test_messages_that_arrive_after_close_are_not_delivered():
    pair = open_pair()
    pair.server.send(1, Delivery.ORDERED, b"on its way")
    pair.server.flush()
    pair.run(0.01)
    pair.client.send(8, Delivery.ORDERED, b"keeps it draining")
    pair.client.close()
    pair.run(1)
    assert pair.at_client.messages == []


# NCP-13-3
def test_both_may_close_at_once():
    pair = open_pair()
    pair.client.close(1, "mine")
    pair.server.close(2, "yours")
    pair.run(0.05)
    assert pair.at_client.closed == [(1, "mine", False)]
    assert pair.at_server.closed == [(2, "yours", False)]
    assert pair.client.is_closed and pair.server.is_closed


def test_closing_twice_changes_nothing():
    pair = open_pair()
    pair.client.close(1, "first")
    pair.client.close(2, "second")
    pair.run(2)
    pair.client.close(3, "third")
    assert pair.at_client.closed == [(1, "first", False)]


# NCP-13-2
def test_a_closing_end_answers_more_and_more_rarely():
    now = [1.0]
    connection, forger = make_connection(is_client=False, now=1.0), Forger()
    connection.handler = Listener(lambda: now[0])
    connection.receive_packet(forger.packet(b"\x01"), CLIENT, 1.0)
    connection.close()
    connection.datagrams_to_send(1.0)
    answers = []
    for number in range(1, 20):
        connection.receive_packet(forger.packet(b"\x01"), CLIENT, 1.0)
        if connection.datagrams_to_send(1.0):
            answers.append(number)
    assert answers == [1, 2, 4, 8, 16]


def test_a_handler_may_close_from_within_a_message():
    pair = open_pair()

    class Closer(Listener):
        def message_received(self, lane: int, kind: Delivery, key: int, data: bytes) -> None:
            super().message_received(lane, kind, key, data)
            pair.server.close(CloseCode.KICKED, "no")

    pair.at_server = Closer(pair.world.now)
    pair.server.handler = pair.at_server
    for text in (b"one", b"two", b"three"):
        pair.client.send(8, Delivery.ORDERED, text)
    pair.client.flush()
    pair.run(2)
    assert pair.at_server.texts() == [b"one"]
    assert pair.at_client.closed == [(CloseCode.KICKED, "no", True)]


def test_a_server_nobody_spoke_to_closes_without_a_packet():
    connection = make_connection(is_client=False)
    listener = Listener(lambda: 0.0)
    connection.handler = listener
    connection.close(5, "")
    assert connection.datagrams_to_send(0.0) == []
    assert connection.is_closed
    assert listener.closed == [(5, "", False)]


# NCP-13-6
def test_after_an_error_nothing_more_is_delivered():
    connection, forger = make_connection(is_client=False), Forger()
    listener = Listener(lambda: 0.0)
    connection.handler = listener
    connection.receive_packet(forger.packet(b"\x07"), CLIENT, 0.0)
    connection.receive_packet(forger.packet(message(8, Delivery.ORDERED, 0, b"x")), CLIENT, 0.0)
    assert listener.messages == []
    assert listener.closed == [(CloseCode.FRAME_ENCODING, "frame_type", False)]


def test_a_code_out_of_range_is_the_callers_mistake():
    with pytest.raises(ValueError, match="-1"):
        make_connection(is_client=True).close(-1)


def test_close_goes_as_soon_as_everything_is_acknowledged():
    pair = open_pair()
    start = pair.world.now()
    pair.client.send(8, Delivery.ORDERED, b"last words")
    pair.client.close(0, "", drain_s=5.0)
    pair.run(3)
    assert pair.at_server.texts() == [b"last words"]
    assert pair.at_client.closed_at - start == pytest.approx(0.075, abs=0.001), (
        "a round trip and the ACK's delay"
    )
