"""Key slots of the sequenced lane."""

from __future__ import annotations

from collections import OrderedDict

from hypothesis import given
from hypothesis import strategies as st

from hub.slots import SLOTS, KeySlots


def test_a_key_keeps_its_slot_and_no_two_share_one():
    slots = KeySlots()
    given_out = {(s, k): slots.slot(s, 10, k) for s in range(1, 5) for k in range(64)}
    assert sorted(given_out.values()) == list(range(SLOTS))
    assert all(slots.slot(s, 10, k) == slot for (s, k), slot in given_out.items())


def test_lane_sender_and_key_tell_slots_apart():
    slots = KeySlots()
    names = [(1, 10, 0), (1, 11, 0), (2, 10, 0), (1, 10, 1), (1, 10, 2**30 - 1), (65535, 63, 2**30 - 1)]
    assert len({slots.slot(*name) for name in names}) == len(names)


# MSG-4-11
def test_at_the_limit_the_least_recently_used_slot_goes_to_the_newcomer():
    slots = KeySlots()
    first = slots.slot(1, 10, 0)
    second = slots.slot(1, 10, 1)
    for key in range(2, SLOTS):
        slots.slot(1, 10, key)
    assert slots.slot(1, 10, 0) == first  # used again
    assert slots.slot(1, 10, 999) == second


def test_a_member_with_very_many_keys_wears_out_its_own_slots():
    slots = KeySlots()
    quiet = {key: slots.slot(1, 10, key) for key in range(20)}
    for key in range(5000):
        slots.slot(2, 10, key)
    assert {key: slots.slot(1, 10, key) for key in range(20)} == quiet


def test_a_leaver_gives_its_slots_back():
    slots = KeySlots()
    for key in range(SLOTS):
        slots.slot(1, 10, key)
    slots.forget(1)
    slots.forget(1)
    assert sorted(slots.slot(2, 10, key) for key in range(SLOTS)) == list(range(SLOTS))


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(8, 9), st.integers(0, 200)), max_size=600))
def test_living_keys_never_share_a_slot(names):
    slots, live = KeySlots(), OrderedDict()
    for name in names:
        slot = slots.slot(*name)
        assert 0 <= slot < SLOTS
        for other in [n for n, s in live.items() if s == slot and n != name]:
            del live[other]  # its slot was taken away
        if name in live:
            assert live[name] == slot
        live[name] = slot
    assert len(set(live.values())) == len(live)
