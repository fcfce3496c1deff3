"""Numbers, packets and frames: varint.json, packet.json, frames.json (`good` and `bad`). ncp.md sections 2, 6 to 8."""

from __future__ import annotations

from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from scripts.spec.noise import hkdf_expand
from scripts.spec.wire import FRAME_ENCODING, Disagreement, Reader, Refused, restored, same, varint

Vectors = dict[str, Any]
REPLAY_WINDOW = 1024

WORDS = {
    "packet_empty": {"empty"},
    "frame_type": {"type"},
    "frame_truncated": {"cut"},
    "varint_truncated": {"cut"},
    "varint_not_minimal": {"minimal"},
    "lane": {"lane"},
    "ack_gaps": {"n"},
    "fragment_index": {"index"},
    "close_reason": {"reason", "utf-8", "cut"},
}
"""The implementation's words in `error`, and the clauses of NCP-8-2 that they stand for."""


def refused(why: str, data: bytes) -> str:
    """The clause for which `data`, all of a packet's frames, is refused."""
    try:
        read_frames(data)
    except Refused as found:
        same(why, FRAME_ENCODING, found.code)
        return found.why
    raise Disagreement(f"{why}: the documents take these bytes")


def check_varints(vectors: Vectors) -> int:
    """varint.json."""
    for case in vectors["good"]:
        data = bytes.fromhex(case["bytes"])
        same("varint", (case["value"], data), (str(Reader(data).varint()), varint(int(case["value"]))))
    for case in vectors["bad"]:
        try:
            Reader(bytes.fromhex(case["bytes"])).varint()
        except Refused as error:
            same(case["why"], True, error.why in WORDS[case["error"]])
        else:
            raise Disagreement(f"{case['why']}: the documents take this varint")
    for case in vectors["restore_u16"]:
        same("restored", case["value"], str(restored(case["truncated"], int(case["expected"]))))
    return len(vectors["good"]) + len(vectors["bad"]) + len(vectors["restore_u16"])


# Packets, section 7


def _nonce(secret: bytes, number: int) -> bytes:
    iv = int.from_bytes(hkdf_expand(secret, b"ncp iv", 12), "big")
    return (iv ^ number).to_bytes(12, "big")


def open_packet(packet: bytes, secret: bytes, has_cid: bool, largest: int) -> tuple[int, bytes]:
    """(number, frames); Refused with the counter's name where it is dropped."""
    head = 7 if has_cid else 3
    if len(packet) < head + 17 or packet[0] != 4:
        raise Refused("drop", "undecryptable")
    number = restored(int.from_bytes(packet[head - 2 : head], "big"), largest + 1)
    if number == largest or number <= largest - REPLAY_WINDOW:
        raise Refused("drop", "duplicates")
    cipher = ChaCha20Poly1305(hkdf_expand(secret, b"ncp key", 32))
    try:
        return number, cipher.decrypt(_nonce(secret, number), packet[head:], packet[:head])
    except InvalidTag:
        raise Refused("drop", "undecryptable") from None


def check_packets(vectors: Vectors) -> int:
    """packet.json."""
    for case in vectors["keys"]:
        secret = bytes.fromhex(case["secret"])
        found = {
            "key": hkdf_expand(secret, b"ncp key", 32).hex(),
            "iv": hkdf_expand(secret, b"ncp iv", 12).hex(),
            "next_secret": hkdf_expand(secret, b"ncp ku", 32).hex(),
        }
        same("keys", {name: case[name] for name in found}, found)
    for case in vectors["packets"]:
        packet, number = bytes.fromhex(case["packet"]), int(case["packet_number"])
        opened = open_packet(packet, bytes.fromhex(case["secret"]), case["cid"] is not None, number - 1)
        same(case["about"], (number, case["frames"]), (opened[0], opened[1].hex()))
        if case["cid"] is not None:
            same("connection id", case["cid"], packet[1:5].hex())
    for case in vectors["bad"]:
        try:
            open_packet(
                bytes.fromhex(case["packet"]),
                bytes.fromhex(case["secret"]),
                case["has_cid"],
                int(case["largest_received"]),
            )
        except Refused as error:
            same(case["why"], (case["reaction"], case["counted_as"]), (error.code, error.why))
        else:
            raise Disagreement(f"{case['why']}: the documents open this packet")
    return len(vectors["keys"]) + len(vectors["packets"]) + len(vectors["bad"])


