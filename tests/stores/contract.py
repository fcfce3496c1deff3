"""What every backend of `hub.ports.MessageLog` must do. A backend's test module subclasses `MessageLogContract`."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.ports import LogPage, MessageLog, StoredMessage


def record(content: bytes = b"x", **fields: Any) -> StoredMessage:
    """A message as the hub hands it over; the offset is for the log to set."""
    defaults = {
        "offset": 0,
        "time_ms": 5,
        "sender": "ann",
        "type": "chat-text",
        "format": 1,
        "encrypted": False,
        "to": None,
    }
    return StoredMessage(content=content, **(defaults | fields))


class MessageLogContract:
    """Subclass it, and give a fresh log in the fixture `log`. `settle` waits until appends are stored."""

    served_by: str

    @pytest.fixture
    def log(self) -> MessageLog:
        raise NotImplementedError

    async def settle(self, log: MessageLog) -> None:
        """Wait until everything appended is stored; nothing to do where `append` stores at once."""

    async def append(self, log: MessageLog, channel: str, *messages: StoredMessage) -> list[StoredMessage]:
        stored: list[StoredMessage] = []
        for message in messages:
            log.append(channel, message, stored.append)
        await self.settle(log)
        return stored

    async def read(self, log: MessageLog, channel: str = "c", after: int = 0, limit: int = 100) -> LogPage:
        return await log.read(channel, after, limit)

    async def test_offsets_are_gapless_from_one_and_told_in_order(self, log):
        stored = await self.append(log, "c", *(record(b"%d" % n) for n in range(20)))
        assert [(m.offset, m.content) for m in stored] == [(n + 1, b"%d" % n) for n in range(20)]

    async def test_everything_but_the_offset_is_kept_as_it_was(self, log):
        message = record(
            b"\0\xff",
            offset=77,
            time_ms=2**47,
            sender="zoë",
            type="größe",
            format=2,
            encrypted=True,
            to="ben",
        )
        (stored,) = await self.append(log, "c", message)
        page = await self.read(log)
        assert page.messages == (stored,)
        assert stored == record(
            b"\0\xff", offset=1, time_ms=2**47, sender="zoë", type="größe", format=2, encrypted=True, to="ben"
        )

    async def test_an_empty_channel_has_a_page_without_messages(self, log):
        page = await self.read(log)
        assert (page.messages, page.first_offset, page.last_offset) == ((), 1, 0)
        assert page.served_by == self.served_by

    async def test_position_is_epoch_and_last_offset(self, log):
        epoch, offset = log.position("c")
        assert epoch and offset == 0
        await self.append(log, "c", record(), record())
        assert log.position("c") == (epoch, 2)
        assert (await self.read(log)).epoch == epoch

    async def test_a_page_begins_after_the_offset_asked_for_and_ends_at_the_limit(self, log):
        await self.append(log, "c", *(record() for _ in range(10)))
        for after, limit, expected in [
            (0, 3, [1, 2, 3]),
            (3, 3, [4, 5, 6]),
            (9, 3, [10]),
            (10, 3, []),
            (99, 3, []),
        ]:
            page = await self.read(log, "c", after, limit)
            assert [m.offset for m in page.messages] == expected
            assert (page.first_offset, page.last_offset) == (1, 10)

    async def test_channels_do_not_see_each_other(self, log):
        await self.append(log, "c", record(b"1"), record(b"2"))
        (other,) = await self.append(log, "d", record(b"3"))
        assert other.offset == 1
        assert log.position("c")[1] == 2
        assert [m.content for m in (await self.read(log, "d")).messages] == [b"3"]

    async def test_a_forgotten_channel_begins_another_epoch(self, log):
        await self.append(log, "c", record(), record())
        before = log.position("c")[0]
        log.forget("c")
        log.forget("c")
        log.forget("never was")
        assert (await self.read(log)).messages == ()
        epoch, offset = log.position("c")
        assert (epoch != before, offset) == (True, 0)
        (stored,) = await self.append(log, "c", record())
        assert (stored.offset, log.position("c")) == (1, (epoch, 1))

    async def test_a_callback_may_append_again(self, log):
        seen: list[int] = []

        def stored(message: StoredMessage) -> None:
            seen.append(message.offset)
            if message.offset < 3:
                log.append("c", record(), stored)

        log.append("c", record(), stored)
        await self.settle(log)
        await self.settle(log)
        await self.settle(log)
        assert seen == [1, 2, 3]

    @settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.lists(st.integers(1, 7), min_size=1, max_size=30))
    async def test_paging_by_the_last_offset_reads_everything_once(self, log, limits):
        log.forget("c")
        await self.append(log, "c", *(record(b"%d" % n) for n in range(40)))
        got: list[StoredMessage] = []
        for limit in limits:
            got += (await self.read(log, "c", got[-1].offset if got else 0, limit)).messages
        assert [m.offset for m in got] == list(range(1, min(40, sum(limits)) + 1))
