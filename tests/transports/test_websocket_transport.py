"""What is special about links over WebSocket: token, bad frames, deadlines, keepalive, coalescing, stop."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from messaging.link_frames import encode_frame
from netcore.codes import CloseCode
from netcore.delivery import Delivery
from tests.transports.recorders import Recorder
from tests.transports.websocket_client import WebSocketClient
from tests.transports.websocket_harness import WebSocketHarness
from transports.framed_link import FramedLink
from transports.websocket import WebSocketConfig
from transports.websocket_stream import data_head

O = Delivery.ORDERED  # noqa: E741


@asynccontextmanager
async def running(**changes: Any) -> AsyncIterator[WebSocketHarness]:
    made = WebSocketHarness(dataclasses.replace(WebSocketConfig(), **changes))
    await made.server.start()
    try:
        yield made
    finally:
        await made.server.stop()


@pytest_asyncio.fixture
async def harness() -> AsyncIterator[WebSocketHarness]:
    async with running() as made:
        yield made


async def attached(harness: WebSocketHarness) -> tuple[WebSocketClient, FramedLink, Recorder]:
    remote, link, handler = await harness.pair()
    assert isinstance(remote, WebSocketClient) and isinstance(link, FramedLink)
    return remote, link, handler


def masked(first: int, payload: bytes, *, length: bytes | None = None) -> bytes:
    """A client's frame by hand."""
    size = length if length is not None else bytes((0x80 | len(payload),))
    return bytes((first,)) + size + b"\0\0\0\0" + payload


# The token.


# WS-3-2
async def test_no_token_in_time_closes_the_link() -> None:
    async with running(token_deadline_s=0.05) as harness:
        client = await WebSocketClient.dial(harness.changes, harness.server.port)
        await harness.changes.until(lambda: client.recorder.closes)
        assert client.raw_close == (4000 + CloseCode.TOKEN_REFUSED, "no connect token within 0.05 s")
        assert harness.transport.stats.token_timeouts == 1


async def test_the_deadline_does_not_hit_who_was_in_time() -> None:
    async with running(token_deadline_s=0.05) as harness:
        client, link, handler = await attached(harness)
        await asyncio.sleep(0.1)
        link.send(1, O, b"still here")
        link.flush()
        await harness.changes.until(lambda: client.recorder.messages)
        assert not handler.closes


# WS-3-3
async def test_another_first_message_than_the_token_is_a_violation(harness: WebSocketHarness) -> None:
    client = await WebSocketClient.dial(harness.changes, harness.server.port)
    client.send_message(encode_frame(0, O, 0, b"hello"))
    await harness.changes.until(lambda: client.recorder.closes)
    assert client.raw_close == (4000 + CloseCode.PROTOCOL_VIOLATION, "token_expected")


async def test_an_empty_first_message_is_a_violation(harness: WebSocketHarness) -> None:
    client = await WebSocketClient.dial(harness.changes, harness.server.port)
    client.send_message(b"")
    await harness.changes.until(lambda: client.recorder.closes)
    assert client.raw_close == (4000 + CloseCode.PROTOCOL_VIOLATION, "token_expected")


# WS-3-2
async def test_little_is_taken_before_the_token(harness: WebSocketHarness) -> None:
    client = await WebSocketClient.dial(harness.changes, harness.server.port)
    client.send_raw(masked(0x82, bytes(9000), length=bytes((0xFE,)) + struct.pack(">H", 60_000)))
    await harness.changes.until(lambda: client.recorder.closes)
    assert client.raw_close == (4000 + CloseCode.LIMIT_EXCEEDED, "too much before the connect token")


# WS-3-4
async def test_token_and_first_messages_in_one_write_are_fine(harness: WebSocketHarness) -> None:
    client = await WebSocketClient.dial(harness.changes, harness.server.port)
    client.core.send_binary(b"\x01" + harness.ticket().token)
    client.core.send_binary(encode_frame(8, O, 0, bytes(100_000)))
    client.write()
    await harness.changes.until(lambda: harness.acceptor.handlers and harness.acceptor.handlers[0].messages)
    assert harness.acceptor.handlers[0].data_of(8) == [bytes(100_000)]


