"""Scenarios carry settings and bars; the command line turns verdicts into exit codes."""

import json

import pytest
from rich.console import Console

from bench import cli, registry, report
from bench.scenario import Bar, Measurement, Scenario


def scenario_with(limit: float, values=(1.0, 5.0, 2.0)) -> Scenario:
    def measure(settings):
        measurement = Measurement(details=dict(settings))
        for value in values:
            measurement.add("ratio", value * settings["factor"], "x")
        return measurement

    return Scenario(
        "toy", "a toy", "nothing", (Bar("ratio", limit, "toy"),), measure, {"runs": 3, "factor": 1.0}
    )


@pytest.fixture
def console():
    return Console(record=True, width=200)


def test_the_median_is_held_against_the_bar():
    scenario = scenario_with(limit=2.0)
    (verdict,) = scenario.verdicts(scenario.run())
    assert verdict.value == 2.0
    assert verdict.holds
    (strict,) = scenario_with(limit=1.99).verdicts(scenario.run())
    assert not strict.holds


def test_settings_are_overlaid_in_their_own_type_and_unknown_ones_refused():
    scenario = scenario_with(limit=2.0)
    assert scenario.run({"factor": "3"}).median("ratio") == 6.0
    with pytest.raises(ValueError, match="no setting 'speed'; it has: runs, factor"):
        scenario.run({"speed": "3"})


def test_a_report_survives_its_file_and_names_what_is_not_one(tmp_path):
    scenario = scenario_with(limit=2.0)
    path = tmp_path / "report.json"
    path.write_text(json.dumps(report.as_json(scenario, scenario.run())))
    loaded = report.load(path)
    assert loaded["metrics"]["ratio"] == {
        "unit": "x",
        "median": 2.0,
        "min": 1.0,
        "max": 5.0,
        "runs": [1.0, 5.0, 2.0],
    }
    assert loaded["bars"][0]["holds"] is True
    assert loaded["machine"]["python"]
    path.write_text("[]")
    with pytest.raises(ValueError, match="expected a bench report"):
        report.load(path)
    with pytest.raises(ValueError, match="expected a bench report"):
        report.load(tmp_path / "missing.json")


def test_check_exits_1_only_where_a_bar_falls_short(monkeypatch, console):
    for limit, code, word in ((2.0, 0, "holds"), (1.0, 1, "FALLS SHORT")):
        monkeypatch.setattr(registry, "load_scenario", lambda name, limit=limit: scenario_with(limit))
        assert cli.check(["toy"], console) == code
        assert f"toy.ratio = 2.000  bar <= {limit:g}  {word}" in console.export_text()


def test_run_writes_one_report_or_a_list(monkeypatch, console, tmp_path):
    monkeypatch.setattr(registry, "load_scenario", lambda name: scenario_with(2.0))
    assert cli.run(["toy"], tmp_path / "one.json", ["factor=2"], console) == 0
    assert json.loads((tmp_path / "one.json").read_text())["metrics"]["ratio"]["median"] == 4.0
    cli.run(["toy", "toy"], tmp_path / "two.json", [], console)
    assert len(json.loads((tmp_path / "two.json").read_text())) == 2
    with pytest.raises(ValueError, match="expected NAME=VALUE"):
        cli.run(["toy"], None, ["factor"], console)


def test_compare_prints_the_change_of_each_metric(console, tmp_path):
    for name, values in (("a", (1.0,)), ("b", (1.5,))):
        scenario = scenario_with(2.0, values)
        (tmp_path / name).write_text(json.dumps(report.as_json(scenario, scenario.run())))
    assert cli.compare(tmp_path / "a", tmp_path / "b", console) == 0
    assert "+50.0 %" in console.export_text()


def test_every_registered_scenario_loads_and_its_bars_are_ratios():
    for name in registry.NAMES:
        scenario = registry.load_scenario(name)
        assert scenario.name == name
        assert scenario.bars
        assert all("ratio" in bar.metric for bar in scenario.bars)
    with pytest.raises(ValueError, match="there are: codec"):
        registry.load_scenario("nonsense")
