"""The banner: everything needed to connect, each piece whole, whatever the terminal."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

from rich.console import Console

from netplay.banner import BannerFacts, base_url, show

KEY = "npk_0123456789ab_" + "x" * 43
FACTS = BannerFacts(
    version="1.2.3",
    mode="development",
    host="127.0.0.1",
    http_port=7001,
    udp_port=7002,
    development_key=KEY,
    key_file=Path("/somewhere/development-key"),
    games=("air-hockey",),
)


def printed(facts: BannerFacts, width: int = 80) -> list[str]:
    stream = io.StringIO()
    show(facts, Console(file=stream, width=width, force_terminal=False))
    return stream.getvalue().splitlines()


def test_addresses_key_and_how_to_connect_are_told() -> None:
    text = "\n".join(printed(FACTS))
    for piece in (
        "1.2.3",
        "http://127.0.0.1:7001",
        "127.0.0.1:7002",
        "http://127.0.0.1:7001/docs",
        "air-hockey",
    ):
        assert piece in text
    assert f'connect("http://127.0.0.1:7001", "{KEY}"' in text


def test_nothing_is_cut_on_a_narrow_terminal() -> None:
    assert printed(FACTS, width=20) == printed(FACTS, width=200)
    assert any(line.endswith(KEY) for line in printed(FACTS, width=20))


def test_production_shows_no_key_and_how_to_use_ones_own() -> None:
    text = "\n".join(
        printed(dataclasses.replace(FACTS, mode="production", development_key=None, key_file=None))
    )
    assert "npk_" not in text
    assert "<your key>" in text


def test_an_address_that_stands_for_all_is_shown_as_one_that_can_be_used() -> None:
    assert base_url("0.0.0.0", 1) == "http://127.0.0.1:1"
    assert base_url("::", 1) == "http://[::1]:1"
    assert base_url("fd00::1", 1) == "http://[fd00::1]:1"