# Bad frames: most are in test_websocket_vectors.py.


# WS-4-3
async def test_fragments_above_the_limit_are_too_big(harness: WebSocketHarness) -> None:
    client, _, handler = await attached(harness)
    size = bytes((0xFF,)) + struct.pack(">Q", 400_000)
    client.send_raw(masked(0x02, bytes(400_000), length=size) + masked(0x80, bytes(400_000), length=size))
    await harness.changes.until(lambda: client.raw_close and handler.closes)
    assert client.raw_close is not None and client.raw_close[0] == 1009
    assert handler.closes[0][0] == CloseCode.LIMIT_EXCEEDED


async def test_the_close_frame_arrives_though_the_client_goes_on_sending(harness: WebSocketHarness) -> None:
    client, _, handler = await attached(harness)
    client.stall()
    client.send_raw(masked(0x81, b"text"))
    await harness.changes.until(lambda: handler.closes)
    for _ in range(3):
        client.send_raw(bytes(50_000))
        await asyncio.sleep(0.01)
    client.go_on()
    await harness.changes.until(lambda: client.raw_close)
    assert client.raw_close is not None and client.raw_close[0] == 4016


async def test_a_client_that_breaks_the_framing_and_goes_on_sending_learns_why(
    harness: WebSocketHarness,
) -> None:
    client, _, handler = await attached(harness)
    client.stall()
    client.send_raw(b"\x82\x01x")
    await harness.changes.until(lambda: handler.closes)
    for _ in range(3):
        client.send_raw(bytes(50_000))
        await asyncio.sleep(0.01)
    client.go_on()
    await harness.changes.until(lambda: client.raw_close)
    assert client.raw_close is not None and client.raw_close[0] == 1002


async def test_frames_behind_the_one_that_made_the_handler_close_are_dropped(
    harness: WebSocketHarness,
) -> None:
    client, link, handler = await attached(harness)
    handler.on_message = lambda *_: link.close(CloseCode.KICKED, "at the first word")
    client.send_message(encode_frame(8, O, 0, b"one") + encode_frame(8, O, 0, b"two"))
    await harness.changes.until(lambda: handler.closes)
    assert handler.data_of(8) == [b"one"]


# WS-4-2
async def test_good_frames_before_a_bad_one_are_delivered(harness: WebSocketHarness) -> None:
    client, _, handler = await attached(harness)
    client.send_message(encode_frame(8, O, 0, b"good") + b"\xc8\x7f")
    await harness.changes.until(lambda: handler.closes)
    assert handler.data_of(8) == [b"good"]
    assert handler.closes[0][0] == CloseCode.FRAME_ENCODING


async def test_the_largest_frame_fits_and_one_byte_more_does_not(harness: WebSocketHarness) -> None:
    client, _, handler = await attached(harness)
    client.send_message(encode_frame(8, O, 0, bytes(262_144)))
    await harness.changes.until(lambda: handler.messages)
    client.send_message(encode_frame(8, O, 0, bytes(262_145)))
    await harness.changes.until(lambda: handler.closes)
    assert handler.closes[0][0] == CloseCode.LIMIT_EXCEEDED


# WS-4-3
async def test_a_message_in_fragments_is_one_message(harness: WebSocketHarness) -> None:
    client, _, handler = await attached(harness)
    message = encode_frame(8, O, 0, b"in three parts")
    client.core.send_binary(message[:3], fin=False)
    client.core.send_ping(b"between")
    client.core.send_continuation(b"", fin=False)
    client.core.send_continuation(message[3:9], fin=False)
    client.core.send_continuation(message[9:], fin=True)
    client.write()
    await harness.changes.until(lambda: handler.messages)
    assert handler.data_of(8) == [b"in three parts"]


async def test_a_fault_of_our_own_closes_that_link_with_internal(
    harness: WebSocketHarness, caplog: pytest.LogCaptureFixture
) -> None:
    client, _, handler = await attached(harness)

    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    handler.on_message = broken
    client.send(8, O, b"x")
    await harness.changes.until(lambda: client.raw_close)
    assert client.raw_close == (4000 + CloseCode.INTERNAL, "internal error")
    assert "a bug" in caplog.text


