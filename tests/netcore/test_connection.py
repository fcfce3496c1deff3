"""A connection as a whole: what a remote may not do, when timers run, how little an idle one sends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netcore.codes import CloseCode
from netcore.config import ConnectionConfig
from netcore.connection import Connection
from netcore.delivery import Delivery
from netcore.errors import QueueFull
from netcore.fragments import MESSAGE_COST
from netcore.frames import ack_frame
from netcore.params import Params
from simnet.link import LinkProfile
from tests.netcore.linked import CLIENT, SERVER, Forger, LinkedPair, Listener, make_connection, message
from tests.netcore.test_frames import parse

VECTORS = json.loads((Path(__file__).parents[2] / "docs/protocol/vectors/frames.json").read_text())
PING = b"\x01"


class Victim:
    """A server's connection and a client that writes its packets by hand."""

    def __init__(self, **made: object) -> None:
        self.now = 1.0
        self.dirty: list[Connection] = []
        self.connection = make_connection(is_client=False, now=1.0, dirty=self.dirty.append, **made)  # type: ignore[arg-type]
        self.listener = Listener(lambda: self.now)
        self.connection.handler = self.listener
        self.forger = Forger()

    def feed(self, *frames: bytes, skip: int = 0) -> bool:
        return self.connection.receive_packet(self.forger.packet(*frames, skip=skip), CLIENT, self.now)

    def said(self) -> list[dict]:
        """The frames of everything it sends now."""
        packets = self.connection.datagrams_to_send(self.now)
        return [frame for packet in packets for frame in parse(self.forger.opener.open(packet) or b"")[0]]

    def closed_with(self) -> int | None:
        return self.listener.closed[0][0] if self.listener.closed else None


@pytest.mark.parametrize("case", VECTORS["violations"], ids=lambda case: case["why"])
# NCP-9-1, NCP-9-4, NCP-9-9, NCP-9-14, NCP-9-15, NCP-10-3, NCP-13-6
def test_violation_vector_closes(case):
    victim = Victim()
    for packet in case["packets"]:
        assert victim.closed_with() is None
        victim.feed(bytes.fromhex(packet))
        if victim.closed_with() is None:
            victim.said()
    code = CloseCode[case["close"]]
    assert victim.listener.closed == [(code, case["error"], False)]
    assert {"frame": "CLOSE", "code": code, "reason": case["error"]} in victim.said()


@pytest.mark.parametrize("case", VECTORS["bad"], ids=lambda case: case["why"])
# NCP-8-2, NCP-13-6
def test_bad_frame_vector_closes(case):
    victim = Victim()
    victim.feed(PING)
    victim.feed(bytes.fromhex(case["bytes"]))
    assert victim.closed_with() == CloseCode[case["close"]]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=8))
def test_arbitrary_frames_never_raise(packets):
    victim = Victim()
    for frames in packets:
        victim.feed(frames)
        victim.connection.datagrams_to_send(victim.now)
        victim.now += 0.01
        due = victim.connection.next_timer()
        assert due is None or due > 0
    assert len(victim.listener.closed) <= 1


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=100))
def test_arbitrary_datagrams_are_dropped(data):
    victim = Victim()
    assert victim.connection.receive_packet(data, CLIENT, 1.0) is False
    assert not victim.connection.established
    assert victim.dirty == []


# NCP-8-6
@pytest.mark.parametrize("behind", [b"", b"\xff", b"\x09" * 30], ids=["nothing", "no frame", "more of it"])
def test_nothing_behind_a_close_is_looked_at(behind):
    victim = Victim()
    victim.feed(bytes.fromhex("060003627965") + behind)
    assert victim.listener.closed == [(CloseCode.NORMAL, "bye", True)]


# NCP-10-4
def test_a_packet_that_asks_for_nothing_is_acknowledged_with_the_next_that_does():
    victim = Victim()
    victim.feed(b"\x00")
    assert victim.said() == []
    victim.feed(PING)
    (ack,) = victim.said()
    assert (ack["largest"], ack["first"]) == (1, 1)


# NCP-10-7
def test_every_eighth_packet_with_nothing_but_an_ack_asks_for_an_answer():
    victim = Victim()
    asked = []
    for _ in range(24):
        victim.now += 0.001
        victim.feed(PING)
        (packet,) = victim.connection.datagrams_to_send(victim.now)
        frames, eliciting = parse(victim.forger.opener.open(packet) or b"")
        assert [frame["frame"] for frame in frames] == ["ACK"]
        asked.append(eliciting)
    assert [number + 1 for number, eliciting in enumerate(asked) if eliciting] == [8, 16, 24]


