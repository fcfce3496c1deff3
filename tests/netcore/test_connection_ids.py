from __future__ import annotations

from netcore.connection_ids import ConnectionIds
from tests.netcore.seeded import seeded


def test_an_id_carries_its_worker_first() -> None:
    ids = ConnectionIds(7, seeded(1))
    cid = ids.take(0.0)
    assert len(cid) == 4
    assert cid[0] == 7
    assert ids.is_mine(cid)
    assert not ids.is_mine(b"\x08" + cid[1:])


def test_no_two_connections_share_one_even_with_a_poor_source() -> None:
    ids = ConnectionIds(0, bytes)
    assert len({ids.take(0.0) for _ in range(500)}) == 500


def test_an_ended_id_rests_for_sixty_seconds() -> None:
    # NCP-5-23
    ids = ConnectionIds(0, bytes)
    first = ids.take(0.0)
    ids.end(first, 10.0)
    assert ids.take(69.9) != first
    assert ids.take(70.0) == first


def test_its_late_packets_are_met_with_silence_for_three() -> None:
    ids = ConnectionIds(0, bytes)
    cid = ids.take(0.0)
    assert not ids.is_silent(cid, 1.0)
    ids.end(cid, 10.0)
    assert ids.is_silent(cid, 12.9)
    assert not ids.is_silent(cid, 13.0)


def test_an_id_that_was_never_heard_of_may_go_out_again() -> None:
    ids = ConnectionIds(0, bytes)
    cid = ids.take(0.0)
    ids.forget(cid)
    assert ids.take(0.0) == cid