class TestAnyBytes:
    """Whatever comes after the attach: an orderly close, never an error of ours."""

    @given(payload=st.binary(min_size=1, max_size=60))
    def test_any_message(self, payload: bytes) -> None:
        link = FramedLink("websocket", _NoCarrier(), WebSocketConfig().queue)
        link.handler = _Sink()
        try:
            link.receive(payload)
        except Exception as error:
            assert type(error).__name__ == "ProtocolError"


class _Sink:
    def link_message(self, lane: int, kind: Delivery, key: int, data: bytes) -> None:
        assert 0 <= lane <= 63 and isinstance(data, bytes)

    def link_closed(self, code: int, reason: str, remote: bool) -> None:
        pass


class _NoCarrier:
    rtt_s: float | None = None

    def wake(self) -> None:
        pass

    def drain(self) -> None:
        pass

    def finish(self, code: int, reason: str) -> None:
        pass

    def counters(self) -> dict[str, float]:
        return {}


# Sending.


# WS-4-5
async def test_what_one_wake_up_sends_leaves_as_one_message(harness: WebSocketHarness) -> None:
    client, link, _ = await attached(harness)
    for number in range(100):
        link.send(1, O, b"%d" % number)
        link.flush()
    await harness.changes.until(lambda: len(client.recorder.messages) == 100)
    assert len(client.websocket_messages) == 1


async def test_one_callback_pumps_every_link(
    harness: WebSocketHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = [await attached(harness) for _ in range(5)]
    asked: list[Callable[..., object]] = []
    loop = asyncio.get_running_loop()
    call_soon = loop.call_soon

    def counted(callback: Callable[..., object], *arguments: Any, **keywords: Any) -> asyncio.Handle:
        if getattr(callback, "__self__", None) is harness.transport:
            asked.append(callback)
        return call_soon(callback, *arguments, **keywords)

    monkeypatch.setattr(loop, "call_soon", counted)
    for _, link, _ in pairs:
        link.send(1, O, b"x")
        link.flush()
        link.flush()
    await harness.changes.until(lambda: all(client.recorder.messages for client, _, _ in pairs))
    assert len(asked) == 1


# WS-5-2
async def test_the_kernel_neither_waits_nor_hoards(harness: WebSocketHarness) -> None:
    await attached(harness)
    (protocol,) = harness.transport.protocols
    assert protocol._stream is not None
    raw = protocol._stream.get_extra_info("socket")
    assert raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        assert raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT) == 16_384


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 70_000])
def test_our_frame_head_is_the_one_of_the_library(size: int) -> None:
    data = bytes(size)
    assert data_head(size) + data == Frame(Opcode.BINARY, data).serialize(mask=False)


# WS-5-1
async def test_behind_a_stuck_stream_at_most_one_message_a_key_waits(harness: WebSocketHarness) -> None:
    client, link, _ = await attached(harness)
    client.stall()
    for number in range(500):
        for key in (1, 2):
            link.send(3, Delivery.SEQUENCED, b"%04d" % number + bytes(4096), key)
        link.flush()
        await asyncio.sleep(0)
    assert link.stats()["queued_messages"] <= 2
    assert link.stats()["replaced"] > 500
    (protocol,) = harness.transport.protocols
    assert protocol._stream is not None
    assert protocol._stream.get_write_buffer_size() <= 2 * 4200, "only what one write left over"


async def test_the_replay_of_a_whole_outbox_fits_a_fresh_link(harness: WebSocketHarness) -> None:
    client, link, handler = await attached(harness)
    for number in range(1200):
        link.send(1, O, b"%06d" % number + bytes(1000))
    link.flush()
    await harness.changes.until(lambda: len(client.recorder.messages) == 1200)
    assert not handler.closes


async def test_the_cap_counts_what_waits_for_the_stream_not_what_waits_for_the_end_of_a_wake_up(
    harness: WebSocketHarness,
) -> None:
    client, link, _ = await attached(harness)
    for number in range(WebSocketConfig().queue.reliable_messages + 500):
        link.send(1, O, b"%d" % number)
    link.flush()
    await harness.changes.until(lambda: len(client.recorder.messages) == 4596)


