"""Settle: whatever a path loses, the last word of every key arrives, and never an older one after it."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netcore.config import ConnectionConfig
from netcore.delivery import Delivery
from netcore.fragments import MAX_UNRELIABLE_BYTES, PART_BYTES
from netcore.lane import LaneOptions
from netcore.recovery import Part
from netcore.send_lanes import Draft
from netcore.settled import SettledSender
from netcore.shared import SharedBlock, SharedMessage
from netcore.stats import ConnectionStats
from simnet.link import LinkProfile
from tests.netcore.linked import CLIENT, SERVER, LinkedPair, Listener
from tests.netcore.test_frames import parse

SEQUENCED = Delivery.SEQUENCED
LANE = 3
SETTLED = LaneOptions(SEQUENCED, settle=True)

links = st.builds(
    LinkProfile,
    delay_s=st.sampled_from([0.001, 0.02, 0.1]),
    jitter_s=st.sampled_from([0.0, 0.004, 0.03]),
    loss=st.sampled_from([0.05, 0.3, 0.7]),
    duplicate=st.sampled_from([0.0, 0.2]),
    reorder=st.sampled_from([0.0, 0.2]),
)
words = st.lists(
    st.tuples(
        st.integers(0, 3),  # key
        st.one_of(st.integers(8, 300), st.sampled_from([PART_BYTES, PART_BYTES + 1, 5_000])),  # bytes
        st.sampled_from([0.0, 0.001, 0.016, 0.3, 2.0]),  # pause after it
    ),
    min_size=1,
    max_size=40,
)


def settled_pair(
    seed: int = 0, link: LinkProfile | None = None, options: LaneOptions = SETTLED
) -> LinkedPair:
    pair = LinkedPair(seed, link)
    pair.client.configure_lane(LANE, options)
    pair.server.configure_lane(LANE, options)
    return pair


def word(number: int, size: int = 8) -> bytes:
    return number.to_bytes(8, "big").ljust(size, b".")


def check(got: Listener, last: dict[int, bytes], *, once: bool = True) -> None:
    """The last word of each key is there, and words of a key came in their order, small ones once."""
    by_key: dict[int, list[bytes]] = defaultdict(list)
    for lane, _, key, data in got.messages:
        if lane == LANE:
            by_key[key].append(data)
    for key, data in last.items():
        assert by_key[key][-1:] == [data], f"the last word of key {key}"
        numbers = [int.from_bytes(each[:8], "big") for each in by_key[key]]
        assert numbers == sorted(numbers), "an older word after a newer one"
        small = [number for number, each in zip(numbers, by_key[key], strict=True) if len(each) <= PART_BYTES]
        assert not once or len(set(small)) == len(small), "a word twice"


# NCP-9-12
@settings(max_examples=120, deadline=None)
@given(st.integers(0, 10_000), links, words, st.booleans())
def test_the_last_word_of_each_key_arrives_after_healing(
    seed: int, link: LinkProfile, script: list[tuple[int, int, float]], repeated: bool
) -> None:
    pair = settled_pair(seed, link, LaneOptions(SEQUENCED, settle=True, redundancy=2 * repeated))
    last: dict[int, bytes] = {}
    for number, (key, size, pause_s) in enumerate(script):
        last[key] = word(number, size)
        for connection in (pair.client, pair.server):
            connection.send(LANE, SEQUENCED, last[key], key)
            connection.flush()
        pair.run(pause_s)
    pair.heal()
    pair.run(8.0)
    for side in (pair.at_client, pair.at_server):
        if not side.closed:
            check(side, last)
    assert not pair.at_client.closed or link.loss == 0.7, "only 70 % loss may look like the end"


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10_000), links, words)
def test_the_same_for_shared_messages_to_several_receivers(
    seed: int, link: LinkProfile, script: list[tuple[int, int, float]]
) -> None:
    pairs = [settled_pair(seed + at, link) for at in range(2)]
    newest = [0] * 256
    last: dict[int, bytes] = {}
    for pair in pairs:
        pair.run(3.0)  # a server speaks once it has heard its client
    senders = [pair.server.shared_sender(LANE) for pair in pairs]
    for number, (key, size, pause_s) in enumerate(script):
        # Larger ones go in parts under one id; the path may keep a receiver from ever joining them.
        last[key] = word(number, min(size, PART_BYTES))
        newest[key] += 1
        block = SharedBlock([SharedMessage(LANE, key, newest[key], last[key], newest)])
        for pair, send in zip(pairs, senders, strict=True):
            send(block)
            pair.server.flush()
            pair.run(pause_s)
    for pair in pairs:
        pair.heal()
        pair.run(8.0)
        if not pair.at_client.closed:
            check(pair.at_client, last)


def lost_once(pair: LinkedPair, seconds: float = 0.01) -> None:
    """Whatever leaves within so many seconds is lost, both ways."""
    pair.world.outage(CLIENT, SERVER, seconds)


@pytest.mark.parametrize("size", [8, PART_BYTES, PART_BYTES + 1, MAX_UNRELIABLE_BYTES])
@pytest.mark.parametrize("settle", [True, False])
def test_one_word_into_a_short_outage(size: int, settle: bool) -> None:
    pair = settled_pair(options=LaneOptions(SEQUENCED, settle=settle))
    pair.run(1.0)
    lost_once(pair)
    pair.client.send(LANE, SEQUENCED, word(1, size), 7)
    pair.client.flush()
    pair.run(5.0)
    assert pair.at_server.texts() == ([word(1, size)] if settle else [])
    assert (pair.client.stats.retransmitted > 0) == settle
    if settle and size <= PART_BYTES:
        assert pair.at_server.times[0] - 1.0 < 0.25, "the first probe carries it"


@pytest.mark.parametrize("size", [8, PART_BYTES + 1, 5000])
def test_one_shared_word_into_a_short_outage(size: int) -> None:
    for newest in ([0, 1], None):
        pair = settled_pair()
        pair.run(0.5)
        for _ in range(8):  # the server learns the round trip
            pair.server.send(20, Delivery.RELIABLE, b"")
            pair.server.flush()
            pair.run(1 / 16)
        pair.at_client.messages.clear()
        pair.at_client.times.clear()
        lost_once(pair)
        message = SharedMessage(LANE, 1, 1, word(1, size), newest)
        pair.server.shared_sender(LANE)(SharedBlock([message]))
        pair.server.flush()
        pair.run(5.0)
        # Without a table of what is newest nobody can tell whether it still matters.
        assert pair.at_client.texts() == ([word(1, size)] if newest else [])
        if newest and size <= PART_BYTES:
            assert pair.at_client.times[0] - 1.0 < 0.15, "the first probe carries it"


def test_a_shared_word_that_a_newer_one_has_replaced_is_not_sent_again() -> None:
    pair = settled_pair()
    pair.run(1.0)
    newest = [1, 1]
    lost_once(pair)
    block = SharedBlock([SharedMessage(LANE, key, 1, word(key), newest) for key in (0, 1)])
    pair.server.shared_sender(LANE)(block)
    pair.server.flush()
    pair.run(0.02)
    newest[0] = 2  # and its message is on its way by another link
    pair.run(5.0)
    assert pair.at_client.texts() == [word(1)]


def test_what_a_newer_message_replaces_is_not_sent_again() -> None:
    pair = settled_pair(link=LinkProfile(delay_s=0.05, loss=0.2))
    pair.run(1.0)
    for number in range(600):
        pair.client.send(LANE, SEQUENCED, word(number), 1)
        pair.client.flush()
        pair.run(1 / 60)
    stats = pair.client.stats.snapshot()
    assert stats["lost"] > 60
    assert stats["retransmitted"] <= 2
    pair.heal()
    pair.run(3.0)
    assert pair.at_server.texts()[-1] == word(599)


def test_nothing_is_spent_where_nothing_is_lost() -> None:
    spent = []
    for options in (SETTLED, LaneOptions(SEQUENCED)):
        pair = settled_pair(options=options)
        for number in range(300):
            pair.client.send(LANE, SEQUENCED, word(number, 100), number % 5)
            pair.client.flush()
            pair.run(0.02)
        pair.run(5.0)
        spent.append((pair.client.stats.bytes_out, pair.server.stats.bytes_out))
    assert spent[0] == spent[1]


def test_what_has_arrived_is_forgotten() -> None:
    pair = settled_pair()
    for key in range(256):
        pair.client.send(LANE, SEQUENCED, word(key), key)
    pair.client.flush()
    pair.run(2.0)
    lane = pair.client._send_lanes[LANE]
    assert not lane._newest and not lane._again  # type: ignore[union-attr]
    assert len(pair.at_server.messages) == 256


def test_the_bytes_of_a_long_outage_are_those_of_probes() -> None:
    pair = LinkedPair(client=ConnectionConfig(idle_timeout_s=30), server=ConnectionConfig(idle_timeout_s=30))
    pair.client.configure_lane(LANE, SETTLED)
    pair.run(1.0)
    before = pair.client.stats.bytes_out
    lost_once(pair, 8.0)
    for key in range(256):
        pair.client.send(LANE, SEQUENCED, word(key, 20), key)
    pair.client.flush()
    pair.run(8.0)
    state = 256 * 30
    assert pair.client.stats.bytes_out - before < state + 30 * 1200
    pair.run(6.0)
    assert sorted(pair.at_server.texts()) == [word(key, 20) for key in range(256)]


def test_a_newer_word_that_waits_is_all_that_goes() -> None:
    """The window is full, the old word lost, the new one queued: the old one must not take its place."""
    pair = LinkedPair(link=LinkProfile(delay_s=0.05), client=ConnectionConfig(window_bytes=4800))
    pair.client.configure_lane(LANE, SETTLED)
    pair.run(1.0)
    lost_once(pair, 0.001)
    pair.client.send(LANE, SEQUENCED, word(1), 1)
    pair.client.flush()
    pair.run(0.002)
    for _ in range(8):
        pair.client.send(20, Delivery.UNRELIABLE, bytes(1100))
    pair.client.flush()
    pair.run(0.0)
    pair.client.send(LANE, SEQUENCED, word(2), 1)
    pair.client.flush()
    pair.run(3.0)
    assert pair.at_server.texts(LANE) == [word(2)]
    assert pair.client.stats.retransmitted == 0


def test_a_word_that_was_late_and_not_lost_is_delivered_once() -> None:
    for seed in range(30):
        pair = settled_pair(seed, LinkProfile(delay_s=0.02, jitter_s=0.1, duplicate=0.3))
        last: dict[int, bytes] = {}
        for number in range(60):
            last[number % 3] = word(number)
            pair.client.send(LANE, SEQUENCED, word(number), number % 3)
            pair.client.flush()
            pair.run(0.03)
        pair.run(3.0)
        check(pair.at_server, last)


def test_closing_waits_for_the_last_word() -> None:
    pair = settled_pair()
    pair.run(1.0)
    lost_once(pair)
    pair.client.send(LANE, SEQUENCED, word(1), 1)
    pair.client.flush()
    pair.run(0.001)
    pair.client.close(0, "good night", 3.0)
    pair.run(5.0)
    assert pair.at_server.texts() == [word(1)]
    assert pair.at_server.closed == [(0, "good night", True)]


def test_shared_and_own_words_on_one_lane() -> None:
    pair = settled_pair(link=LinkProfile(delay_s=0.02, loss=0.4), seed=5)
    pair.run(2.0)
    newest = [0] * 2
    send = pair.server.shared_sender(LANE)
    for number in range(100):
        newest[1] = number
        send(SharedBlock([SharedMessage(LANE, 1, number, word(number), newest)]))
        pair.server.send(LANE, SEQUENCED, word(number), 200)
        pair.server.flush()
        pair.run(0.01 if number % 10 else 0.5)
    pair.heal()
    pair.run(5.0)
    check(pair.at_client, {1: word(99), 200: word(99)})


# The lane by itself: what it writes after each word of its packets' fate.


def lone_lane() -> SettledSender:
    return SettledSender(LANE, [], SETTLED, ConnectionStats(dict))


def written(lane: SettledSender) -> tuple[list[tuple[int, int, int]], list[Part]]:
    """(key, id, bytes) of every frame that the lane has to write, and the parts to follow."""
    frames, parts, more = [], [], True
    while more:
        draft = Draft()
        draft.reset(1170)
        more = not lane.fill(draft, 1.0)
        if draft.parts:
            for frame in parse(b"".join(draft.parts))[0]:
                frames.append((frame["key"], frame["id"], len(frame["data"]) // 2))
            parts += draft.chunks or []
    return frames, parts


def test_a_newer_word_put_after_the_loss_goes_alone() -> None:
    lane = lone_lane()
    lane.put(b"old", 1, None)
    _, [(record, number, index)] = written(lane)
    record.lost(number, index)
    lane.put(b"newer", 1, None)
    assert not lane.is_unacked(number, index), "no probe carries the old one either"
    assert written(lane)[0] == [(1, 1, 5)]


def test_a_word_that_arrived_after_it_was_given_up_does_not_go_again() -> None:
    lane = lone_lane()
    lane.put(b"late", 1, None)
    _, [(record, number, index)] = written(lane)
    record.lost(number, index)
    record.acked(number, index)
    assert written(lane)[0] == []
    assert not lane.outstanding


def test_parts_go_again_together_once_and_under_another_id() -> None:
    lane = lone_lane()
    lane.put(bytes(3000), 1, None)
    frames, parts = written(lane)
    assert frames == [(1, 0, 1000)] * 3
    for record, number, index in parts[:2]:
        record.lost(number, index)
    frames, again = written(lane)
    assert frames == [(1, 1, 1000)] * 3
    parts[2][0].lost(*parts[2][1:])
    assert written(lane)[0] == []
    for record, number, index in again:
        record.acked(number, index)
    assert not lane.outstanding


def test_shared_parts_go_again_together_once_under_the_id_they_share() -> None:
    lane = lone_lane()
    lane.put_shared(SharedBlock([SharedMessage(LANE, 1, 9, bytes(3000), [0, 9])]))
    frames, parts = written(lane)
    assert frames == [(1, 9, 1000)] * 3
    parts[0][0].lost(*parts[0][1:])
    assert written(lane)[0] == [(1, 9, 1000)] * 3
    parts[1][0].lost(*parts[1][1:])
    assert written(lane)[0] == []
