"""The memory log: the contract, and its bounds."""

from __future__ import annotations

import random

import pytest

from stores.memory import MemoryLog
from tests.stores.contract import MessageLogContract, record


class TestMemoryLog(MessageLogContract):
    """The contract on the memory backend."""

    served_by = "memory"

    @pytest.fixture
    def log(self):
        return MemoryLog(random.Random(1).randbytes)


def filled(count, size=1, **limits):
    log = MemoryLog(random.Random(1).randbytes, **limits)
    for _ in range(count):
        log.append("c", record(bytes(size)), lambda message: None)
    return log


async def test_the_newest_thousand_are_kept():
    page = await filled(1000).read("c", 0, 2000)
    assert (page.first_offset, page.last_offset, len(page.messages)) == (1, 1000, 1000)
    page = await filled(1001).read("c", 0, 2000)
    assert (page.first_offset, page.last_offset, len(page.messages)) == (2, 1001, 1000)
    assert page.messages[0].offset == 2


async def test_reading_from_before_the_oldest_kept_begins_there():
    page = await filled(10, max_messages=4).read("c", 2, 2)
    assert [m.offset for m in page.messages] == [7, 8]
    assert page.first_offset == 7


async def test_bytes_of_a_channel_are_bounded():
    size = 200 + len("ann") + len("chat-text") + 100
    page = await filled(50, 100, max_channel_bytes=10 * size).read("c", 0, 100)
    assert (len(page.messages), page.first_offset, page.last_offset) == (10, 41, 50)
    page = await filled(50, 100, max_channel_bytes=10 * size - 1).read("c", 0, 100)
    assert len(page.messages) == 9


async def test_a_message_larger_than_all_leaves_an_empty_log_with_its_offset():
    page = await filled(2, 5000, max_channel_bytes=1000).read("c", 0, 100)
    assert (page.messages, page.first_offset, page.last_offset) == ((), 3, 2)


def test_bytes_of_all_channels_are_bounded_and_the_idlest_goes_whole():
    log = MemoryLog(random.Random(1).randbytes, max_total_bytes=5000)
    for channel in ("busy", "idle", "busy", "busy", "busy"):
        log.append(channel, record(bytes(900)), lambda message: None)
    assert log.position("idle")[1] == 0
    assert log.position("busy")[1] == 4


def test_forgetting_gives_the_bytes_back():
    log = filled(10, 100)
    log.forget("c")
    assert log._bytes == 0