# WS-6-3
async def test_pings_whose_answers_are_not_read_end_the_link(harness: WebSocketHarness) -> None:
    client, _, handler = await attached(harness)
    client.stall()
    ping = masked(0x89, bytes(125))
    for _ in range(400):
        if handler.closes:
            break
        client.send_raw(ping * 100)
        await asyncio.sleep(0.001)
    await harness.changes.until(lambda: handler.closes)
    assert handler.closes[0][0] == CloseCode.SLOW_CONSUMER


# Keepalive and ends.


# WS-6-1
async def test_pings_measure_the_round_trip_again_and_again() -> None:
    async with running(ping_interval_s=0.02) as harness:
        client, link, handler = await attached(harness)
        await harness.changes.until(lambda: len(client.pings) >= 4)
        assert len(set(client.pings)) == len(client.pings)
        assert link.rtt_s is not None
        assert not handler.closes


# WS-6-2
async def test_a_client_that_answers_nothing_is_gone_after_the_idle_time() -> None:
    async with running(ping_interval_s=0.03, idle_timeout_s=0.1) as harness:
        client, _, handler = await attached(harness)
        client.answer_pings = False
        await harness.changes.until(lambda: handler.closes)
        assert handler.closes == [(CloseCode.IDLE, "nothing received", False)]
        assert len(client.pings) >= 2


async def test_a_pong_that_answers_no_ping_measures_nothing(harness: WebSocketHarness) -> None:
    client = await WebSocketClient.dial(harness.changes, harness.server.port)
    client.answer_pings = False
    client.send_message(b"\x01" + harness.ticket().token)
    await harness.changes.until(lambda: client.pings)
    client.core.send_pong(b"unasked")
    client.send(8, O, b"after")
    handler, link = harness.acceptor.handlers[0], harness.acceptor.links[0]
    await harness.changes.until(lambda: handler.messages)
    assert link.rtt_s is None
    client.core.send_pong(client.pings[0])
    client.write()
    await harness.changes.until(lambda: link.rtt_s is not None)


@pytest.mark.parametrize(
    ("sent", "code"), [(None, 0), (1000, 0), (1001, 0), (1011, CloseCode.INTERNAL), (4003, 3), (3999, 0x88)]
)
# WS-7-2
async def test_every_close_of_a_client_has_a_meaning(
    harness: WebSocketHarness, sent: int | None, code: int
) -> None:
    client, _, handler = await attached(harness)
    client.core.send_close(sent)
    client.write()
    await harness.changes.until(lambda: handler.closes)
    assert handler.closes[0][::2] == (code, True)


# WS-7-4
async def test_a_client_that_never_answers_the_close_is_cut_off() -> None:
    async with running(close_timeout_s=0.05) as harness:
        client, link, handler = await attached(harness)
        client.stall()
        link.close(CloseCode.KICKED, "out")
        await harness.changes.until(lambda: handler.closes and not harness.transport.protocols)


async def test_stopping_the_server_tells_every_client() -> None:
    harness = WebSocketHarness()
    await harness.server.start()
    first, _, first_handler = await attached(harness)
    unproved = await WebSocketClient.dial(harness.changes, harness.server.port)
    await harness.server.stop()
    await harness.changes.until(lambda: first.recorder.closes and unproved.recorder.closes)
    assert first.raw_close == (4000 + CloseCode.SERVER_SHUTDOWN, "the server is stopping")
    assert unproved.raw_close == (4000 + CloseCode.SERVER_SHUTDOWN, "the server is stopping")
    assert first_handler.closes == [(CloseCode.SERVER_SHUTDOWN, "the server is stopping", False)]


async def test_a_close_code_too_large_for_a_websocket_becomes_internal(harness: WebSocketHarness) -> None:
    client, link, handler = await attached(harness)
    link.close(5000, "what now")
    await harness.changes.until(lambda: client.recorder.closes and handler.closes)
    assert client.raw_close == (4000 + CloseCode.INTERNAL, "what now")


async def test_connections_are_counted_until_their_links_end(harness: WebSocketHarness) -> None:
    client, _, _ = await attached(harness)
    assert harness.server.census.open == 1
    client.vanish()
    await harness.changes.until(lambda: harness.server.census.open == 0)
