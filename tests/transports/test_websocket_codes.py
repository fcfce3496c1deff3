"""Close codes on a WebSocket."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.errors import ErrorCode
from netcore.codes import CloseCode, may_come_back
from transports.websocket_codes import clipped_reason, from_websocket, to_websocket


@pytest.mark.parametrize("code", [*CloseCode, *ErrorCode])
def test_every_registered_code_survives_a_websocket(code: int) -> None:
    assert 4000 <= to_websocket(code) <= 4999
    assert from_websocket(to_websocket(code)) == code


@pytest.mark.parametrize("code", [-1, 1000])
def test_a_code_that_no_websocket_carries_is_the_callers_mistake(code: int) -> None:
    with pytest.raises(ValueError, match=str(code)):
        to_websocket(code)


# WS-7-2
def test_a_lost_stream_and_unknown_codes_invite_to_come_back() -> None:
    for code in (1006, 1015, 3000, 3999, 0):
        assert may_come_back(from_websocket(code))


@pytest.mark.parametrize("code", [1000, 1001, 1005])
def test_a_browser_that_leaves_closes_normally(code: int) -> None:
    assert from_websocket(code) == CloseCode.NORMAL


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=200))
# WS-7-1
def test_a_reason_is_cut_at_a_character(reason: str) -> None:
    clipped = clipped_reason(reason)
    assert reason.startswith(clipped)
    assert len(clipped.encode()) <= 123
    assert clipped == reason or len(clipped.encode()) >= 120


def test_a_reason_that_is_no_text_still_closes() -> None:
    assert clipped_reason("broken \ud800") == "broken ?"
