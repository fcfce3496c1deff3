"""The compose file: what it starts is our image, with the ports, the limits and the grace that the server needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from netplay import __version__
from netplay.config import Config, environment_name
from netplay.serve import STOP_MARGIN_S

ROOT = Path(__file__).resolve().parent.parent.parent
FILE = ROOT / "deploy" / "compose.yaml"
COMPOSE: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
SERVICE = COMPOSE["services"]["netplay"]

SERVICE_KEYS = {
    *("build", "cap_drop", "environment", "image", "logging", "mem_limit", "pids_limit", "ports"),
    *("read_only", "restart", "security_opt", "stop_grace_period", "tmpfs", "ulimits", "volumes"),
}


def test_it_has_only_keys_that_compose_knows() -> None:
    assert set(COMPOSE) <= {"name", "services", "volumes"}
    assert set(SERVICE) <= SERVICE_KEYS


def test_it_builds_our_image_under_our_version() -> None:
    context = (FILE.parent / SERVICE["build"]["context"]).resolve()
    assert context == ROOT
    assert (context / SERVICE["build"]["dockerfile"]).is_file()
    assert SERVICE["image"] == f"netplay:{__version__}"


def test_the_port_is_open_for_tcp_and_udp_and_metrics_for_this_machine_only() -> None:
    ports = SERVICE["ports"]
    assert {"7777:7777/tcp", "7777:7777/udp"} <= set(ports)
    assert [port for port in ports if "7778" in port] == ["127.0.0.1:7778:7778/tcp"]


def test_environment_variables_mean_something_and_hold_no_secret() -> None:
    known = {environment_name(name) for name in Config.model_fields}
    assert set(SERVICE["environment"]) <= known
    assert SERVICE["environment"]["NETPLAY_MODE"] == "production"
    assert "npk_" not in FILE.read_text()


def test_the_container_can_do_little_and_writes_to_its_volume_only() -> None:
    assert SERVICE["read_only"] is True
    assert SERVICE["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in SERVICE["security_opt"]
    assert SERVICE["mem_limit"]
    assert SERVICE["pids_limit"]
    assert [volume.split(":") for volume in SERVICE["volumes"]] == [["state", "/var/lib/netplay"]]
    assert set(COMPOSE["volumes"]) == {"state"}


def test_the_server_may_finish_before_it_is_killed() -> None:
    grace_s = float(SERVICE["stop_grace_period"].removesuffix("s"))
    assert grace_s > Config.model_fields["shutdown_s"].default + STOP_MARGIN_S


def test_logs_are_held_to_a_size() -> None:
    assert {"max-size", "max-file"} <= set(SERVICE["logging"]["options"])
