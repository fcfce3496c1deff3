"""The envelope: what is written comes back, and nothing else is accepted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.compression import pack
from messaging.envelope import (
    COMPRESSED,
    MAX_KEY,
    MAX_TYPE_INDEX,
    STORED,
    Delivered,
    Published,
    decode_delivery,
    decode_publication,
    encode_delivery,
    encode_publication,
    flags_of,
)
from netcore.codes import CloseCode
from netcore.errors import ProtocolError

formats = st.integers(0, 2)
contents = st.binary(max_size=300)
indexes = st.integers(1, 0xFFFF)
types = st.integers(0, MAX_TYPE_INDEX)
type_names = st.text(min_size=1, max_size=16).filter(
    lambda text: all(not 0xD800 <= ord(c) < 0xE000 for c in text) and len(text.encode()) <= 64
)


@given(
    formats,
    st.booleans(),
    st.booleans(),
    indexes,
    types,
    st.integers(8, 63),
    contents,
    st.sampled_from([1, 2, 3, 4]),
    st.integers(0, MAX_KEY),
    st.none() | st.tuples(st.integers(0, 2**62 - 1), st.integers(0, 2**48 - 1)),
)
def test_a_delivery_comes_back_as_it_was(
    format, encrypted, targeted, sender, type_index, lane, content, link_lane, key, position
):
    if link_lane > 2:
        position = None
    key = key if link_lane == 3 else None
    offset, time_ms = position or (0, 0)
    data = encode_delivery(
        flags_of(format, encrypted, position is not None, targeted),
        sender,
        type_index,
        lane,
        content,
        key=key,
        offset=offset,
        time_ms=time_ms,
    )
    expected = Delivered(
        sender,
        type_index,
        lane,
        content,
        format,
        encrypted,
        targeted,
        key,
        *(position or (None, None)),
    )
    assert decode_delivery(data, link_lane) == expected


to_or_filter = st.one_of(
    st.tuples(st.none() | indexes, st.none()), st.tuples(st.none(), st.text(min_size=1, max_size=256))
)


@given(formats, st.booleans(), st.booleans(), to_or_filter, types | type_names, contents)
def test_a_publication_comes_back_as_it_was(format, encrypted, persistent, whom, type_, content):
    to, filter = whom
    data = encode_publication(
        type_, content, format=format, encrypted=encrypted, persistent=persistent, to=to, filter=filter
    )
    expected = Published(type_, content, format, encrypted, persistent, to, filter)
    assert decode_publication(data) == expected


BULK = b"".join(b"line %d of a level; " % number for number in range(200))


# MSG-4-17
def test_bulk_content_travels_compressed_and_comes_back_as_it_was():
    data = encode_publication("level", BULK, compress=True, persistent=True)
    assert len(data) < len(BULK) / 2
    published = decode_publication(data)
    assert (published.content, published.packed) == (BULK, pack(BULK))
    delivery = encode_delivery(COMPRESSED, 1, 0, 9, pack(BULK))
    assert decode_delivery(delivery, 2) == Delivered(1, 0, 9, BULK, compressed=True)


@pytest.mark.parametrize("fields", [{"encrypted": True}, {"to": 3}, {"filter": "red-.*"}])
# MSG-4-19, MSG-4-20
def test_what_may_hold_a_secret_is_never_compressed(fields):
    """CRIME: lengths of compressed bytes tell about content, so only what everyone may read is compressed."""
    data = encode_publication(0, BULK, compress=True, **fields)
    assert not data[0] & COMPRESSED
    assert BULK in data
    forged = bytes([data[0] | COMPRESSED]) + data[1:]
    with pytest.raises(ProtocolError) as caught:
        decode_publication(forged)
    assert (caught.value.code, caught.value.text) == (CloseCode.PROTOCOL_VIOLATION, "compressed")
    for flags in (0x04, 0x20):
        with pytest.raises(ProtocolError, match="compressed"):
            decode_delivery(encode_delivery(COMPRESSED | flags, 1, 0, 9, pack(BULK)), 2)


@given(st.binary(max_size=40), st.sampled_from([1, 2, 3, 4]))
def test_any_bytes_are_a_canonical_delivery_or_refused(data, link_lane):
    try:
        d = decode_delivery(data, link_lane)
    except ProtocolError:
        return
    if d.compressed:  # many blocks say the same
        return
    again = encode_delivery(
        flags_of(d.format, d.encrypted, d.offset is not None, d.targeted),
        d.sender,
        d.type_index,
        d.lane,
        d.content,
        key=d.key,
        offset=d.offset or 0,
        time_ms=d.time_ms or 0,
    )
    assert again == data


@given(st.binary(max_size=40))
def test_any_bytes_are_a_canonical_publication_or_refused(data):
    try:
        p = decode_publication(data)
    except ProtocolError:
        return
    if p.packed is not None or len(p.filter or "") > 256:
        return
    again = encode_publication(
        p.type,
        p.content,
        format=p.format,
        encrypted=p.encrypted,
        persistent=p.persistent,
        to=p.to,
        filter=p.filter,
    )
    assert again == data


def test_an_ephemeral_message_costs_at_most_eight_bytes():
    assert len(encode_delivery(0, 0xFFFF, 63, 63, b"", key=63)) == 6
    assert len(encode_delivery(0, 0xFFFF, 1023, 63, b"", key=16_383)) == 8
    assert len(encode_publication(3, b"")) == 2


@pytest.mark.parametrize(
    ("data", "lane", "text"),
    [
        ("00000100", 1, "delivery_truncated"),
        ("0000000008", 1, "delivery_sender"),
        ("0300010008", 1, "envelope_flags"),
        ("4000010008", 1, "envelope_flags"),
        ("8000010008", 1, "envelope_flags"),
        ("0800010008", 1, "varint_truncated"),
        ("0c00010008", 1, "compressed"),
        ("2800010008", 1, "compressed"),
        ("0800010008c000000000040001", 1, "varint_not_minimal"),
        ("080001000880040001", 1, "compressed_size"),
        ("08000100081520", 1, "compressed_ratio"),
        ("0800010008011061ff", 1, "compressed_block"),
        ("0800010008021061", 1, "compressed_size"),
        ("0000010007", 1, "delivery_lane"),
        ("0000010040", 1, "delivery_lane"),
        ("000001404008", 1, None),
        ("000001400008", 1, "varint_not_minimal"),
        ("0000018000400008", 1, "type_index"),
        ("0000010008", 3, "varint_truncated"),
        ("0000010008c000000040000000", 3, "key_range"),
        ("100001000801", 3, "stored_kind"),
        ("100001000801", 4, "stored_kind"),
        ("1000010008010000000000", 1, "delivery_truncated"),
    ],
)
# MSG-4-6
def test_bad_deliveries_are_refused_by_name(data, lane, text):
    if text is None:
        assert decode_delivery(bytes.fromhex(data), lane).type_index == 64
        return
    with pytest.raises(ProtocolError) as caught:
        decode_delivery(bytes.fromhex(data), lane)
    assert caught.value.text == text


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("00", "publication_truncated"),
        ("0300", "envelope_flags"),
        ("8000", "varint_truncated"),
        ("800000", "filter_length"),
        ("80004401" + "61" * 1025, "filter_length"),
        ("8000022e", "publication_truncated"),
        ("800001ff", "filter_utf8"),
        ("a0000001012e", "to_and_filter"),
        ("0800", "varint_truncated"),
        ("0c00", "compressed"),
        ("200001", "publication_truncated"),
        ("20000000", "publication_to"),
        ("4000", "type_length"),
        ("404141" + "61" * 65, "type_length"),
        ("400361", "publication_truncated"),
        ("4001ff", "type_utf8"),
        ("4003eda080", "type_utf8"),
        ("004001", "varint_not_minimal"),
    ],
)
# MSG-4-2
def test_bad_publications_are_refused_by_name(data, text):
    with pytest.raises(ProtocolError) as caught:
        decode_publication(bytes.fromhex(data))
    assert caught.value.text == text


@pytest.mark.parametrize(
    "fields",
    [
        {"type": ""},
        {"type": "x" * 65},
        {"type": -1},
        {"type": 1 << 14},
        {"to": 0},
        {"to": 65536},
        {"format": 3},
        {"filter": ""},
        {"filter": "x" * 257},
        {"filter": ".*", "to": 1},
    ],
)
def test_a_caller_mistake_is_a_value_error(fields):
    arguments = {"type": 0, "content": b""} | fields
    with pytest.raises(ValueError):
        encode_publication(arguments.pop("type"), arguments.pop("content"), **arguments)


# MSG-4-6
def test_stored_messages_carry_offset_and_time():
    data = encode_delivery(STORED, 1, 0, 8, b"x", offset=7, time_ms=1_700_000_000_000)
    delivered = decode_delivery(data, 1)
    assert (delivered.offset, delivered.time_ms) == (7, 1_700_000_000_000)