# NCP-9-9, NCP-9-14
def test_limits_at_the_edge_are_kept_and_one_above_closes():
    victim = Victim()
    victim.feed(message(9, Delivery.RELIABLE, 1023, b"edge"))
    assert victim.closed_with() is None
    assert victim.listener.texts() == [b"edge"]
    victim.feed(message(9, Delivery.RELIABLE, 1024, b"above"))
    assert victim.closed_with() == CloseCode.LIMIT_EXCEEDED


# NCP-9-10
def test_the_receive_budget_at_the_edge():
    victim = Victim(local=Params(recv_budget=2 * (100 + MESSAGE_COST)))
    victim.feed(message(8, Delivery.ORDERED, 1, bytes(100)), message(7, Delivery.ORDERED, 1, bytes(100)))
    assert victim.closed_with() is None
    assert victim.connection.stats.snapshot()["held_bytes"] == 2 * (100 + MESSAGE_COST)
    victim.feed(message(6, Delivery.ORDERED, 1, b""))
    assert victim.closed_with() == CloseCode.LIMIT_EXCEEDED


def test_what_is_delivered_leaves_the_budget():
    victim = Victim(local=Params(recv_budget=164))
    for number in range(50):
        victim.feed(message(8, Delivery.ORDERED, number * 2 + 1, bytes(100)))
        victim.feed(message(8, Delivery.ORDERED, number * 2, b""))
    assert victim.closed_with() is None
    assert len(victim.listener.messages) == 100


@pytest.mark.parametrize("kind", list(Delivery))
# NCP-9-11
def test_the_largest_message_at_the_edge(kind):
    victim = Victim(local=Params(max_message=400))
    victim.feed(message(9, kind, 0, bytes(400)))
    part = bytes(256)
    victim.feed(message(9, kind, 1, part, part=(0, 1)), message(9, kind, 1, bytes(144), part=(1, 1)))
    assert [len(text) for text in victim.listener.texts()] == [400, 400]
    victim.feed(message(9, kind, 2, part, part=(0, 1)), message(9, kind, 2, bytes(145), part=(1, 1)))
    assert victim.closed_with() == CloseCode.LIMIT_EXCEEDED
    victim = Victim(local=Params(max_message=400))
    victim.feed(message(9, kind, 0, bytes(401)))
    assert victim.closed_with() == CloseCode.LIMIT_EXCEEDED


# NCP-9-1
def test_all_lanes_may_be_used_and_each_has_its_kind():
    victim = Victim()
    for lane in range(64):
        victim.feed(message(lane, Delivery(lane % 4), 0, bytes([lane])))
    assert [where for where, _, _, _ in victim.listener.messages] == list(range(64))


# NCP-9-4
def test_256_keys_are_welcome():
    victim = Victim()
    for key in range(256):
        victim.feed(message(9, Delivery.SEQUENCED, 0, b"", key * 7))
    assert len(victim.listener.messages) == 256


# NCP-9-9
def test_an_old_reliable_message_is_ignored_not_an_error():
    victim = Victim()
    for number in range(3):
        victim.feed(message(9, Delivery.RELIABLE, number, b"%d" % number))
    victim.feed(message(9, Delivery.RELIABLE, 1, b"again"), message(9, Delivery.RELIABLE, 2, b"again"))
    assert victim.listener.texts() == [b"0", b"1", b"2"]
    assert victim.connection.stats.repeated_messages == 2


# NCP-7-10
def test_a_packet_from_another_address_is_dropped():
    victim = Victim()
    packet = victim.forger.packet(message(8, Delivery.ORDERED, 0, b"x"))
    assert not victim.connection.receive_packet(packet, ("203.0.113.9", 1), 1.0)
    assert victim.connection.receive_packet(packet, CLIENT, 1.0), "it was not entered into the window either"


# NCP-7-9
def test_a_server_says_nothing_before_its_client():
    victim = Victim()
    victim.connection.send(1, Delivery.ORDERED, b"early")
    victim.connection.flush()
    assert victim.connection.datagrams_to_send(1.0) == []
    victim.feed(PING)
    assert [frame["data"] for frame in victim.said() if frame["frame"] == "MSG"] == [b"early".hex()]


