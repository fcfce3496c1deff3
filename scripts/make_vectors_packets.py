"""Write the vectors of varints, packets, frames and acknowledgements to docs/protocol/vectors/.

    python scripts/make_vectors_packets.py

The bytes follow from the fixed inputs below; running it again changes nothing unless the protocol changed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from netcore.acks import ReceivedPackets
from netcore.delivery import Delivery
from netcore.frames import ELICITING, ack_frame, close_frame, message_frame
from netcore.keys import next_secret, packet_keys
from netcore.packet import PacketSealer
from netcore.varint import MAX_VARINT, encode_varint, restore_u16

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "protocol" / "vectors"
UNRELIABLE, SEQUENCED, RELIABLE, ORDERED = Delivery
SECRETS = {
    "client to server": "bc4eda1be625d1a4f33163f70f684a2ca8ecb2aade8f47e640a111c2ad13c6b8",
    "server to client": bytes(range(32, 64)).hex(),
}
CID = 0x00C0FFEE

Json = dict[str, Any]


def varint_vectors() -> Json:
    """varint.json"""
    values = [
        0,
        1,
        37,
        63,
        64,
        15_293,
        16_383,
        16_384,
        494_878_333,
        2**30 - 1,
        2**30,
        151_288_809_941_952_652,
    ]
    bad = [
        ("empty", "", "varint_truncated"),
        ("two bytes, one there", "40", "varint_truncated"),
        ("four bytes, three there", "800040", "varint_truncated"),
        ("eight bytes, seven there", "c0000000400000", "varint_truncated"),
        ("37 in two bytes (RFC 9000 allows it)", "4025", "varint_not_minimal"),
        ("63 in two bytes", "403f", "varint_not_minimal"),
        ("16383 in four bytes", "80003fff", "varint_not_minimal"),
        ("2^30 - 1 in eight bytes", "c00000003fffffff", "varint_not_minimal"),
        ("0 in eight bytes", "c000000000000000", "varint_not_minimal"),
    ]
    pairs = [
        (0, 0),
        (1, 0),
        (0xFFFF, 0),
        (0xFFFF, 0x10000),
        (0, 0xFFFF),
        (0x9B32, 0xA82F30EB),
        (0x8000, 0x20000),
        (0x8001, 0x20000),
        (0x7FFF, 0x20000),
        (5, 2**40),
    ]
    return {
        "good": [
            {"value": str(value), "bytes": encode_varint(value).hex()} for value in (*values, MAX_VARINT)
        ],
        "bad": [{"why": why, "bytes": data, "error": error} for why, data, error in bad],
        "restore_u16": [
            {"truncated": low, "expected": str(expected), "value": str(restore_u16(low, expected))}
            for low, expected in pairs
        ],
    }


def key_vectors() -> list[Json]:
    """Keys of phase 0, and the secret of phase 1."""
    result = []
    for about, secret in SECRETS.items():
        keys = packet_keys(bytes.fromhex(secret))
        result.append(
            {
                "about": about,
                "secret": secret,
                "key": keys.key.hex(),
                "iv": keys.iv.hex(),
                "next_secret": next_secret(bytes.fromhex(secret)).hex(),
            }
        )
    return result


def seal(direction: str, pn: int, frames: bytes) -> bytes:
    """One packet."""
    sealer = PacketSealer(
        packet_keys(bytes.fromhex(SECRETS[direction])), CID if direction == "client to server" else None
    )
    sealer.next_pn = pn
    return sealer.seal(frames)


def packet_vectors() -> Json:
    """packet.json"""
    hello = ack_frame(7, 3, 7, ()) + message_frame(SEQUENCED << 6, 9, 0, b"hello", to_end=True)
    cases = [
        ("the first packet of a client: PING", "client to server", 0, b"\x01"),
        ("an ACK and a sequenced message", "client to server", 0x10005, hello),
        ("the same from the server", "server to client", 0x10005, hello),
        ("the last number before 16 bits pass", "server to client", 0xFFFF, b"\x01"),
        ("a large number", "client to server", 2**40 + 1, message_frame(ORDERED << 6 | 8, 1, 0, b"x")),
    ]
    good = [
        {
            "about": about,
            "secret": SECRETS[direction],
            "cid": f"{CID:08x}" if direction == "client to server" else None,
            "packet_number": str(pn),
            "frames": frames.hex(),
            "packet": seal(direction, pn, frames).hex(),
        }
        for about, direction, pn, frames in cases
    ]
    whole = seal("client to server", 100, b"\x01")
    other_phase = bytes([whole[0] | 1]) + whole[1:]
    other_cid = whole[:1] + b"\x00\xc0\xff\xef" + whole[5:]
    bent = whole[:-1] + bytes([whole[-1] ^ 0x80])
    bad_cases = [
        ("a bent tag", 99, bent, "undecryptable"),
        ("another connection id: the header is authentic too", 99, other_cid, "undecryptable"),
        ("a key phase without a key", 99, other_phase, "undecryptable"),
        ("shorter than header and tag", 99, whole[:22], "undecryptable"),
        ("a number received before", 100, whole, "duplicates"),
        ("a number 1,024 below the largest", 1124, whole, "duplicates"),
        ("sealed under another number: 65,536 further", 100 + 65_536 - 1, whole, "undecryptable"),
    ]
    bad = [
        {
            "why": why,
            "secret": SECRETS["client to server"],
            "has_cid": True,
            "largest_received": str(largest),
            "packet": packet.hex(),
            "reaction": "drop",
            "counted_as": counted,
        }
        for why, largest, packet, counted in bad_cases
    ]
    return {"keys": key_vectors(), "packets": good, "bad": bad}


def ack(largest: int, delay: int, first: int, *gaps: tuple[int, int]) -> tuple[Json, bytes]:
    """An ACK or ACK_GAPS: as JSON and as bytes."""
    said = {
        "frame": "ACK",
        "largest": largest,
        "delay": delay,
        "first": first,
        "gaps": [list(gap) for gap in gaps],
    }
    return said, ack_frame(largest, delay, first, gaps)


def msg(
    kind: Delivery,
    lane: int,
    number: int,
    data: bytes,
    key: int = 0,
    part: tuple[int, int] | None = None,
    *,
    to_end: bool = False,
) -> tuple[Json, bytes]:
    """A MSG: as JSON and as bytes."""
    said: Json = {
        "frame": "MSG",
        "kind": int(kind),
        "lane": lane,
        "id": number,
        "key": key,
        "data": data.hex(),
    }
    if part is not None:
        said |= {"index": part[0], "last": part[1]}
    return said, message_frame(kind << 6 | lane, number, key, data, part, to_end=to_end)


def good_frames() -> list[Json]:
    """Packets as a parser must read them."""
    quiet: tuple[None, bytes] = (None, b"\x00\x00\x00")
    ping: tuple[None, bytes] = (None, b"\x01")
    path, long = bytes(range(8)), "r" * 128
    cases: list[tuple[str, bool, list[tuple[Json | None, bytes]]]] = [
        ("PING", True, [ping]),
        ("PADDING alone", False, [quiet]),
        ("ACK", False, [ack(7, 3, 7)]),
        ("ACK, saturated delay", False, [ack(0xFFFF, 255, 0)]),
        ("ACK, first of two bytes", False, [ack(300, 195, 64)]),
        ("ACK_GAPS with one gap", False, [ack(9, 0, 1, (0, 2))]),
        ("ACK_GAPS with 31 gaps", False, [ack(200, 9, 0, *[(0, 0)] * 31)]),
        ("PATH_CHALLENGE", True, [({"frame": "PATH_CHALLENGE", "data": path.hex()}, b"\x04" + path)]),
        ("PATH_RESPONSE", True, [({"frame": "PATH_RESPONSE", "data": path.hex()}, b"\x05" + path)]),
        ("CLOSE", False, [({"frame": "CLOSE", "code": 0x81, "reason": "bye ✓"}, close_frame(0x81, "bye ✓"))]),
        (
            "CLOSE, longest reason",
            False,
            [({"frame": "CLOSE", "code": 0, "reason": long}, close_frame(0, long))],
        ),
        ("unreliable, lane 0, to the end", True, [msg(UNRELIABLE, 0, 0, b"hi", to_end=True)]),
        ("unreliable, lane 63", True, [msg(UNRELIABLE, 63, 0, b"hi")]),
        ("unreliable, empty", True, [msg(UNRELIABLE, 4, 0, b"")]),
        ("sequenced, key of one byte", True, [msg(SEQUENCED, 3, 9, b"hi", 63)]),
        ("sequenced, key of two bytes", True, [msg(SEQUENCED, 3, 9, b"hi", 255)]),
        ("sequenced, key of eight bytes", True, [msg(SEQUENCED, 0, 9, b"hi", 2**30)]),
        ("reliable", True, [msg(RELIABLE, 9, 0xFFFF, b"hi")]),
        ("ordered, length of two bytes", True, [msg(ORDERED, 8, 1, b"x" * 64)]),
        ("unreliable part", True, [msg(UNRELIABLE, 4, 5, b"p" * 256, 0, (0, 1))]),
        ("sequenced part", True, [msg(SEQUENCED, 3, 5, b"p" * 256, 7, (14, 15), to_end=True)]),
        ("ordered part, index of two bytes", True, [msg(ORDERED, 8, 5, b"p" * 256, 0, (1022, 1023))]),
        (
            "a full packet",
            True,
            [
                ack(7, 3, 0),
                ping,
                msg(ORDERED, 0, 1, b"a"),
                msg(SEQUENCED, 3, 2, b"b", 1),
                quiet,
                msg(UNRELIABLE, 4, 0, b"c", to_end=True),
            ],
        ),
        ("an ACK behind a message", True, [msg(UNRELIABLE, 4, 0, b"c"), ack(1, 1, 1)]),
    ]
    return [
        {
            "about": about,
            "bytes": b"".join(data for _, data in items).hex(),
            "frames": [said for said, _ in items if said is not None],
            "ack_eliciting": eliciting,
        }
        for about, eliciting, items in cases
    ]


def bad_frames() -> list[Json]:
    """Packets that close the connection, whatever its state."""
    cases = [
        ("no frame at all", "", "packet_empty"),
        ("reserved type 0x07", "070000000000000000", "frame_type"),
        ("reserved type 0x08", "08", "frame_type"),
        ("type 0x09", "09", "frame_type"),
        ("type 0x3f", "3f", "frame_type"),
        ("type 0x80", "80", "frame_type"),
        ("MSG with bit 0", "4300", "frame_type"),
        ("a good frame, then an unknown one", "01ff", "frame_type"),
        ("ACK cut", "02000703", "frame_truncated"),
        ("ACK, first cut", "0200070340", "varint_truncated"),
        ("ACK, first not minimal", "020007034001", "varint_not_minimal"),
        ("ACK_GAPS without a count", "0300070301", "frame_truncated"),
        ("ACK_GAPS, no gap", "030007030100", "ack_gaps"),
        ("ACK_GAPS, 32 gaps", "030007030120" + "0000" * 32, "ack_gaps"),
        ("ACK_GAPS, gaps cut", "03000703010200", "varint_truncated"),
        ("PATH_CHALLENGE of 7 bytes", "0400010203040506", "frame_truncated"),
        ("CLOSE without a reason length", "0600", "varint_truncated"),
        ("CLOSE, reason cut", "06000568", "close_reason"),
        ("CLOSE, reason of 129 bytes", "06004081" + "61" * 129, "close_reason"),
        ("CLOSE, reason not UTF-8", "060002c328", "close_reason"),
        ("MSG, lane cut", "44", "frame_truncated"),
        ("MSG, lane 0 by number", "460061", "lane"),
        ("MSG, lane 64", "464061", "lane"),
        ("MSG, id cut", "5200", "frame_truncated"),
        ("MSG, key cut", "520000", "frame_truncated"),
        ("MSG, key not minimal", "52000040016869", "varint_not_minimal"),
        ("MSG, length cut", "40", "frame_truncated"),
        ("MSG, length above the rest", "4003aabb", "frame_truncated"),
        ("MSG, length not minimal", "4040020102", "varint_not_minimal"),
        ("part of one part", "6a00010000ff", "fragment_index"),
        ("part with index above last", "6a00010302ff", "fragment_index"),
        ("part, last not minimal", "6a0001004001ff", "varint_not_minimal"),
    ]
    return [
        {"why": why, "bytes": data, "close": "FRAME_ENCODING", "error": error} for why, data, error in cases
    ]


def violations() -> list[Json]:
    """Packets to a server, well formed, that together break a rule: frames of each, in order, numbers from 0."""

    part = b"p" * 300
    violation, limit, encoding = "PROTOCOL_VIOLATION", "LIMIT_EXCEEDED", "FRAME_ENCODING"
    keys = [[msg(SEQUENCED, 9, 0, b"", key) for key in range(start, start + 128)] for start in (0, 128)]

    def cut(index: int, last: int, data: bytes = part, kind: Delivery = ORDERED) -> list[tuple[Json, bytes]]:
        return [msg(kind, 9, 0, data, 0, (index, last))]

    cases: list[tuple[str, str, str, list[list[tuple[Json, bytes]]]]] = [
        (
            "another kind on a lane",
            violation,
            "lane_kind",
            [[msg(RELIABLE, 9, 0, b"")], [msg(ORDERED, 9, 1, b"")]],
        ),
        ("an ACK of a packet never sent", violation, "ack_unsent", [[ack(500, 0, 0)]]),
        ("an ACK that reaches below 0", encoding, "ack_range", [[({}, b"\x01")], [ack(0, 0, 1)]]),
        ("id 1024 before id 0", limit, "id_window", [[msg(RELIABLE, 9, 1024, b"")]]),
        ("id 31,743 before id 0", limit, "id_window", [[msg(ORDERED, 9, 31_743, b"")]]),
        ("parts that disagree in number", violation, "fragment_last", [cut(0, 2), cut(1, 3)]),
        ("parts that disagree in length", violation, "fragment_size", [cut(0, 2), cut(1, 2, part[1:])]),
        ("a last part too long", violation, "fragment_size", [cut(2, 2, part + b"p"), cut(0, 2)]),
        ("an empty last part", violation, "fragment_size", [cut(2, 2, b"")]),
        ("a part of 255 bytes, not the last", violation, "fragment_size", [cut(0, 2, part[:255])]),
        ("1,025 reliable parts", limit, "fragment_parts", [cut(0, 1024, kind=RELIABLE)]),
        ("17 unreliable parts", limit, "fragment_parts", [cut(0, 16, kind=UNRELIABLE)]),
        ("17 sequenced parts", limit, "fragment_parts", [cut(0, 16, kind=SEQUENCED)]),
        ("257 keys", limit, "lane_keys", [*keys, [msg(SEQUENCED, 9, 0, b"", 256)]]),
    ]
    return [
        {
            "why": why,
            "packets": [b"".join(data for _, data in packet).hex() for packet in packets],
            "close": close,
            "error": error,
        }
        for why, close, error, packets in cases
    ]


def ack_vectors() -> Json:
    """ack.json"""
    receipts: list[tuple[str, list[tuple[int, float]], float]] = [
        ("the first packet, at once", [(0, 1.0)], 1.0),
        ("eight in a row, told after 5 ms", [(pn, 1.0) for pn in range(8)], 1.005),
        ("one missing", [(0, 1.0), (1, 1.0), (3, 1.0)], 1.0),
        ("the first missing", [(1, 1.0), (2, 1.0)], 1.0),
        ("a gap filled", [(0, 1.0), (2, 1.0), (1, 1.01)], 1.01),
        ("the delay is that of the largest", [(0, 1.0), (2, 1.0), (1, 1.02)], 1.02),
        ("told a second late", [(0, 1.0)], 2.0),
        ("a long run", [(pn, 1.0) for pn in range(100)], 1.0),
        ("every other of 80: 32 ranges are told", [(pn, 1.0) for pn in range(0, 80, 2)], 1.0),
    ]
    receive = []
    for about, received, now in receipts:
        acks = ReceivedPackets(0.025)
        for pn, at in received:
            acks.record(pn, ELICITING, at)
        receive.append(
            {
                "about": about,
                "received": [list(one) for one in received],
                "now": now,
                "frame": acks.take(now).hex(),
            }
        )
    at_once, later, no = "at once", "within 25 ms", "no"
    when: list[tuple[str, bool, list[tuple[int, str]], str]] = [
        ("one packet with unreliable messages", False, [(0, "eliciting")], later),
        ("one with a reliable message", False, [(0, "reliable")], later),
        ("the second with a reliable message", False, [(0, "reliable"), (1, "reliable")], at_once),
        ("the second, the first told between", True, [(0, "reliable"), (1, "reliable")], later),
        ("PING", False, [(0, "urgent")], at_once),
        ("nothing but an ACK", False, [(0, "quiet")], no),
        ("a gap appears", True, [(0, "eliciting"), (2, "eliciting")], at_once),
        ("a gap is filled", True, [(0, "eliciting"), (2, "eliciting"), (1, "eliciting")], at_once),
        ("a gap shown by an ACK, which makes nothing go", False, [(1, "quiet")], "with the next packet"),
        ("and then the next packet", False, [(1, "quiet"), (2, "eliciting")], at_once),
        ("after the gap was told", True, [(1, "eliciting"), (2, "eliciting")], later),
    ]
    return {
        "receive": receive,
        "when": [
            {"about": about, "told_between": told, "packets": [list(one) for one in packets], "ack": then}
            for about, told, packets, then in when
        ],
    }


def write(name: str, about: str, content: Json) -> None:
    """One file."""
    text = json.dumps({"about": about, **content}, indent=1, ensure_ascii=False)
    (FOLDER / name).write_text(text + "\n", encoding="utf-8")


def main() -> None:
    """Write all four."""
    write("varint.json", "Varints (NCP-2-3, NCP-2-4) and truncated numbers (NCP-2-5).", varint_vectors())
    write(
        "packet.json",
        "Keys (section 6) and sealed packets (section 7). `bad`: a receiver that has opened `largest_received`, "
        "and no other, drops the packet.",
        packet_vectors(),
    )
    write(
        "frames.json",
        "Opened packets (sections 8 and 9). `good`: the frames inside; PADDING and PING are left out. `bad`: the "
        "code that closes, whatever came before. `violations`: packets with numbers from 0, to a server that has "
        "sent one packet at most and announced the default parameters; the last one closes. `error` is this "
        "project's word for it.",
        {"good": good_frames(), "bad": bad_frames(), "violations": violations()},
    )
    write(
        "ack.json",
        "Acknowledgements (section 10). `receive`: ack-eliciting packets [number, time in s] and the frame told at "
        "`now`. `when`: packets [number, what] in order; `told_between` tells whether an ACK went out after each "
        "but the last; `ack` tells when the next one goes.",
        ack_vectors(),
    )


if __name__ == "__main__":
    main()
