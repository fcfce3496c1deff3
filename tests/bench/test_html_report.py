"""The HTML page: complete in itself, safe against what a report contains, true to its verdicts."""

import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest
from typer.testing import CliRunner

from bench import cli, html_report, report
from bench.scenario import Bar, Measurement, Scenario
from netplay.cli import app

VOID = {"meta", "line", "rect", "circle", "polyline", "polygon", "!doctype"}


def made(limit=2.0, about="a toy", details=None, unit="x"):
    def measure(settings):
        measurement = Measurement(details=dict(settings) | (details or {}))
        for value in (1.0, 5.0, 2.0):
            measurement.add("ratio", value, unit)
            measurement.add("cost_us", value * 10, "us")
        return measurement

    scenario = Scenario("toy", about, "nothing", (Bar("ratio", limit, "toys"),), measure, {"runs": 3})
    return json.loads(json.dumps(report.as_json(scenario, scenario.run())))


class Balanced(HTMLParser):
    """Fails at the first tag that does not close where it should."""

    def __init__(self, text):
        super().__init__()
        self.open = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag


def test_the_page_is_well_formed_and_loads_nothing():
    page = html_report.page([made(), made(limit=1.0)])
    Balanced(page)
    assert "://" not in page
    assert not re.search(r"<script|<link|<img|@import|url\(", page)
    assert "default-src 'none'" in page
    for drawing in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        ET.fromstring(drawing)


def test_each_bar_is_shown_with_its_verdict_in_words():
    holds, short = html_report.page([made(2.0)]), html_report.page([made(1.9)])
    assert "holds" in holds
    assert "falls short" not in holds
    assert "falls short" in short
    assert "holds</span>" not in short


def test_every_metric_has_a_row_with_median_and_spread():
    page = html_report.page([made()])
    assert re.search(
        r"<td>cost_us</td><td class=\"n\">20</td><td class=\"n\">10</td><td class=\"n\">50</td>", page
    )
    assert page.count('<text class="label"') == 2


def test_text_from_a_report_stays_text():
    page = html_report.page(
        [made(about="<script>alert(1)</script>", details={"skipped": {"a<b": "x & y"}}, unit="<i>")]
    )
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "a&lt;b: x &amp; y" in page
    assert "<i>" not in page
    Balanced(page)


def test_metrics_of_a_plot_are_not_drawn_twice():
    plot = {"title": "By x", "x_label": "x", "y_label": "y", "x": [1], "series": {"s": ["cost_us"]}}
    page = html_report.page([made(details={"plots": [plot]})])
    assert page.count("<polyline") == 2  # the line and what leads to its name
    assert page.count('<text class="label"') == 1
    absent = plot | {"series": {"s": ["missing"]}}
    assert "By x" not in html_report.page([made(details={"plots": [absent]})])


def test_machine_and_settings_are_told():
    page = html_report.page([made()])
    assert "<dt>python</dt>" in page
    assert "runs=3" in page


def test_no_report_is_no_page():
    with pytest.raises(ValueError, match="at least one"):
        html_report.page([])


def test_several_files_and_lists_of_reports_become_one_page(tmp_path):
    (tmp_path / "one.json").write_text(json.dumps(made()))
    (tmp_path / "two.json").write_text(json.dumps([made(), made()]))
    out = tmp_path / "out.html"
    assert cli.html([tmp_path / "one.json", tmp_path / "two.json"], out) == 0
    assert out.read_text().count("<h2>toy</h2>") == 3
    with pytest.raises(ValueError, match="has 2"):
        report.load(tmp_path / "two.json")


def test_the_command_writes_the_page_and_refuses_what_is_no_report(tmp_path):
    (tmp_path / "one.json").write_text(json.dumps(made()))
    out = tmp_path / "out.html"
    answer = CliRunner().invoke(app, ["bench", "html", str(tmp_path / "one.json"), "-o", str(out)])
    assert answer.exit_code == 0
    assert out.read_text().startswith("<!doctype html>")
    (tmp_path / "bad.json").write_text("{}")
    answer = CliRunner().invoke(app, ["bench", "html", str(tmp_path / "bad.json"), "-o", str(out)])
    assert answer.exit_code == 2