# Frames, section 8


def read_frames(data: bytes) -> list[Vectors]:
    """The frames of an opened packet, PADDING and PING among them. Raises Refused."""
    if not data:
        raise Refused(FRAME_ENCODING, "empty")
    reader, frames = Reader(data), []
    while reader.left:
        frame = _read_frame(reader)
        frames.append(frame)
        if frame["frame"] == "CLOSE":  # NCP-8-6
            break
    return frames


def _read_frame(reader: Reader) -> Vectors:
    type = reader.uint(1)
    if type in (0x00, 0x01):
        return {"frame": ("PADDING", "PING")[type]}
    if type in (0x02, 0x03):
        return _read_ack(reader, type)
    if type in (0x04, 0x05):
        return {"frame": ("PATH_CHALLENGE", "PATH_RESPONSE")[type - 4], "data": reader.take(8).hex()}
    if type == 0x06:
        code, length = reader.varint(), reader.varint()
        if length > 128:
            raise Refused(FRAME_ENCODING, "reason")
        return {"frame": "CLOSE", "code": code, "reason": reader.text(length)}
    if 0x40 <= type <= 0x7F and not type & 1:
        return _read_message(reader, type)
    raise Refused(FRAME_ENCODING, "type")


def _read_ack(reader: Reader, type: int) -> Vectors:
    largest, delay, first = reader.uint(2), reader.uint(1), reader.varint()
    gaps = []
    if type == 0x03:
        count = reader.uint(1)
        if not 1 <= count <= 31:
            raise Refused(FRAME_ENCODING, "n")
        gaps = [[reader.varint(), reader.varint()] for _ in range(count)]
    return {"frame": "ACK", "largest": largest, "delay": delay, "first": first, "gaps": gaps}


def _read_message(reader: Reader, type: int) -> Vectors:  # NCP-8-1
    kind, is_part, has_lane, to_end = type >> 4 & 3, type & 8, type & 4, type & 2
    lane = reader.uint(1) if has_lane else 0
    if has_lane and not 1 <= lane <= 63:
        raise Refused(FRAME_ENCODING, "lane")
    frame: Vectors = {"frame": "MSG", "kind": kind, "lane": lane, "id": 0, "key": 0}
    if kind or is_part:
        frame["id"] = reader.uint(2)
    if kind == 1:
        frame["key"] = reader.varint()
    if is_part:
        frame["index"], frame["last"] = reader.varint(), reader.varint()
        if frame["index"] > frame["last"] or not frame["last"]:
            raise Refused(FRAME_ENCODING, "index")
    data = reader.rest() if to_end else reader.take(reader.varint())
    return {**frame, "data": data.hex()}


def check_frames(vectors: Vectors) -> int:
    """frames.json, `good` and `bad`."""
    for case in vectors["good"]:
        frames = read_frames(bytes.fromhex(case["bytes"]))
        told = [frame for frame in frames if frame["frame"] not in ("PADDING", "PING")]
        same(case["about"], case["frames"], told)
        quiet = {"PADDING", "ACK", "CLOSE"}  # NCP-8-3; ACK_GAPS are called ACK here
        same(case["about"], case["ack_eliciting"], any(frame["frame"] not in quiet for frame in frames))
    for case in vectors["bad"]:
        same(case["why"], case["close"], FRAME_ENCODING)
        same(case["why"], True, refused(case["why"], bytes.fromhex(case["bytes"])) in WORDS[case["error"]])
    return len(vectors["good"]) + len(vectors["bad"])