# NCP-8-7
def test_a_path_challenge_is_answered_at_once_with_its_bytes():
    victim = Victim()
    victim.feed(*(b"\x04" + bytes([number]) * 8 for number in range(6)))
    assert victim.dirty
    answers = [frame["data"] for frame in victim.said() if frame["frame"] == "PATH_RESPONSE"]
    assert answers == [(bytes([number]) * 8).hex() for number in range(4)]


# NCP-8-7
def test_an_answer_to_no_challenge_is_ignored():
    victim = Victim()
    victim.feed(b"\x05" + bytes(8))
    assert victim.closed_with() is None


def test_dirty_is_called_once_until_the_next_flush():
    victim = Victim()
    victim.feed(PING)
    victim.feed(PING)
    victim.connection.flush()
    assert victim.dirty == [victim.connection]
    victim.said()
    victim.connection.flush()
    assert len(victim.dirty) == 2


def test_a_flush_with_nothing_to_say_sends_nothing():
    victim = Victim()
    victim.feed(message(4, Delivery.UNRELIABLE, 0, b"x"))
    victim.connection.flush()
    assert victim.connection.datagrams_to_send(1.0) == [], "the acknowledgement may wait"
    assert 1.012 < victim.connection.next_timer() <= 1.025


def test_sends_without_a_flush_wait_for_the_next_packet():
    victim = Victim()
    victim.feed(PING)
    victim.said()
    victim.dirty.clear()
    victim.connection.send(1, Delivery.ORDERED, b"waits")
    assert victim.dirty == []
    victim.feed(PING)
    assert "MSG" in [frame["frame"] for frame in victim.said()]


# NCP-12-1, NCP-12-2
def test_the_window_holds_back_what_is_too_much_and_acks_let_it_go():
    victim = Victim(config=ConnectionConfig(window_bytes=6000))
    victim.feed(PING)
    victim.said()
    victim.connection.send(1, Delivery.ORDERED, bytes(60_000))
    victim.connection.flush()
    packets = victim.connection.datagrams_to_send(victim.now)
    assert 4 <= len(packets) <= 5
    snapshot = victim.connection.stats.snapshot()
    assert snapshot["bytes_in_flight"] == sum(map(len, packets)) <= 6000
    victim.dirty.clear()
    victim.now += 0.05
    victim.feed(ack_frame(len(packets), 0, len(packets) - 1, ()))
    assert victim.dirty
    assert len(victim.connection.datagrams_to_send(victim.now)) >= 4


# NCP-12-3
def test_pacing_holds_back_and_its_timer_lets_go():
    victim = Victim(config=ConnectionConfig(rate_bytes_per_s=100_000))
    victim.feed(PING)
    victim.said()
    victim.connection.send(1, Delivery.ORDERED, bytes(60_000))
    victim.connection.flush()
    assert 10 <= len(victim.connection.datagrams_to_send(victim.now)) <= 11
    due = victim.connection.next_timer()
    assert victim.now + 0.01 < due < victim.now + 0.025
    victim.now = due
    victim.connection.handle_timer(due)
    assert 1 <= len(victim.connection.datagrams_to_send(due)) <= 2


def test_unreliable_messages_that_cannot_leave_in_time_are_dropped():
    victim = Victim(config=ConnectionConfig(window_bytes=4800))
    victim.feed(PING)
    victim.said()
    victim.connection.send(1, Delivery.ORDERED, bytes(30_000))
    victim.connection.flush()
    victim.said()
    victim.connection.send(4, Delivery.UNRELIABLE, b"stale", ttl_s=0.03)
    victim.connection.flush()
    victim.said()
    victim.now += 0.05
    victim.feed(ack_frame(4, 0, 3, ()))
    victim.said()
    victim.now += 0.05
    victim.feed(ack_frame(8, 0, 3, ()))
    victim.said()
    assert victim.connection.stats.dropped_ttl == 1


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((64, Delivery.ORDERED, b""), "64"),
        ((-1, Delivery.ORDERED, b""), "-1"),
        ((8, Delivery.RELIABLE, b""), "lane 8 is ordered"),
        ((9, Delivery.ORDERED, bytes(262_145)), "262145"),
        ((9, 7, b""), "7"),
    ],
)
def test_a_callers_mistake_is_a_value_error_at_once(arguments, text):
    connection = make_connection(is_client=True)
    connection.send(8, Delivery.ORDERED, b"")
    with pytest.raises(ValueError, match=text):
        connection.send(*arguments)


# NCP-9-7, NCP-9-11
def test_the_remotes_limits_hold_for_the_sender():
    connection = make_connection(is_client=True, remote=Params(max_message=500, recv_budget=400))
    connection.send(8, Delivery.ORDERED, bytes(400 - MESSAGE_COST))
    with pytest.raises(ValueError, match="337"):
        connection.send(8, Delivery.ORDERED, bytes(401 - MESSAGE_COST))


