"""What every transport promises of its links: one class of tests, run with each transport's harness."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from dataclasses import dataclass

import pytest

from hub.errors import ErrorCode
from hub.ports import Link, QueueFull
from netcore.codes import CloseCode
from netcore.delivery import Delivery
from tests.transports.recorders import REFUSED_CLAIMS, Changes, Recorder, RecordingAcceptor

U, S, R, O = Delivery.UNRELIABLE, Delivery.SEQUENCED, Delivery.RELIABLE, Delivery.ORDERED  # noqa: E741
LANE_OF = {U: 11, S: 10, R: 9, O: 8}
MAX_MESSAGE_BYTES = 262_144


class Remote(ABC):
    """A client made for the tests: the other end of a link."""

    recorder: Recorder

    @abstractmethod
    def send(self, lane: int, kind: Delivery, data: bytes, key: int = 0) -> None:
        """Send one message at once."""

    @abstractmethod
    def close(self, code: int, reason: str) -> None:
        """Close as a client does."""

    @abstractmethod
    def vanish(self) -> None:
        """Be gone without a word."""

    @abstractmethod
    def stall(self) -> None:
        """Read nothing more."""

    @abstractmethod
    def go_on(self) -> None:
        """Read again."""

    @abstractmethod
    def send_garbage(self) -> None:
        """Send, with every proof of being the client, bytes that are no frames."""

    @property
    @abstractmethod
    def max_message_bytes(self) -> int:
        """The largest message that this client's own side would send."""


@dataclass
class Ticket:
    """A connect token and its key."""

    token: bytes
    psk: bytes


class Harness(ABC):
    """A listening transport with a recording acceptor behind it."""

    changes: Changes
    acceptor: RecordingAcceptor
    name: str
    token_refusal: CloseCode
    """What a client learns of a token that is not good. Over UDP nothing: an answer could not be trusted."""
    vanish_timeout_s: float
    """After how long the link of a vanished client has ended."""

    @abstractmethod
    def ticket(self, claims: bytes = b"somebody", *, expires_in_s: float = 30) -> Ticket:
        """A good token."""

    @abstractmethod
    async def dial(self, ticket: Ticket) -> Remote:
        """A client that has begun to present the token; it may be refused yet."""

    async def breathe(self) -> None:
        """Let what is due at once happen."""
        await asyncio.sleep(0)

    async def pair(self) -> tuple[Remote, Link, Recorder]:
        """A client, and the server's link and handler for it."""
        count = len(self.acceptor.handlers)
        remote = await self.dial(self.ticket())
        # The server hears of the client at its first message at the latest.
        remote.send(0, O, b"attach")
        await self.changes.until(lambda: len(self.acceptor.handlers) > count)
        handler = self.acceptor.handlers[count]
        await self.changes.until(lambda: handler.messages)
        assert handler.messages.pop() == (0, O, 0, b"attach")
        return remote, self.acceptor.links[count], handler


