"""Plots: values land where they belong, in well-formed SVG, and labels never lie on each other."""

import itertools
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import svg

POSITIVE = st.floats(1e-6, 1e9)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (1, "1"),
        (0.86484, "0.865"),
        (0.000123456, "0.000123"),
        (12.345, "12.3"),
        (1234.5, "1,234"),
        (99_000_000.0, "99,000,000"),
        (-2.5, "-2.5"),
    ],
)
def test_figures_have_three_digits_and_no_exponent(value, text):
    assert svg.figure(value) == text


@given(st.lists(POSITIVE, min_size=1, max_size=20))
def test_every_value_lies_on_its_axis_in_order(values):
    axis = svg.Axis(values, 100, 700)
    places = [axis(value) for value in sorted(values)]
    assert places == sorted(places)
    assert places[0] >= 100 - 1e-6
    assert places[-1] <= 700 + 1e-6
    assert 1 <= len(axis.ticks) <= 17  # powers of ten from 1e-6 to 1e10
    assert all(100 - 1e-6 <= axis(tick) <= 700 + 1e-6 for tick in axis.ticks)


def test_an_axis_begins_at_zero_unless_the_values_are_far_apart():
    near, far = svg.Axis([3, 9], 0, 100), svg.Axis([3, 90], 0, 100)
    assert not near.is_log
    assert near(0) == 0
    assert near.ticks == [0, 2, 4, 6, 8, 10]
    assert far.is_log
    assert far.ticks == [2, 5, 10, 20, 50, 100]
    assert far(10 * 2) - far(2) == pytest.approx(far(100) - far(10))


def test_an_axis_without_a_value_is_refused_and_one_of_zeros_is_not():
    with pytest.raises(ValueError, match="without values"):
        svg.Axis([], 0, 1)
    assert svg.Axis([0.0], 0, 100)(0.0) == 0


def metric(*runs: float, unit: str = "us") -> dict:
    return {
        "unit": unit,
        "median": sorted(runs)[len(runs) // 2],
        "min": min(runs),
        "max": max(runs),
        "runs": runs,
    }


def test_a_gauge_shows_where_the_limit_is_and_whether_it_holds():
    good, bad = ET.fromstring(svg.gauge(0.4, 0.5, True)), ET.fromstring(svg.gauge(4.0, 0.5, False))
    (limit,) = good.iterfind("line")
    (filled,) = [rect for rect in good.iterfind("rect") if rect.get("class") == "good"]
    assert float(filled.get("width")) < float(limit.get("x1"))
    (limit,) = bad.iterfind("line")
    (filled,) = [rect for rect in bad.iterfind("rect") if rect.get("class") == "bad"]
    assert float(filled.get("width")) > float(limit.get("x1"))


def test_strips_have_a_row_for_each_metric_and_a_dot_for_each_run():
    drawn = ET.fromstring(svg.strips({"one<b>": metric(1, 2, 3), "two": metric(5), "none": metric(0.0, 0.0)}))
    rows = drawn.findall("g")
    assert [len(row.findall("circle")) for row in rows] == [3, 1, 2]
    assert rows[0].find("title").text == "one<b>: median 2, 1 to 3 us"


def test_lines_join_the_medians_of_complete_series_only():
    plot = {
        "title": "t",
        "x_label": "x",
        "y_label": "y",
        "x": [2, 8],
        "series": {"a": ["a2", "a8"], "b": ["b2", "b8"], "gone": ["c2", "c8"]},
    }
    metrics = {"a2": metric(1, 2, 3), "a8": metric(9), "b2": metric(2), "b8": metric(4), "c2": metric(7)}
    drawn = ET.fromstring(svg.lines(plot, metrics))
    series = drawn.findall("g")
    assert [each.find("text").text for each in series] == ["a", "b"]
    points = [point.split(",") for point in series[0].find("polyline").get("points").split()]
    assert len(points) == 2
    assert float(points[0][1]) > float(points[1][1])  # 9 stands above 2


@given(st.lists(st.floats(0, 300), max_size=8))
def test_labels_at_the_ends_of_lines_never_overlap(wanted):
    placed = svg._spread_out(wanted)
    in_order = sorted(placed)
    assert all(b - a >= 15 - 1e-6 for a, b in itertools.pairwise(in_order))
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    assert [placed[index] for index in order] == in_order