def test_the_queue_is_bounded():
    connection = make_connection(is_client=True, config=ConnectionConfig(queue_reliable_bytes=1000))
    connection.send(8, Delivery.ORDERED, bytes(600))
    with pytest.raises(QueueFull):
        connection.send(9, Delivery.RELIABLE, bytes(401))
    connection.send(9, Delivery.RELIABLE, bytes(400))


# NCP-7-8, NCP-8-4
def test_a_large_ack_and_a_full_message_take_two_packets():
    victim = Victim()
    for _ in range(60):
        victim.feed(PING, skip=1)
    victim.connection.send(1, Delivery.ORDERED, bytes(1136))
    packets = victim.connection.datagrams_to_send(victim.now)
    assert len(packets) == 2
    assert max(map(len, packets)) <= 1200


def test_the_round_trip_is_none_before_the_first_sample():
    pair = LinkedPair()
    assert pair.client.rtt_s is None
    pair.run(1)
    assert pair.client.rtt_s == pytest.approx(0.05, abs=0.001)
    assert make_connection(is_client=True, rtt_s=0.08).rtt_s == 0.08


# NCP-13-5
def test_an_idle_connection_sends_a_ping_a_third_of_the_timeout_and_never_spins():
    pair = LinkedPair()
    pair.run(1)
    before = pair.client.stats.packets_out + pair.server.stats.packets_out
    timers = sum(node.timers for node in pair.nodes.values())
    pair.run(100)
    sent = pair.client.stats.packets_out + pair.server.stats.packets_out - before
    assert sent <= 4 * 100 / (10 / 3) + 4
    assert sum(node.timers for node in pair.nodes.values()) - timers <= 200
    assert not pair.client.is_closed and not pair.server.is_closed


def test_traffic_both_ways_needs_no_packets_for_acknowledgements():
    pair = LinkedPair()
    pair.run(0.5)
    before = pair.client.stats.ack_only_packets + pair.server.stats.ack_only_packets
    for _ in range(120):
        for end in (pair.client, pair.server):
            end.send(9, Delivery.SEQUENCED, bytes(60))
            end.flush()
        pair.run(1 / 60)
    assert pair.client.stats.ack_only_packets + pair.server.stats.ack_only_packets == before


# NCP-13-4
def test_silence_ends_a_connection_at_the_smaller_timeout():
    pair = LinkedPair(server_params=Params(idle_timeout_s=4.0))
    pair.run(1)
    pair.world.cut(CLIENT, SERVER)
    pair.run(20)
    for listener in (pair.at_client, pair.at_server):
        assert [closed[0] for closed in listener.closed] == [CloseCode.IDLE]
        assert 4.0 <= listener.closed_at <= 5.1
    sent = pair.client.stats.packets_out
    pair.run(20)
    assert pair.client.stats.packets_out == sent
    assert pair.client.next_timer() is None


