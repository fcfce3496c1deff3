"""`netplay impair`: its options, and the command in front of a real server."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from netplay.impair import ImpairOptions, _models, parse_address
from simnet.link import LinkProfile
from simnet.presets import PRESETS, PathProfile
from tests.support.server_process import environment

ANY = "127.0.0.1:0"


def test_what_is_given_changes_the_preset_and_the_rest_of_it_stays() -> None:
    path = ImpairOptions(ANY, ANY, preset="phone", delay_ms=120, loss=0.5).path()
    assert (path.up.delay_s, path.up.loss) == (0.12, 0.5)
    assert path.up.jitter_s == PRESETS["phone"].up.jitter_s
    assert path.down.rate_bytes_per_s == PRESETS["phone"].down.rate_bytes_per_s


def test_without_options_the_link_is_perfect() -> None:
    path = ImpairOptions(ANY, ANY).path()
    assert path.up == path.down
    assert path.up.link(1).transmit(b"x", 5.0) == [(5.0, b"x")]


def test_a_rate_is_in_kilobits_and_brings_a_queue() -> None:
    up = ImpairOptions(ANY, ANY, rate_kbit_per_s=1000).path().up
    assert up.rate_bytes_per_s == 125_000
    assert up.queue_bytes == 31_250


@pytest.mark.parametrize("text", ["", "localhost", ":80", "host:", "host:70000", "host:-1"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no address"):
        parse_address(text)


def test_addresses_of_both_families_are_understood() -> None:
    assert parse_address("[::1]:80") == ("::1", 80)
    assert parse_address("example:7777") == ("example", 7777)


@pytest.fixture
def echo() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1", 0))
        made.settimeout(5)
        yield made


def impairing(directory: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "netplay", "impair", "--listen", ANY, *arguments],
        env=environment(directory),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_command_loses_what_it_should_and_tells_its_counters(echo: socket.socket, tmp_path: Path) -> None:
    target = f"127.0.0.1:{echo.getsockname()[1]}"
    process = impairing(tmp_path, "--to", target, "--loss", "0.5", "--seed", "3", "--json")
    assert process.stderr is not None
    ready = re.search(r"impairing 127\.0\.0\.1:(\d+) to", process.stderr.readline())
    assert ready
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        for number in range(100):
            client.sendto(bytes([number]), ("127.0.0.1", int(ready.group(1))))
        arrived = {echo.recv(10) for _ in range(20)}
    process.send_signal(signal.SIGINT)
    told, _ = process.communicate(timeout=10)
    counters = json.loads(told)
    assert len(arrived) == 20
    assert counters["udp"]["clients"] == 1
    assert counters["udp there"]["offered"] == 100
    assert 20 <= counters["udp there"]["lost"] <= 80
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--to", "nowhere"], "is no address"),
        (["--to", ANY, "--preset", "nonsense"], "unknown preset"),
        (["--to", ANY, "--loss", "2"], "loss must be within 0 and 1"),
        (["--to", ANY, "--protocol", "sctp"], "--protocol is 'sctp'"),
    ],
)
def test_bad_options_are_one_sentence(tmp_path: Path, arguments: list[str], reason: str) -> None:
    process = impairing(tmp_path, *arguments)
    told, complained = process.communicate(timeout=20)
    assert (process.returncode, told) == (2, "")
    assert reason in complained
    assert complained.count("\n") == 1


def test_each_way_has_its_own_link_and_its_own_chance() -> None:
    path = PRESETS["asymmetric"]
    there, back, other_client = (_models(path, 1)(number) for number in (0, 1, 2))
    assert (there.profile, back.profile, other_client.profile) == (path.up, path.down, path.up)
    lossy = PathProfile(LinkProfile(loss=0.5), LinkProfile(loss=0.5))

    def fate(seed: int, number: int) -> list[bool]:
        link = _models(lossy, seed)(number)
        return [bool(link.transmit(b"x", 0.0)) for _ in range(64)]

    assert fate(1, 0) == fate(1, 0)
    assert len({tuple(fate(seed, number)) for seed in (1, 2) for number in (0, 1, 2)}) == 6
