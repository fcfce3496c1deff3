"""Write docs/protocol/vectors/long-poll.json: bodies, good and bad, and what numbers lead to.

    python scripts/make_vectors_long_poll.py

The bytes follow from the fixed inputs below; running it again changes nothing unless the protocol changed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from messaging.link_frames import encode_frame
from messaging.poll_bodies import Batch, Close, clipped, encode_batch, encode_open, encode_poll
from netcore.codes import CloseCode
from netcore.delivery import Delivery

FILE = Path(__file__).resolve().parent.parent / "docs" / "protocol" / "vectors" / "long-poll.json"

ONE = encode_frame(8, Delivery.ORDERED, 0, b"hi")
TWO = ONE + encode_frame(3, Delivery.SEQUENCED, 7, b"state")


def batches() -> list[dict[str, Any]]:
    """Batches and what is in them."""
    cases = [
        ("one frame", Batch(1, ONE)),
        ("two frames, a number in two bytes", Batch(64, TWO)),
        ("a number in four bytes", Batch(16_384, ONE)),
        ("a number in eight bytes", Batch(1 << 30, ONE)),
        ("the last, with frames", Batch(2, ONE, Close(0, "bye"))),
        ("the last, without frames or reason", Batch(3, b"", Close(0x86, ""))),
        ("the last, with a reason in three bytes a character", Batch(4, b"", Close(2, "€€"))),
    ]
    return [
        {
            "name": name,
            "bytes": encode_batch(batch).hex(),
            "number": batch.number,
            "frames": batch.frames.hex(),
            "close": None
            if batch.close is None
            else {"code": batch.close.code, "reason": batch.close.reason},
        }
        for name, batch in cases
    ]


def polls() -> list[dict[str, Any]]:
    """Polls and the number in them."""
    return [
        {"bytes": encode_poll(number).hex(), "received": number} for number in (0, 1, 63, 64, 16_384, 1 << 30)
    ]


def bad_uploads() -> list[dict[str, Any]]:
    """First bodies for {path}/up, and the code that closes the link."""
    frames = ONE.hex()
    cases: list[tuple[str, str, CloseCode]] = [
        ("empty", "", CloseCode.PROTOCOL_VIOLATION),
        ("a poll", "0400", CloseCode.PROTOCOL_VIOLATION),
        ("a token", "0100", CloseCode.PROTOCOL_VIOLATION),
        ("another first byte", "0501" + frames, CloseCode.PROTOCOL_VIOLATION),
        ("no number", "02", CloseCode.FRAME_ENCODING),
        ("number 0", "0200" + frames, CloseCode.FRAME_ENCODING),
        ("a number in two bytes that fits one", "024001" + frames, CloseCode.FRAME_ENCODING),
        ("a number cut short", "0240", CloseCode.FRAME_ENCODING),
        ("a number beyond the next", "0202" + frames, CloseCode.PROTOCOL_VIOLATION),
        ("no frames", "0201", CloseCode.FRAME_ENCODING),
        ("a frame cut short", "0201c805616263", CloseCode.FRAME_ENCODING),
        ("a good frame, then a cut one", "0201" + frames + "c87f", CloseCode.FRAME_ENCODING),
        ("a close cut short", "030100", CloseCode.FRAME_ENCODING),
        ("a reason cut short", "0301000005" + "6162", CloseCode.FRAME_ENCODING),
        ("a reason that is not UTF-8", "0301000001ff", CloseCode.FRAME_ENCODING),
        ("another kind on the same lane", "0201c90161890162", CloseCode.PROTOCOL_VIOLATION),
        ("a message above the limit", "0201c880040001", CloseCode.LIMIT_EXCEEDED),
    ]
    return [{"name": name, "bytes": data, "code": int(code)} for name, data, code in cases]


def bad_polls() -> list[dict[str, Any]]:
    """First bodies for {path}/down, and the code that closes the link."""
    cases: list[tuple[str, str, CloseCode]] = [
        ("empty", "", CloseCode.PROTOCOL_VIOLATION),
        ("a batch", "0201" + ONE.hex(), CloseCode.PROTOCOL_VIOLATION),
        ("no number", "04", CloseCode.FRAME_ENCODING),
        ("bytes behind the number", "040000", CloseCode.FRAME_ENCODING),
        ("a number in two bytes that fits one", "044000", CloseCode.FRAME_ENCODING),
        ("a batch that was never sent", "0401", CloseCode.PROTOCOL_VIOLATION),
    ]
    return [{"name": name, "bytes": data, "code": int(code)} for name, data, code in cases]


def bad_openings() -> list[dict[str, Any]]:
    """Bodies for {path} that are no good token, and the status of the answer."""
    cases: list[tuple[str, str, int]] = [
        ("empty", "", 401),
        ("a batch", "0201" + ONE.hex(), 401),
        ("no token behind the first byte", encode_open(b"").hex(), 401),
        ("a token of zeros", encode_open(bytes(120)).hex(), 401),
        ("too long", encode_open(bytes(8_192)).hex(), 413),
    ]
    return [{"name": name, "bytes": data, "status": status} for name, data, status in cases]


def reasons() -> list[dict[str, str]]:
    """Reasons and what a batch has room for."""
    given = ["", "bye", "x" * 121, "ü" * 61, "€" * 41, "🎲" * 31]
    return [{"reason": reason, "sent": clipped(reason).decode()} for reason in given]


def main() -> None:
    """Write the file."""
    vectors = {
        "about": "docs/protocol/long-poll.md. Bytes are hexadecimal, numbers decimal.",
        "version": 1,
        "batches": batches(),
        "polls": polls(),
        "bad_uploads": bad_uploads(),
        "bad_polls": bad_polls(),
        "bad_openings": bad_openings(),
        "reasons": reasons(),
    }
    FILE.write_text(json.dumps(vectors, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