def test_stats_tell_what_happened():
    pair = LinkedPair(2, LinkProfile(delay_s=0.02, loss=0.2, duplicate=0.2, corrupt=0.1))
    for _ in range(200):
        pair.client.send(8, Delivery.ORDERED, bytes(300))
        pair.client.flush()
        pair.run(0.02)
    pair.run(3)
    client, server = pair.client.stats.snapshot(), pair.server.stats.snapshot()
    assert client["messages_out"] == server["messages_in"] == 200
    assert client["lost"] > 10
    assert client["retransmitted"] > 10
    assert server["duplicates"] > 5
    assert server["undecryptable"] > 5
    assert 0.04 <= client["rtt_p50_s"] <= client["rtt_p99_s"]
    assert all(isinstance(value, int | float) for value in client.values())


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"idle_timeout_s": 0}, "idle_timeout_s"),
        ({"keepalive_s": 11.0}, "keepalive_s"),
        ({"window_bytes": 4799}, "4799"),
        ({"congestion": "hope"}, "hope"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused(fields, text):
    with pytest.raises(ValueError, match=text):
        ConnectionConfig(**fields)


# NCP-10-8
def test_an_ack_that_went_alone_is_repeated_with_the_next_message_but_not_by_itself():
    victim = Victim()
    victim.feed(PING)
    assert [frame["frame"] for frame in victim.said()] == ["ACK"]
    victim.connection.flush()
    assert victim.said() == []
    assert victim.connection.next_timer() > 2.0, "nothing waits for it"
    victim.connection.send(1, Delivery.ORDERED, b"x")
    assert [frame["frame"] for frame in victim.said()] == ["ACK", "MSG"]
    victim.connection.send(1, Delivery.ORDERED, b"y")
    assert [frame["frame"] for frame in victim.said()] == ["MSG"]


def expire(victim: Victim) -> list[list[dict]]:
    """Let the next timer act; the frames of each packet that follows."""
    victim.now = victim.connection.next_timer() or 0.0
    victim.connection.handle_timer(victim.now)
    packets = victim.connection.datagrams_to_send(victim.now)
    return [parse(victim.forger.opener.open(packet) or b"")[0] for packet in packets]


# NCP-11-6
def test_a_probe_repeats_the_oldest_message_in_two_packets_and_later_in_one():
    victim = Victim(rtt_s=0.05)
    victim.feed(PING)
    victim.connection.send(1, Delivery.ORDERED, b"oldest")
    victim.said()
    probes = [expire(victim) for _ in range(4)]
    assert [len(packets) for packets in probes] == [2, 2, 1, 1]
    for packets in probes:
        for frames in packets:
            assert [frame["data"] for frame in frames if frame["frame"] == "MSG"] == [b"oldest".hex()]


def test_a_probe_of_much_goes_on_in_the_second_packet():
    victim = Victim(rtt_s=0.05)
    victim.feed(PING)
    for number in range(3):
        victim.connection.send(1, Delivery.ORDERED, bytes([number]) * 1000)
    victim.said()
    assert [[frame["id"] for frame in frames] for frames in expire(victim)] == [[0], [1]]


# NCP-11-6
def test_without_reliable_messages_a_probe_is_one_ping():
    victim = Victim(rtt_s=0.05)
    victim.feed(PING)
    victim.connection.send(4, Delivery.UNRELIABLE, b"gone")
    victim.said()
    assert expire(victim) == [[]]


# NCP-11-7
def test_after_three_timeouts_nothing_new_goes_until_the_remote_answers():
    victim = Victim(rtt_s=0.05)
    victim.feed(PING)
    victim.connection.send(1, Delivery.ORDERED, b"first")
    victim.said()
    for _ in range(3):
        expire(victim)
    victim.connection.send(1, Delivery.ORDERED, b"second")
    victim.connection.flush()
    assert victim.said() == []
    victim.now += 0.01
    victim.feed(ack_frame(5, 0, 5, ()))
    assert [frame["data"] for frame in victim.said() if frame["frame"] == "MSG"] == [b"second".hex()]


# NCP-7-4
def test_packet_numbers_stay_within_reach_of_sixteen_bits():
    victim = Victim()
    victim.feed(PING)
    victim.said()
    victim.feed(ack_frame(0, 0, 0, ()))
    victim.connection._sealer.next_pn = 16_384
    victim.connection.send(4, Delivery.UNRELIABLE, b"too far above what was acknowledged")
    assert victim.connection.datagrams_to_send(victim.now) == []
    victim.connection._sealer.next_pn = 16_383
    assert len(victim.connection.datagrams_to_send(victim.now)) == 1


def test_no_timer_lies_in_the_past_once_it_was_handled():
    victim = Victim(rtt_s=0.05)
    victim.feed(PING)
    victim.said()
    victim.feed(ack_frame(0, 0, 0, ()))
    kinds = set()
    for turn in range(12):
        if turn == 1:
            victim.connection.send(4, Delivery.UNRELIABLE, b"in flight")
            victim.said()
        victim.now = victim.connection.next_timer() or 0.0
        victim.connection.handle_timer(victim.now)
        due = victim.connection.next_timer()
        assert due is None or due > victim.now
        if due is None:
            break
        kinds.add(round(due - victim.now, 3))
    assert victim.closed_with() == CloseCode.IDLE
    assert len(kinds) > 3


# NCP-11-8
def test_the_first_word_after_an_outage_makes_a_probe_go_at_once():
    victim = Victim(rtt_s=0.05)
    victim.feed(PING)
    victim.connection.send(1, Delivery.ORDERED, b"waits")
    victim.said()
    for _ in range(4):
        expire(victim)
    victim.dirty.clear()
    victim.now += 0.3
    victim.feed(message(4, Delivery.UNRELIABLE, 0, b"hello again"))
    assert victim.dirty
    assert [frame["data"] for frame in victim.said() if frame["frame"] == "MSG"] == [b"waits".hex()]
