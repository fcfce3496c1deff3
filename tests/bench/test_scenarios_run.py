"""Every scenario runs, with settings so small that only its working is proved, not its figures."""

import pytest

from bench import html_report, registry, report
from tests.support.requirements import present

TINY = {
    "codec": {"runs": 1, "messages": 200},
    "handshake": {"runs": 1, "handshakes": 5},
    "udp_echo": {"runs": 1, "round_trips": 50},
    "relay": {"runs": 1, "room": 4, "seconds": 0.3},
    "fanout": {"runs": 1, "rooms": "3", "rates_hz": "30", "seconds": 0.2},
    "idle": {"runs": 1, "connections": 40, "cycles": 80},
    "loss": {"seeds": 1, "messages": 120, "redundancy": "0,1"},
}


def test_no_scenario_is_forgotten_here():
    assert set(TINY) == set(registry.NAMES)


@pytest.mark.needs("aioquic")
@pytest.mark.parametrize("name", registry.NAMES)
def test_a_scenario_measures_all_that_its_bars_need(name):
    scenario = registry.load_scenario(name)
    measurement = scenario.run(TINY[name])
    for verdict in scenario.verdicts(measurement):
        assert verdict.value > 0
    made = report.as_json(scenario, measurement)
    assert html_report.page([made]).count("<svg") >= len(scenario.bars) + 1
    if name == "fanout":
        enet = present("enet")
        assert ("enet" in measurement.details["skipped"]) != enet
        assert ("room_3_enet_us" in measurement.runs) == enet
        for contender in ("netplay_udp", "netplay_websocket", "aioquic", "websockets"):
            assert measurement.median(f"room_3_{contender}_share") > 0.9
    if name == "idle":
        assert 1_000 < measurement.median("netcore_bytes") < 100_000
