"""The banner: everything needed to connect, each piece whole, whatever the terminal."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

from rich.console import Console

from netplay.banner import BannerFacts, base_url, qr_code, show

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


LAN = dataclasses.replace(
    FACTS,
    host="192.0.2.7",
    metrics_port=7003,
    fingerprint="ab" * 32,
    certificate_file=Path("/somewhere/certificate.pem"),
    qr_code=True,
)


def test_a_lan_server_shows_its_certificate_and_a_call_that_pins_it() -> None:
    text = "\n".join(printed(LAN))
    assert "https://192.0.2.7:7001" in text
    assert "http://192.0.2.7" not in text
    assert f'certificate_sha256="{"ab" * 32}"' in text
    assert "/somewhere/certificate.pem" in text
    assert "http://127.0.0.1:7003/metrics" in text


def test_the_qr_code_holds_the_address_and_not_the_key() -> None:
    drawn = qr_code("https://192.0.2.7:7001")
    assert drawn in "\n".join(printed(LAN)) + "\n"
    assert len(drawn.splitlines()[0]) <= 40  # a key in it would need many more modules


def test_a_terminal_that_has_no_block_characters_gets_no_qr_code() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    show(LAN, Console(file=stream, width=80, force_terminal=False))
    stream.flush()
    told = stream.buffer.getvalue().decode("ascii")  # type: ignore[attr-defined]
    assert "https://192.0.2.7:7001" in told
