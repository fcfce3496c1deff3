"""DATA packets: vectors, and what a stranger, a replay or a bent bit achieves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netcore.keys import next_secret, packet_keys
from netcore.packet import TO_CLIENT_OVERHEAD, TO_SERVER_OVERHEAD, PacketOpener, PacketSealer, destination_cid

VECTORS = json.loads((Path(__file__).parents[2] / "docs/protocol/vectors/packet.json").read_text())
KEYS = packet_keys(bytes(range(32)))


def sealer(to_server: bool = True, pn: int = 0) -> PacketSealer:
    made = PacketSealer(KEYS, 0x00C0FFEE if to_server else None)
    made.next_pn = pn
    return made


@pytest.mark.parametrize("case", VECTORS["keys"], ids=lambda case: case["about"])
# NCP-6-1
def test_key_vector(case):
    secret = bytes.fromhex(case["secret"])
    keys = packet_keys(secret)
    assert (keys.key.hex(), keys.iv.hex()) == (case["key"], case["iv"])
    assert next_secret(secret).hex() == case["next_secret"]


@pytest.mark.parametrize("case", VECTORS["packets"], ids=lambda case: case["about"])
# NCP-6-2, NCP-7-1, NCP-7-2, NCP-7-3, NCP-7-5
def test_packet_vector(case):
    keys = packet_keys(bytes.fromhex(case["secret"]))
    pn, frames = int(case["packet_number"]), bytes.fromhex(case["frames"])
    cid = None if case["cid"] is None else int(case["cid"], 16)
    made = PacketSealer(keys, cid)
    made.next_pn = pn
    packet = made.seal(frames)
    assert packet.hex() == case["packet"]
    opener = PacketOpener(keys, has_cid=cid is not None)
    opener._replay.commit(pn - 1)
    assert opener.open(packet) == frames
    assert opener.pn == pn
    if cid is not None:
        assert destination_cid(packet) == cid


@pytest.mark.parametrize("case", VECTORS["bad"], ids=lambda case: case["why"])
# NCP-6-3, NCP-6-4, NCP-7-6
def test_bad_packet_vector_is_dropped(case):
    opener = PacketOpener(packet_keys(bytes.fromhex(case["secret"])), has_cid=case["has_cid"])
    opener._replay.commit(int(case["largest_received"]))
    assert opener.open(bytes.fromhex(case["packet"])) is None
    assert getattr(opener, case["counted_as"]) == 1


@pytest.mark.parametrize("to_server", [True, False])
@given(frames=st.binary(min_size=1, max_size=300), pn=st.integers(0, 2**40))
@settings(max_examples=50)
def test_round_trip(to_server, frames, pn):
    opener = PacketOpener(KEYS, has_cid=to_server)
    if pn:
        opener._replay.commit(pn - 1)
    packet = sealer(to_server, pn).seal(frames)
    assert len(packet) == len(frames) + (TO_SERVER_OVERHEAD if to_server else TO_CLIENT_OVERHEAD)
    assert opener.open(packet) == frames


@given(st.integers(0, 60), st.integers(0, 7))
# NCP-7-5, NCP-7-7
def test_one_bent_bit_anywhere_is_not_accepted(position, bit):
    packet = bytearray(sealer().seal(b"x" * 40))
    packet[position] ^= 1 << bit
    opener = PacketOpener(KEYS, has_cid=True)
    assert opener.open(bytes(packet)) is None
    assert opener.largest_pn == -1, "a packet that is not authentic moves nothing"


@given(st.binary(max_size=80))
def test_random_bytes_are_dropped(data):
    opener = PacketOpener(KEYS, has_cid=True)
    assert opener.open(data) is None
    assert opener.undecryptable == 1


# NCP-7-6
def test_a_replayed_packet_is_dropped_without_decrypting():
    opener = PacketOpener(KEYS, has_cid=True)
    packet = sealer().seal(b"once")
    assert opener.open(packet) == b"once"
    opener._decrypt = None  # type: ignore[assignment]  # would raise
    assert opener.open(packet) is None
    assert opener.duplicates == 1


# NCP-7-6, NCP-7-7
def test_a_forged_number_does_not_block_the_true_packet():
    opener = PacketOpener(KEYS, has_cid=True)
    packet = sealer().seal(b"true")
    forged = packet[:-1] + bytes([packet[-1] ^ 1])
    assert opener.open(forged) is None
    assert opener.open(packet) == b"true"


# NCP-2-5, NCP-7-3
def test_numbers_pass_sixteen_bits():
    made, opener = sealer(pn=65_530), PacketOpener(KEYS, has_cid=True)
    opener._replay.commit(65_529)
    late = made.seal(b"late")
    for number in range(65_531, 65_560):
        assert opener.open(made.seal(b"next")) == b"next"
        assert opener.pn == number
    assert opener.open(late) == b"late"
    assert opener.pn == 65_530


# NCP-6-2, NCP-7-3
def test_no_nonce_is_used_twice(monkeypatch):
    nonces = []
    made = sealer()
    made._encrypt = lambda nonce, data, aad: nonces.append(nonce) or data  # type: ignore[assignment]
    for _ in range(1000):
        made.seal(b"x")
    assert len(set(nonces)) == 1000
