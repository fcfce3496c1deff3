"""Fate traces: recorded, written, read, played back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simnet.link import LinkModel
from simnet.trace import FateTrace, RecordingLink, TraceLink

fate_lists = st.lists(st.lists(st.integers(0, 10**6), max_size=3).map(tuple), max_size=80)


@given(fate_lists, st.text(max_size=30))
def test_text_and_back_is_the_same_trace(fates, comment):
    trace = FateTrace(tuple(fates))
    assert FateTrace.from_text(trace.to_text(comment)) == trace


def test_the_text_is_short_and_readable():
    trace = FateTrace(((25000,),) * 120 + ((),) * 2 + ((25000, 26013),))
    assert trace.to_text("two lost") == "netplay-fates 1\n# two lost\n25000*120 -*2 25000+26013\n"


def test_playback_meets_the_recorded_fates_whatever_is_sent():
    link = RecordingLink(LinkModel(8, delay_s=0.025, jitter_s=0.004, loss=0.2, duplicate=0.1))
    for number in range(500):
        link.transmit(b"first", number / 60)
    trace = link.trace()
    player = TraceLink(trace)
    again = RecordingLink(player)
    for number in range(500):
        again.transmit(b"another, longer message", number / 30)
    assert again.trace() == trace
    assert player.offered == 500


def test_a_trace_drawn_from_a_link_has_its_loss_rate_and_its_seed():
    trace = FateTrace.of(LinkModel(1, loss=0.05), 5000, interval_s=1 / 60, length=100)
    assert trace.loss_rate == pytest.approx(0.05, abs=0.012)
    assert trace == FateTrace.of(LinkModel(1, loss=0.05), 5000, interval_s=1 / 60, length=100)
    assert FateTrace(()).loss_rate == 0.0


def test_a_trace_starts_over_at_its_end():
    link = TraceLink(FateTrace(((1000,), ())))
    assert [link.transmit(b"x", 1.0) for _ in range(4)] == [[(1.001, b"x")], []] * 2


def test_an_empty_trace_cannot_be_played():
    with pytest.raises(ValueError, match="empty"):
        TraceLink(FateTrace(()))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "starts with"),
        ("netplay-fates 2\n5", "starts with"),
        ("netplay-fates 1\n5 x", "line 2: 'x'"),
        ("netplay-fates 1\n\n5*", r"line 3: '5\*'"),
        ("netplay-fates 1\n5*0", "beyond"),
        ("netplay-fates 1\n-5", "'-5'"),
        ("netplay-fates 1\n٣", "is not a fate"),
        ("netplay-fates 1\n5++6", "is not a fate"),
        ("netplay-fates 1\n" + "+".join(["1"] * 17), "beyond"),
        ("netplay-fates 1\n3600000001", "beyond"),
        ("netplay-fates 1\n1*9999999 1*9999999", "more than"),
        ("netplay-fates 1\n1*99999999999999999999", "is not a fate"),
    ],
)
def test_text_that_is_no_trace_is_refused_with_line_and_word(text, reason):
    with pytest.raises(ValueError, match=reason):
        FateTrace.from_text(text)
