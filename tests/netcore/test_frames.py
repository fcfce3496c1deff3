"""Frames: vectors, one form for each, and nothing but `ProtocolError` for anything else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netcore import frames
from netcore.codes import CloseCode
from netcore.errors import ProtocolError
from netcore.varint import MAX_VARINT

VECTORS = json.loads((Path(__file__).parents[2] / "docs/protocol/vectors/frames.json").read_text())


class Recorder:
    """A sink that keeps every frame, as `encode` takes them."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.lanes: list[frames.FrameLane | None] = [None] * frames.SLOTS

    def open_lane(self, slot: int) -> frames.FrameLane:
        return _Lane(self.got, slot)

    def ack(self, largest: int, delay: int, first: int, gaps: frames.Gaps) -> None:
        self.got.append(
            {
                "frame": "ACK",
                "largest": largest,
                "delay": delay,
                "first": first,
                "gaps": [list(gap) for gap in gaps],
            }
        )

    def path_challenge(self, data: bytes) -> None:
        self.got.append({"frame": "PATH_CHALLENGE", "data": data.hex()})

    def path_response(self, data: bytes) -> None:
        self.got.append({"frame": "PATH_RESPONSE", "data": data.hex()})

    def close(self, code: int, reason: str) -> None:
        self.got.append({"frame": "CLOSE", "code": code, "reason": reason})


class _Lane:
    def __init__(self, got: list[dict[str, Any]], slot: int) -> None:
        self.got, self.slot = got, slot

    def message(self, number: int, key: int, data: bytes) -> None:
        self.got.append(self._common(number, key, data))

    def fragment(self, number: int, key: int, index: int, last: int, data: bytes) -> None:
        self.got.append({**self._common(number, key, data), "index": index, "last": last})

    def _common(self, number: int, key: int, data: bytes) -> dict[str, Any]:
        return {
            "frame": "MSG",
            "kind": self.slot >> 6,
            "lane": self.slot & 63,
            "id": number,
            "key": key,
            "data": data.hex(),
        }


def encode(frame: dict[str, Any], *, to_end: bool) -> bytes:
    """The bytes of one frame; `to_end` where it is the last of its packet and said so."""
    kind = frame["frame"]
    if kind == "ACK":
        gaps = [(missing, received) for missing, received in frame["gaps"]]
        return frames.ack_frame(frame["largest"], frame["delay"], frame["first"], gaps)
    if kind == "PATH_CHALLENGE":
        return bytes((frames.PATH_CHALLENGE,)) + bytes.fromhex(frame["data"])
    if kind == "PATH_RESPONSE":
        return frames.path_response_frame(bytes.fromhex(frame["data"]))
    if kind == "CLOSE":
        return frames.close_frame(frame["code"], frame["reason"])
    part = (frame["index"], frame["last"]) if "index" in frame else None
    slot = frame["kind"] << 6 | frame["lane"]
    data = bytes.fromhex(frame["data"])
    return frames.message_frame(slot, frame["id"], frame["key"], data, part, to_end=to_end)


def parse(data: bytes) -> tuple[list[dict[str, Any]], int]:
    sink = Recorder()
    return sink.got, frames.parse(data, sink)


@st.composite
def message_frames(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.integers(0, 3))
    cut = draw(st.booleans())
    frame: dict[str, Any] = {
        "frame": "MSG",
        "kind": kind,
        "lane": draw(st.integers(0, 63)),
        "id": draw(st.integers(0, 0xFFFF)) if kind or cut else 0,
        "key": draw(st.integers(0, MAX_VARINT)) if kind == 1 else 0,
        "data": draw(st.binary(max_size=80) | st.binary(min_size=1150, max_size=1150)).hex(),
    }
    if cut:
        frame["last"] = draw(st.integers(1, MAX_VARINT))
        frame["index"] = draw(st.integers(0, frame["last"]))
    return frame


varints = st.integers(0, MAX_VARINT)
control_frames = st.one_of(
    st.builds(
        lambda largest, delay, first, gaps: {
            "frame": "ACK",
            "largest": largest,
            "delay": delay,
            "first": first,
            "gaps": gaps,
        },
        st.integers(0, 0xFFFF),
        st.integers(0, 255),
        varints,
        st.lists(st.lists(varints, min_size=2, max_size=2), max_size=frames.MAX_GAPS),
    ),
    st.builds(
        lambda kind, data: {"frame": kind, "data": data.hex()},
        st.sampled_from(["PATH_CHALLENGE", "PATH_RESPONSE"]),
        st.binary(min_size=8, max_size=8),
    ),
)


