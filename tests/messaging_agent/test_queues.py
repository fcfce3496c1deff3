"""Inboxes, receipts and frame queues: bounded, and honest about what they dropped."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from messaging_agent.errors import ChannelClosed, MessageRefused, MessagesMissed, OutboxFull
from messaging_agent.frame_queue import MAX_RELIABLE_BYTES, MAX_UNRELIABLE_BYTES, FrameQueue
from messaging_agent.inbox import Inbox
from messaging_agent.receipt import ReceiptBook

from messaging.link_frames import iterate_frames
from netcore.delivery import Delivery

# Inbox


async def test_an_inbox_gives_its_items_and_then_its_end() -> None:
    inbox: Inbox[int] = Inbox(5)
    inbox.put(1)
    inbox.end()
    inbox.put(2)
    assert await inbox.get() == 1
    with pytest.raises(StopAsyncIteration):
        await inbox.get()


async def test_a_full_inbox_drops_the_oldest_and_says_so_once() -> None:
    inbox: Inbox[int] = Inbox(3)
    for number in range(5):
        inbox.put(number)
    with pytest.raises(MessagesMissed, match="2 messages"):
        await inbox.get()
    assert [await inbox.get() for _ in range(3)] == [2, 3, 4]


async def test_waiting_readers_get_one_item_each_and_all_hear_the_end() -> None:
    inbox: Inbox[int] = Inbox(5)
    readers = [asyncio.create_task(inbox.get()) for _ in range(3)]
    await asyncio.sleep(0)
    inbox.put(1)
    inbox.put(2)
    inbox.end(ValueError("over"))
    results = await asyncio.gather(*readers, return_exceptions=True)
    assert sorted(result for result in results if isinstance(result, int)) == [1, 2]
    assert sum(isinstance(result, ValueError) for result in results) == 1


async def test_a_cancelled_reader_loses_nothing_for_the_next() -> None:
    inbox: Inbox[int] = Inbox(5)
    first, second = asyncio.create_task(inbox.get()), asyncio.create_task(inbox.get())
    await asyncio.sleep(0)
    inbox.put(1)
    first.cancel()
    assert await asyncio.wait_for(second, 1.0) == 1


# Receipts


async def test_receipts_complete_in_order_and_may_be_ignored() -> None:
    book = ReceiptBook()
    one, two, three = (book.enter(number) for number in (1, 2, 3))
    at_once = book.enter(0)
    assert at_once.done
    waiting = asyncio.create_task(_wait(two))
    await asyncio.sleep(0)
    book.refused(3, MessageRefused(5, "no"))
    book.acknowledged(2)
    await waiting
    assert (one.done, two.done) == (True, True)
    with pytest.raises(MessageRefused, match="no"):
        await three
    book.acknowledged(3)
    assert len(book) == 0


async def test_a_receipt_may_be_awaited_twice_and_by_several() -> None:
    book = ReceiptBook()
    receipt = book.enter(1)
    waiting = [asyncio.create_task(_wait(receipt)) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    book.acknowledged(1)
    await asyncio.gather(*waiting[1:])
    assert await receipt is receipt


async def test_open_receipts_hear_of_the_end() -> None:
    book = ReceiptBook()
    receipt = book.enter(1)
    book.ended(ChannelClosed(2, "over"))
    with pytest.raises(ChannelClosed, match="over"):
        await receipt


async def _wait(receipt: object) -> None:
    await receipt  # type: ignore[misc]


# Frames that wait for a slow stream


def test_the_latest_of_each_key_replaces_the_one_that_waits() -> None:
    queue = FrameQueue()
    queue.add(10, Delivery.SEQUENCED, 1, b"old")
    queue.add(8, Delivery.ORDERED, 0, b"between")
    queue.add(10, Delivery.SEQUENCED, 1, b"new")
    queue.add(10, Delivery.SEQUENCED, 2, b"other key")
    assert [frame.data for frame in iterate_frames(queue.take(1000))] == [b"new", b"between", b"other key"]
    assert (len(queue), queue.dropped) == (0, 1)


def test_unreliable_messages_push_out_the_oldest_and_reliable_ones_refuse() -> None:
    queue = FrameQueue()
    half = bytes(MAX_UNRELIABLE_BYTES // 2)
    for number in range(4):
        queue.add(11, Delivery.UNRELIABLE, 0, bytes((number,)) + half)
    assert (len(queue), queue.dropped) == (1, 3)
    queue.add(8, Delivery.ORDERED, 0, bytes(250_000))
    with pytest.raises(OutboxFull):
        for _ in range(MAX_RELIABLE_BYTES // 250_000):
            queue.add(8, Delivery.ORDERED, 0, bytes(250_000))
    assert queue.take(1)[:1]
    assert len(queue) > 0


@given(
    st.lists(
        st.tuples(st.sampled_from(Delivery), st.integers(0, 3), st.binary(max_size=30)),
        min_size=1,
        max_size=40,
    ),
    st.integers(1, 100),
)
def test_reliable_messages_all_come_out_in_order_and_of_each_key_the_last(
    sends: list[tuple[Delivery, int, bytes]], most: int
) -> None:
    queue = FrameQueue()
    for kind, key, data in sends:
        queue.add(8 + kind, kind, key if kind is Delivery.SEQUENCED else 0, data)
    taken = []
    while queue:
        taken += list(iterate_frames(queue.take(most)))
    for kind in (Delivery.UNRELIABLE, Delivery.RELIABLE, Delivery.ORDERED):
        assert [f.data for f in taken if f.kind is kind] == [data for of, _, data in sends if of is kind]
    latest = {key: data for kind, key, data in sends if kind is Delivery.SEQUENCED}
    assert {f.key: f.data for f in taken if f.kind is Delivery.SEQUENCED} == latest
