"""A served process: what it prints, when it is ready, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.support.documented import free_ports
from tests.support.server_process import ServerProcess, environment, serving


def get(url: str) -> tuple[int, bytes]:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.status, answer.read()


def post_session(url: str, key: str) -> int:
    """The status of a connect that has a key and nothing else."""
    body = {"channel_name": "room", "proof": "A" * 43, "scope": "private", "agent_name": "\n"}
    request = urllib.request.Request(
        f"{url}/api/v1/sessions",
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_a_started_server_answers_shows_its_key_and_ends_cleanly(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        assert get(f"{server.url}/health")[0] == 200
        assert get(f"{server.url}/ready")[0] == 200
        banner = "\n".join(server.printed)
        key_file = tmp_path / "state" / "netplay" / "development-key"
        assert key_file.read_text().strip() in banner
        assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
        assert f"{server.url}/docs" in banner
        assert server.stop(signal.SIGTERM) == 0
    events = [json.loads(line)["event"] for line in server.logged]
    assert events[-1] == "stopped"
    assert "serving" in events


def test_the_key_is_never_logged(tmp_path: Path) -> None:
    with serving(tmp_path, "--log-level", "debug") as server:
        get(f"{server.url}/")
        assert server.stop(signal.SIGINT) == 0
    key = (tmp_path / "state" / "netplay" / "development-key").read_text().strip()
    assert key not in "\n".join(server.logged)


def test_tcp_and_udp_share_one_number(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        port = server.url.rsplit(":", 1)[1]
        assert f"127.0.0.1:{port}" in "\n".join(line for line in server.printed if line.startswith("UDP"))
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe,
            pytest.raises(OSError, match="in use"),
        ):
            probe.bind(("127.0.0.1", int(port)))


def test_a_port_in_use_is_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        told = subprocess.run(
            [sys.executable, "-m", "netplay", "serve", "--port", str(port)],
            cwd=tmp_path,
            env=environment(tmp_path),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert told.returncode == 1
    assert told.stdout == ""
    last = told.stderr.splitlines()[-1]
    assert last.startswith(f"netplay: cannot serve on 127.0.0.1, port {port}")
    assert "in use" in last
    assert "Traceback" not in told.stderr


def test_a_misspelt_variable_is_logged_at_the_start(tmp_path: Path) -> None:
    with serving(tmp_path, NETPLAY_PROT="1") as server:
        assert server.stop() == 0
    warning = next(json.loads(line) for line in server.logged if "unknown_environment" in line)
    assert warning["variable"] == "NETPLAY_PROT"


def test_a_second_signal_ends_the_process_at_once(tmp_path: Path) -> None:
    """However long stopping takes, the second signal does not wait for it."""
    script = (
        "import asyncio, os, signal, sys\n"
        "from netplay import serve\n"
        "async def run():\n"
        "    stop = asyncio.Event(); serve._on_stop_signals(stop.set)\n"
        "    print('ready', flush=True); await stop.wait()\n"
        "    print('asked', flush=True); await asyncio.sleep(60)\n"
        "asyncio.run(run())\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "asked\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 128 + signal.SIGTERM


def test_production_serves_with_a_configured_key_and_shows_none(tmp_path: Path) -> None:
    made = subprocess.run(
        [sys.executable, "-m", "netplay", "keys", "new", "bob", "--print"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    (tmp_path / "netplay.toml").write_text('mode = "production"\n' + made[made.index("[[keys]]") :])
    with serving(tmp_path) as server:
        assert "npk_" not in "\n".join(server.printed)
        assert server.stop() == 0
    assert not os.path.exists(tmp_path / "state" / "netplay" / "development-key")


def metrics_url(server: ServerProcess) -> str:
    line = next(line for line in server.printed if line.startswith("metrics"))
    return line.split()[-1]


def test_metrics_are_on_loopback_at_the_next_number_and_count_what_happens(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        url = metrics_url(server)
        assert url == f"http://127.0.0.1:{int(server.url.rsplit(':', 1)[1]) + 1}/metrics"
        get(f"{server.url}/health")
        status, body = get(url)
        assert status == 200
        assert b'netplay_http_requests_total{answer="get_2xx"} 1.0' in body
        for name in (b"hub_sessions", b"udp_hellos_total", b"websocket_links", b"games_ticks_total"):
            assert b"\nnetplay_" + name + b" 0.0\n" in body
        assert b"netplay_loop_lag_seconds_count" in body
        assert server.stop() == 0


def test_metrics_can_be_switched_off(tmp_path: Path) -> None:
    with serving(tmp_path, "--metrics-port", "off") as server:
        assert not any(line.startswith("metrics") for line in server.printed)
        assert server.stop() == 0


def test_a_taken_metrics_port_keeps_the_server_from_starting_only_where_it_was_asked_for(
    tmp_path: Path,
) -> None:
    port = free_ports() + 1
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        told = subprocess.run(
            [sys.executable, "-m", "netplay", "serve", "--port", "0", "--metrics-port", str(port)],
            cwd=tmp_path,
            env=environment(tmp_path / "state"),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert told.returncode == 1
        assert "in use" in told.stderr
        with serving(tmp_path, "--port", str(port - 1)) as server:
            assert get(f"{server.url}/health")[0] == 200
            assert server.stop() == 0
        warning = next(json.loads(line) for line in server.logged if "no_metrics" in line)
        assert warning["port"] == port


def test_a_hangup_signal_takes_new_keys_into_service(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        made = subprocess.run(
            [sys.executable, "-m", "netplay", "keys", "new", "bob"],
            env=server.environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        key = next(line for line in made.splitlines() if line.startswith("npk_"))
        assert post_session(server.url, key) == 401
        server.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 5
        while post_session(server.url, key) == 401 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert post_session(server.url, key) == 400  # accepted: now it is the body that is wrong
        assert server.stop() == 0
    assert any(json.loads(line)["event"] == "reloaded" for line in server.logged)