class LinkContract:
    """Subclassed once for each transport, with a fixture `harness`."""

    @pytest.mark.parametrize("kind", list(Delivery))
    async def test_every_kind_reaches_the_server(self, harness: Harness, kind: Delivery) -> None:
        remote, _, handler = await harness.pair()
        key = 5 if kind is S else 0
        remote.send(LANE_OF[kind], kind, b"hello", key)
        await harness.changes.until(lambda: handler.messages)
        assert handler.messages == [(LANE_OF[kind], kind, key, b"hello")]

    @pytest.mark.parametrize("kind", list(Delivery))
    async def test_every_kind_reaches_the_client(self, harness: Harness, kind: Delivery) -> None:
        remote, link, _ = await harness.pair()
        key = 5 if kind is S else 0
        link.send(LANE_OF[kind], kind, b"hello", key)
        link.flush()
        await harness.changes.until(lambda: remote.recorder.messages)
        assert remote.recorder.messages == [(LANE_OF[kind], kind, key, b"hello")]

    async def test_the_link_names_its_transport(self, harness: Harness) -> None:
        _, link, _ = await harness.pair()
        assert link.transport == harness.name

    async def test_the_acceptor_gets_the_claims_of_the_token(self, harness: Harness) -> None:
        remote = await harness.dial(harness.ticket(b"these very claims"))
        remote.send(0, O, b"attach")
        await harness.changes.until(lambda: harness.acceptor.claims)
        assert harness.acceptor.claims == [b"these very claims"]

    async def test_ordered_messages_arrive_in_order_both_ways(self, harness: Harness) -> None:
        remote, link, handler = await harness.pair()
        sent = [b"%d" % number for number in range(300)]
        for data in sent:
            remote.send(8, O, data)
            link.send(1, O, data)
        link.flush()
        await harness.changes.until(
            lambda: len(handler.messages) == 300 and len(remote.recorder.messages) == 300
        )
        assert handler.data_of(8) == sent
        assert remote.recorder.data_of(1) == sent

    async def test_reliable_messages_all_arrive_once(self, harness: Harness) -> None:
        remote, link, _ = await harness.pair()
        sent = [b"%d" % number for number in range(300)]
        for data in sent:
            link.send(2, R, data)
        link.flush()
        await harness.changes.until(lambda: len(remote.recorder.messages) == 300)
        assert sorted(remote.recorder.data_of(2)) == sorted(sent)

    async def test_an_empty_message_is_a_message(self, harness: Harness) -> None:
        remote, link, handler = await harness.pair()
        remote.send(8, O, b"")
        link.send(1, O, b"")
        link.flush()
        await harness.changes.until(lambda: handler.messages and remote.recorder.messages)
        assert handler.messages == [(8, O, 0, b"")]
        assert remote.recorder.messages == [(1, O, 0, b"")]

    async def test_the_newest_of_each_key_wins_within_a_wake_up(self, harness: Harness) -> None:
        remote, link, _ = await harness.pair()
        for number in range(50):
            for key in (1, 2, 3):
                link.send(3, S, b"%d" % number, key)
        link.flush()
        await harness.changes.until(lambda: len(remote.recorder.messages) == 3)
        link.send(1, O, b"end")
        link.flush()
        await harness.changes.until(lambda: remote.recorder.data_of(1))
        newest = [message for message in remote.recorder.messages if message[0] == 3]
        assert sorted(newest) == [(3, S, key, b"49") for key in (1, 2, 3)]

    async def test_equal_keys_on_two_lanes_do_not_meet(self, harness: Harness) -> None:
        remote, link, _ = await harness.pair()
        link.send(3, S, b"one", 7)
        link.send(5, S, b"two", 7)
        link.flush()
        await harness.changes.until(lambda: len(remote.recorder.messages) == 2)
        assert sorted(remote.recorder.messages) == [(3, S, 7, b"one"), (5, S, 7, b"two")]

    async def test_more_keys_than_a_lane_may_have_end_the_link(self, harness: Harness) -> None:
        remote, _, handler = await harness.pair()
        for key in range(256):
            remote.send(10, S, b"x", key)
        await harness.changes.until(lambda: len(handler.messages) == 256)
        assert not handler.closes
        self.force_key(remote, 10, 256)
        await harness.changes.until(lambda: handler.closes)
        assert handler.closes[0][0] == CloseCode.LIMIT_EXCEEDED
        assert len(handler.messages) == 256

    async def test_the_largest_message_passes_both_ways(self, harness: Harness) -> None:
        remote, link, handler = await harness.pair()
        data = bytes(range(256)) * (MAX_MESSAGE_BYTES // 256)
        remote.send(8, O, data)
        link.send(1, O, data)
        link.flush()
        await harness.changes.until(lambda: handler.messages and remote.recorder.messages)
        assert handler.data_of(8) == [data]
        assert remote.recorder.data_of(1) == [data]

    async def test_a_message_one_byte_too_large_is_the_callers_mistake(self, harness: Harness) -> None:
        remote, link, handler = await harness.pair()
        with pytest.raises(ValueError, match="262145"):
            link.send(1, O, bytes(MAX_MESSAGE_BYTES + 1))
        link.send(1, O, b"still here")
        link.flush()
        await harness.changes.until(lambda: remote.recorder.messages)
        assert not handler.closes

    async def test_a_lane_cannot_change_its_kind(self, harness: Harness) -> None:
        _, link, _ = await harness.pair()
        link.send(1, O, b"x")
        with pytest.raises(ValueError, match="1"):
            link.send(1, R, b"x")

    async def test_a_client_that_changes_the_kind_of_a_lane_is_closed(self, harness: Harness) -> None:
        remote, _, handler = await harness.pair()
        remote.send(9, R, b"x")
        await harness.changes.until(lambda: handler.messages)
        self.force_kind(remote, 9, O)
        await harness.changes.until(lambda: handler.closes)
        assert handler.closes[0][0] == CloseCode.PROTOCOL_VIOLATION

    def force_kind(self, remote: Remote, lane: int, kind: Delivery) -> None:
        """Send on `lane` as `kind`, past the client's own checks."""
        remote.send(lane, kind, b"x")

    def force_key(self, remote: Remote, lane: int, key: int) -> None:
        """Send with one key too many, past the client's own checks."""
        remote.send(lane, S, b"x", key)

    async def test_nothing_goes_out_before_the_flush(self, harness: Harness) -> None:
        remote, link, _ = await harness.pair()
        link.send(1, O, b"held back")
        for _ in range(5):
            await harness.breathe()
        assert not remote.recorder.messages
        link.flush()
        await harness.changes.until(lambda: remote.recorder.messages)

    @pytest.mark.parametrize(
        ("code", "reason"),
        [
            (CloseCode.NORMAL, ""),
            (CloseCode.KICKED, "bad manners ☹"),
            (0x204, "another game"),
            (0x183, "r" * 80),
        ],
    )
    async def test_the_server_closes_with_code_and_reason(
        self, harness: Harness, code: int, reason: str
    ) -> None:
        remote, link, handler = await harness.pair()
        link.close(code, reason)
        await harness.changes.until(lambda: remote.recorder.closes and handler.closes)
        assert remote.recorder.closes == [(code, reason, True)]
        assert handler.closes == [(code, reason, False)]

    async def test_what_was_queued_arrives_before_the_close(self, harness: Harness) -> None:
        remote, link, _ = await harness.pair()
        for number in range(50):
            link.send(1, O, b"%d" % number)
        link.close(CloseCode.KICKED, "bye")
        await harness.changes.until(lambda: remote.recorder.closes)
        assert len(remote.recorder.data_of(1)) == 50

    @pytest.mark.parametrize(
        ("code", "reason"), [(CloseCode.NORMAL, ""), (CloseCode.NORMAL, "enough for today")]
    )
    async def test_the_client_closes_with_code_and_reason(
        self, harness: Harness, code: int, reason: str
    ) -> None:
        remote, _, handler = await harness.pair()
        remote.close(code, reason)
        await harness.changes.until(lambda: handler.closes)
        assert handler.closes == [(code, reason, True)]

    async def test_closing_twice_tells_the_handler_once(self, harness: Harness) -> None:
        remote, link, handler = await harness.pair()
        link.close(CloseCode.KICKED, "first")
        link.close(CloseCode.NORMAL, "second")
        remote.close(CloseCode.NORMAL, "third")
        await harness.changes.until(lambda: handler.closes)
        await harness.changes.until(lambda: remote.recorder.closes)
        assert handler.closes == [(CloseCode.KICKED, "first", False)]

    async def test_the_handler_is_not_told_within_close(self, harness: Harness) -> None:
        _, link, handler = await harness.pair()
        link.close(CloseCode.KICKED, "now")
        assert not handler.closes
        await harness.changes.until(lambda: handler.closes)

    async def test_a_handler_may_close_while_it_is_given_messages(self, harness: Harness) -> None:
        remote, link, handler = await harness.pair()
        handler.on_message = lambda *_: link.close(CloseCode.KICKED, "at the first word")
        for _ in range(5):
            remote.send(8, O, b"word")
        await harness.changes.until(lambda: handler.closes)
        assert len(handler.messages) == 1
        assert handler.closes == [(CloseCode.KICKED, "at the first word", False)]

    async def test_a_closed_link_takes_calls_in_silence(self, harness: Harness) -> None:
        _, link, handler = await harness.pair()
        link.close(CloseCode.NORMAL)
        await harness.changes.until(lambda: handler.closes)
        link.send(1, O, b"too late")
        link.flush()
        link.close(CloseCode.KICKED, "again")
        assert len(handler.closes) == 1
        assert link.stats()

    async def test_garbage_ends_the_link_with_frame_encoding(self, harness: Harness) -> None:
        remote, _, handler = await harness.pair()
        remote.send_garbage()
        await harness.changes.until(lambda: handler.closes and remote.recorder.closes)
        assert handler.closes[0][0] == CloseCode.FRAME_ENCODING
        assert remote.recorder.closes[0][0] == CloseCode.FRAME_ENCODING

    async def test_a_client_that_vanishes_ends_its_link_as_idle(self, harness: Harness) -> None:
        remote, _, handler = await harness.pair()
        remote.vanish()
        await harness.changes.until(lambda: handler.closes, harness.vanish_timeout_s)
        code, _, from_remote = handler.closes[0]
        assert (code, from_remote) == (CloseCode.IDLE, False)

    async def test_one_link_ends_and_the_others_live(self, harness: Harness) -> None:
        first, _, first_handler = await harness.pair()
        second, second_link, _ = await harness.pair()
        first.send_garbage()
        await harness.changes.until(lambda: first_handler.closes)
        second_link.send(1, O, b"still here")
        second_link.flush()
        await harness.changes.until(lambda: second.recorder.messages)

    async def test_a_slow_receiver_gets_the_latest_state_not_every_state(self, harness: Harness) -> None:
        remote, link, handler = await harness.pair()
        remote.stall()
        await harness.breathe()
        padding = bytes(4096)
        for number in range(1000):
            link.send(3, S, b"%04d" % number + padding, 1)
            link.flush()
            await harness.breathe()
        assert not handler.closes
        remote.go_on()
        await harness.changes.until(
            lambda: remote.recorder.messages and remote.recorder.messages[-1][3].startswith(b"0999"), 10
        )
        assert len(remote.recorder.messages) < 500

    async def test_a_slow_receiver_fills_the_reliable_queue(self, harness: Harness) -> None:
        remote, link, _ = await harness.pair()
        remote.stall()
        with pytest.raises(QueueFull):
            for _ in range(2000):
                link.send(2, R, bytes(16_384))
                link.flush()
                await harness.breathe()
        link.send(3, S, b"states still pass the queue", 1)

    async def test_a_slow_receiver_costs_bounded_memory_for_unreliable_messages(
        self, harness: Harness
    ) -> None:
        remote, link, handler = await harness.pair()
        remote.stall()
        for _ in range(2000):
            link.send(4, U, bytes(1024))
            link.flush()
            await harness.breathe()
        assert not handler.closes
        remote.go_on()
        link.send(1, O, b"end")
        link.flush()
        await harness.changes.until(lambda: remote.recorder.data_of(1), 10)
        assert len(remote.recorder.data_of(4)) < 1500

    async def test_the_round_trip_is_measured(self, harness: Harness) -> None:
        remote, link, _ = await harness.pair()
        link.send(1, O, b"x")
        link.flush()
        await harness.changes.until(lambda: remote.recorder.messages)
        await harness.changes.until(lambda: link.rtt_s is not None)
        assert link.rtt_s is not None and 0 < link.rtt_s < 1

    async def test_the_counters_count(self, harness: Harness) -> None:
        remote, link, handler = await harness.pair()
        before = link.stats()
        remote.send(8, O, bytes(1000))
        link.send(1, O, bytes(2000))
        link.flush()
        await harness.changes.until(lambda: handler.messages and remote.recorder.messages)
        after = link.stats()
        assert after["bytes_in"] - before["bytes_in"] >= 1000
        assert after["bytes_out"] - before["bytes_out"] >= 2000

    # Tokens.

    async def refusal(self, harness: Harness, ticket: Ticket) -> tuple[int, str]:
        """With what a client that presents `ticket` is closed."""
        remote = await harness.dial(ticket)
        remote.send(0, O, b"attach")
        await harness.changes.until(lambda: remote.recorder.closes, 8)
        return remote.recorder.closes[0][:2]

    async def test_a_token_works_once(self, harness: Harness) -> None:
        ticket = harness.ticket()
        remote = await harness.dial(ticket)
        remote.send(0, O, b"attach")
        await harness.changes.until(lambda: harness.acceptor.handlers)
        code, _ = await self.refusal(harness, ticket)
        assert code == harness.token_refusal
        assert len(harness.acceptor.handlers) == 1

    async def test_an_expired_token_is_refused(self, harness: Harness) -> None:
        code, _ = await self.refusal(harness, harness.ticket(expires_in_s=-60))
        assert code == harness.token_refusal
        assert not harness.acceptor.claims

    async def test_a_forged_token_is_refused(self, harness: Harness) -> None:
        good = harness.ticket()
        forged = good.token[:-1] + bytes([good.token[-1] ^ 1])
        code, _ = await self.refusal(harness, Ticket(forged, good.psk))
        assert code == harness.token_refusal
        assert not harness.acceptor.claims

    async def test_the_hubs_refusal_reaches_the_client(self, harness: Harness) -> None:
        code, reason = await self.refusal(harness, harness.ticket(REFUSED_CLAIMS))
        assert (code, reason) == (ErrorCode.LINK_REFUSED, "this token is for something else")
        assert not harness.acceptor.handlers
