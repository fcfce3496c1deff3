"""A13, A14, A15: small inputs that would become large, slow or odd when decoded."""

from __future__ import annotations

import json
import math
import tracemalloc
from collections.abc import Callable
from typing import Any

import lz4.block
import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.errors import ChannelError, ErrorCode
from messaging.compression import MAX_BYTES, unpack
from messaging.control import MAX_CONTROL_BYTES, check_metadata, decode_control
from messaging.envelope import COMPRESSED, decode_delivery, decode_publication
from netcore.delivery import Delivery
from netcore.errors import ProtocolError
from netcore.varint import encode_varint
from tests.support.hub_world import HubWorld

JOINED = b"\x40\x00\x01"


def peak_of(call: Callable[[], Any]) -> int:
    """Most bytes in use at once while `call` ran; a ProtocolError is an answer like any other."""
    tracemalloc.start()
    try:
        call()
    except ProtocolError:
        pass
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return peak


def control_bombs() -> dict[str, bytes]:
    """Bodies as large as a control message may be."""
    room = MAX_CONTROL_BYTES - len(JOINED)
    return {
        "empty maps": b"\xdd" + (room - 5).to_bytes(4, "big") + b"\x80" * (room - 5),
        "empty arrays": b"\xdc" + (room - 3).to_bytes(2, "big") + b"\x90" * (room - 3),
        "nested arrays": b"\x91" * room,
        "nested maps": b"\x81\xa1a" * (room // 3),
        "a length of 4 GiB": b"\xdd\xff\xff\xff\xff" + b"\xc0" * (room - 5),
        "a text of 4 GiB": b"\xdb\xff\xff\xff\xff" + b"a" * (room - 5),
        "a map of 4 G pairs": b"\xdf\xff\xff\xff\xff" + b"\xa1a\xc0" * ((room - 5) // 3),
        "an extension of 4 GiB": b"\xc9\xff\xff\xff\xff\x01" + b"a" * (room - 6),
        "64 arrays of 64": b"\xdc\x00\x40" + (b"\xdc\x00\x40" + b"\x90" * 60) * 64,
    }


@pytest.mark.parametrize("name", list(control_bombs()))
def test_a_control_message_takes_little_memory_whatever_is_in_it(name: str) -> None:
    """A13: an empty array is one byte that becomes 64; no more than that, and of 4,096 bytes in all."""
    data = (JOINED + control_bombs()[name])[:MAX_CONTROL_BYTES]
    with pytest.raises(ProtocolError):
        decode_control(data)
    assert peak_of(lambda: decode_control(data)) < 80 * MAX_CONTROL_BYTES < 8 * MAX_BYTES


@pytest.mark.parametrize("claimed", [0, 1, 65_535, MAX_BYTES, MAX_BYTES + 1, 50_000_000, (1 << 62) - 1])
def test_a_compressed_bomb_takes_at_most_what_its_checked_size_says(claimed: int) -> None:
    """A13: an LZ4 block grows by 243 at most; the ratio is checked against the size that it claims."""
    bomb = lz4.block.compress(bytes(50_000_000), store_size=False)[:50_000]
    content = encode_varint(claimed) + bomb
    for call in (
        lambda: unpack(content),
        lambda: decode_publication(bytes((COMPRESSED, 0)) + content),
        lambda: decode_delivery(b"\x08\x00\x01\x00\x08" + content, 1),
    ):
        with pytest.raises(ProtocolError):
            call()
        assert peak_of(call) < 2 * MAX_BYTES + 4 * len(content)


@pytest.mark.parametrize("transport", ["udp", "websocket"])
def test_a_bomb_through_the_hub_ends_its_senders_link_only(transport: str) -> None:
    world = HubWorld()
    eve, ben = world.client("eve"), world.client("ben")
    eve.claims = [o.token.removeprefix(b"token:") for o in world.hub.mint_links(eve.session_id).links]
    eve.attach(transport)
    bomb = lz4.block.compress(bytes(5_000_000), store_size=False)
    eve.raw(8, Delivery.ORDERED, b"\x00\x01" + bytes((COMPRESSED, 0)) + encode_varint(MAX_BYTES) + bomb)
    assert eve.link.closed is not None
    assert ben.link.closed is None and ben.contents() == []


def test_keys_that_all_collide_never_reach_a_dict() -> None:
    """A14: 20,000 multiples of 2^61 - 1 hash to the same; msgpack with number keys is refused as such."""
    prime = (1 << 61) - 1
    for count in (1, 2, 60):
        body = msgpack.packb(
            {prime * number: 0 for number in range(1, count + 1) if prime * number < 1 << 64}
        )
        with pytest.raises(ProtocolError):
            decode_control(b"\x03" + body)
        joined = msgpack.packb([1, "n", 0, {prime: 0}, False, False])
        with pytest.raises(ProtocolError):
            decode_control(JOINED + joined)
    with pytest.raises(ValueError, match="not text"):
        check_metadata({prime: 1}, 1024)  # type: ignore[dict-item]


odd = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 70), 1 << 70)
    | st.floats()
    | st.text(st.characters(), max_size=20)
    | st.sampled_from(["\ud800", "\udfff", "\0", "\u202e", "a" * 2000])
    | st.binary(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.text(st.characters(), max_size=5) | st.integers(), inner, max_size=5)
    ),
    max_leaves=30,
)


@given(odd)
@settings(max_examples=150, deadline=None)
def test_odd_metadata_is_taken_as_it_is_or_refused(value: Any) -> None:
    """A15: never a stack trace; what is taken comes out for the others as it went in."""
    world = HubWorld()
    ann = world.client("ann")
    ann.news()
    try:
        ben = world.client("ben", metadata={"value": value})
    except ChannelError as error:
        assert error.code == ErrorCode.REQUEST_INVALID
        return
    (joined,) = ann.news()
    assert joined.metadata == {"value": value}
    assert json.loads(json.dumps(joined.metadata, allow_nan=False)) == joined.metadata
    assert ben.link.closed is None


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        -math.inf,
        1 << 64,
        -(1 << 63) - 1,
        "\ud800",
        {"a": "\udc00"},
        [[[[[[[[[0]]]]]]]]],
        list(range(65)),
        {str(n): 0 for n in range(65)},
        "x" * 1024,
        b"bytes",
        {1: "number as key"},
        object(),
    ],
    ids=repr,
)
def test_what_json_does_not_know_is_refused(value: Any) -> None:
    """A15."""
    with pytest.raises(ValueError):
        check_metadata({"value": value}, 1024)


@given(st.binary(max_size=200), st.integers(0, 63), st.sampled_from(list(Delivery)))
@settings(max_examples=200, deadline=None)
def test_no_bytes_on_any_lane_raise(data: bytes, lane: int, kind: Delivery) -> None:
    """A15: through the whole hub; the worst that happens is that the sender's link ends."""
    world = HubWorld()
    eve, ben = world.client("eve"), world.client("ben")
    eve.raw(lane, kind, data, 0)
    world.clock.advance(1.0)
    assert ben.link.closed is None