@settings(max_examples=300)
@given(st.lists(message_frames() | control_frames, min_size=1, max_size=6), st.booleans())
def test_round_trip(many, last_to_end):
    to_end = last_to_end and many[-1]["frame"] == "MSG"
    data = b"".join(encode(frame, to_end=to_end and frame is many[-1]) for frame in many)
    got, what = parse(data)
    assert got == many
    messages = [frame for frame in many if frame["frame"] == "MSG"]
    paths = any(frame["frame"].startswith("PATH") for frame in many)
    assert bool(what & frames.ELICITING) == bool(messages or paths)
    assert bool(what & frames.CARRIES_RELIABLE) == any(frame["kind"] >= 2 for frame in messages)
    assert bool(what & frames.URGENT) == paths


@settings(max_examples=500)
@given(st.binary(max_size=60))
# NCP-8-5
def test_what_is_accepted_is_written_the_same_way(data):
    try:
        got, _ = parse(data)
    except ProtocolError as error:
        assert error.code is CloseCode.FRAME_ENCODING
        return
    assert _canonical(got) <= len(data)


def _canonical(got: list[dict[str, Any]]) -> int:
    return sum(len(encode(frame, to_end=True)) for frame in got)


frame_starts = st.sampled_from(
    [b"\x02", b"\x03", b"\x06", b"\x40", b"\x44", b"\x52", b"\x56", b"\x64", b"\x7c", b"\x4c"]
)


@settings(max_examples=500)
@given(st.lists(st.tuples(frame_starts, st.binary(max_size=14)), min_size=1, max_size=4))
def test_one_frame_decodes_and_encodes_to_itself(pieces):
    data = b"".join(head + body for head, body in pieces)
    try:
        got, _ = parse(data)
    except ProtocolError as error:
        assert error.code is CloseCode.FRAME_ENCODING
        return
    if any(frame["frame"] == "CLOSE" for frame in got):
        return  # what stands behind CLOSE is not looked at
    forms = {b""}
    for frame in got:
        # An explicit length and "to the end" are both valid for a last message; nothing else has two forms.
        forms = {form + encode(frame, to_end=to_end) for form in forms for to_end in (False, True)}
    stripped = {form for form in forms if _without_noise(data, form)}
    assert stripped


def _without_noise(data: bytes, form: bytes) -> bool:
    """`form` is `data` but for PADDING and PING, which the recorder does not see."""
    at = 0
    for byte in form:
        while at < len(data) and data[at] != byte and data[at] in (0, 1):
            at += 1
        if at == len(data) or data[at] != byte:
            return False
        at += 1
    return all(byte in (0, 1) for byte in data[at:])


@pytest.mark.parametrize("case", VECTORS["good"], ids=lambda case: case["about"])
# NCP-8-1, NCP-8-3
def test_vector(case):
    data = bytes.fromhex(case["bytes"])
    got, what = parse(data)
    assert got == case["frames"]
    assert bool(what & frames.ELICITING) == case["ack_eliciting"]


@pytest.mark.parametrize("case", VECTORS["bad"], ids=lambda case: case["why"])
# NCP-8-2
def test_bad_vector_is_refused(case):
    with pytest.raises(ProtocolError) as refused:
        parse(bytes.fromhex(case["bytes"]))
    assert refused.value.code == CloseCode[case["close"]]
    assert refused.value.text == case["error"]


def test_an_error_of_the_taker_is_not_mistaken_for_a_bad_frame():
    class Broken(Recorder):
        def open_lane(self, slot: int) -> frames.FrameLane:
            raise IndexError("a defect of the application")

    with pytest.raises(IndexError):
        frames.parse(b"\x42data", Broken())


def test_a_long_reason_is_cut_at_a_character():
    got, _ = parse(frames.close_frame(5, "é" * 100))
    assert got == [{"frame": "CLOSE", "code": 5, "reason": "é" * 64}]
    got, _ = parse(frames.close_frame(5, "a" + "é" * 100))
    assert got[0]["reason"] == "a" + "é" * 63
