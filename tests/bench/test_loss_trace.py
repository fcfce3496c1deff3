"""Loss traces are pinned: figures of different days must speak of the same losses."""

from bench.loss_trace import LossTrace, trace_pair

DIGESTS = [
    "0ff42c6faf44efb7",
    "5b2a9a6d8ecf8197",
    "03178c9e0efbb986",
    "c7e61150cf602a69",
    "a201c8d06192dd4a",
    "a2ae7f3e28b0caf1",
]


def test_the_traces_of_the_loss_scenario_are_the_committed_ones():
    digests = [trace.digest() for loss in (0.01, 0.02, 0.05) for trace in trace_pair(0, loss, 25)]
    assert digests == DIGESTS


def test_a_packet_meets_the_fate_of_its_millisecond():
    trace = LossTrace(lost=b"\x00\x01\x00", delay_s=(0.01, 0.02, 0.03))
    assert trace.arrival(0.0) == 0.01
    assert trace.arrival(0.0015) is None
    assert trace.arrival(0.002 - 1e-9) == 0.002 - 1e-9 + 0.03  # a nanosecond short of the full millisecond
    assert trace.transmit(b"x", 0.001) == []
    assert trace.transmit(b"x", 0.0025) == [(0.0025 + 0.03, b"x")]


def test_nothing_is_lost_beyond_the_end_of_a_trace():
    trace = LossTrace(lost=b"\x01", delay_s=(0.01,))
    assert trace.arrival(5.0) == 5.01


def test_the_loss_rate_is_the_one_asked_for():
    trace = LossTrace.draw("x", 0.05, 100, 0.025, 0.004)
    assert 0.045 < sum(trace.lost) / len(trace.lost) < 0.055
    assert all(0.025 <= delay < 0.029 for delay in trace.delay_s)
