"""The least WebSocket client speaks RFC 6455 as the `websockets` library reads and writes it."""

import asyncio

import pytest
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from bench.websocket_stream import WebSocketStream, encode_message, take_frame

SIZES = [0, 1, 125, 126, 65_535]


@pytest.mark.parametrize("size", SIZES)
def test_what_it_sends_is_one_masked_binary_message(size):
    data = bytes(index % 251 for index in range(size))
    reader = StreamReader()
    reader.feed_data(encode_message(data))
    parsing = Frame.parse(reader.read_exact, mask=True)
    with pytest.raises(StopIteration) as done:
        next(parsing)
    frame = done.value.value
    assert (frame.opcode, frame.fin, bytes(frame.data)) == (Opcode.BINARY, True, data)


def test_what_it_could_not_write_is_refused():
    with pytest.raises(OverflowError):
        encode_message(bytes(65_536))


@pytest.mark.parametrize("size", [*SIZES, 65_536])
def test_it_takes_whole_frames_and_waits_for_the_rest_of_others(size):
    data = bytes(index % 251 for index in range(size))
    wire = Frame(Opcode.BINARY, data).serialize(mask=False)
    assert take_frame(b"xx" + wire + b"more", 2) == (0x82, data, 2 + len(wire))
    for missing in {1, min(size, 1) + 1, len(wire)}:
        assert take_frame(wire[: len(wire) - missing], 0) is None


class Wire(asyncio.Transport):
    """Remembers what was written."""

    def __init__(self):
        super().__init__()
        self.written = b""
        self.aborted = False

    def write(self, data):
        self.written += bytes(data)

    def is_closing(self):
        return self.aborted

    def abort(self):
        self.aborted = True


@pytest.fixture
async def client():
    messages, ends = [], []
    stream = WebSocketStream(messages.append, ends.append)
    stream.connection_made(Wire())
    return stream, messages, ends


async def test_bytes_in_any_pieces_give_the_same_messages(client):
    stream, messages, _ends = client
    wire = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
    wire += Frame(Opcode.BINARY, b"one").serialize(mask=False)
    wire += Frame(Opcode.BINARY, b"2" * 300).serialize(mask=False)
    for index in range(len(wire)):
        stream.data_received(wire[index : index + 1])
    assert stream.opened.done()
    assert messages == [b"one", b"2" * 300]


async def test_a_ping_is_answered_and_a_close_is_told(client):
    stream, _messages, ends = client
    stream.data_received(b"HTTP/1.1 101 x\r\n\r\n" + Frame(Opcode.PING, b"abc").serialize(mask=False))
    assert stream._transport.written == encode_message(b"abc", 0x8A)
    stream.data_received(Frame(Opcode.CLOSE, (4013).to_bytes(2, "big")).serialize(mask=False))
    assert ends == ["close code 4013"]


async def test_a_refused_upgrade_is_an_error(client):
    stream, _messages, _ends = client
    stream.data_received(b"HTTP/1.1 404 Not Found\r\n\r\n")
    with pytest.raises(OSError, match="404"):
        await stream.opened


async def test_a_lost_stream_is_told_unless_we_cut_it(client):
    stream, _messages, ends = client
    stream.connection_lost(None)
    assert len(ends) == 1
    stream.close()
    stream.connection_lost(None)
    assert len(ends) == 1
    assert stream._transport.aborted
