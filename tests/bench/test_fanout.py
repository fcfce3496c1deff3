"""fanout: who is compared with whom, and what happens where a rival is not installed."""

import pytest

pytest.importorskip("aioquic")
from bench.fleet import Tally, stamped
from bench.scenarios import fanout


def test_a_missing_rival_is_skipped_with_its_reason():
    ghost = fanout.Contender("enet", "no_such_package.relay:serve", "no_such_package.relay:Fleet")
    others = tuple(each for each in fanout.CONTENDERS if each.name in ("netplay_udp", "aioquic"))
    found, skipped = fanout.available((*others, ghost))
    assert [each.name for each in found] == ["netplay_udp", "aioquic"]
    assert skipped == {"enet": "no_such_package is not installed"}


def test_without_any_rival_there_is_nothing_to_measure():
    ours = tuple(each for each in fanout.CONTENDERS if each.name == "netplay_udp")
    with pytest.raises(ValueError, match="nobody to compare with"):
        fanout.available(ours)


def test_ours_is_held_against_the_cheapest_rival_and_never_against_ourselves():
    costs = {"netplay_udp": 6.0, "netplay_websocket": 1.0, "enet": 2.0, "enet_sealed": 4.0, "aioquic": 12.0}
    assert fanout.against(fanout.RIVALS, costs) == 3.0
    assert fanout.against(fanout.ENCRYPTING, costs) == 1.5
    del costs["enet"], costs["enet_sealed"]
    assert fanout.against(fanout.RIVALS, costs) == 0.5


def test_each_room_needs_its_rate():
    with pytest.raises(ValueError, match="one rate for each room"):
        fanout.SCENARIO.run({"rooms": "2,8", "rates_hz": "60"})


def test_messages_carry_the_time_they_were_meant_to_leave_at(monkeypatch):
    tally = Tally()
    message = stamped(10.5, 100)
    assert len(message) == 100
    monkeypatch.setattr("bench.fleet.time.perf_counter", lambda: 12.0)
    tally.arrived(message)
    assert tally.delivered == 1
    assert tally.ages_s == [pytest.approx(1.5)]
    tally.reset()
    assert (tally.delivered, tally.ages_s) == (0, [])


def test_every_plot_names_metrics_of_every_contender():
    plots = fanout._plots(list(fanout.CONTENDERS), [2, 8])
    assert plots[0]["series"]["enet"] == ["room_2_enet_us", "room_8_enet_us"]
    assert all(len(plot["series"]) == len(fanout.CONTENDERS) for plot in plots)
