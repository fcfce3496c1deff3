"""The addresses of this machine: which to bind one by one, and which to tell others."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from typing import Final

import psutil

MOST: Final = 32
"""Addresses beyond so many are left out: a machine full of virtual bridges needs no socket on each."""
_ELSEWHERE: Final = (("192.0.2.1", socket.AF_INET), ("2001:db8::1", socket.AF_INET6))
"""Documentation addresses (RFC 5737, RFC 3849). Connecting a UDP socket to one sends nothing."""


def local_addresses(*, ipv4: bool = True, ipv6: bool = True) -> list[str]:
    """Every address of every interface that is up, loopback last.

    Without the link-local ones of IPv6, which nobody can write into a URL.
    """
    wanted = {socket.AF_INET} if ipv4 else set()
    wanted |= {socket.AF_INET6} if ipv6 and socket.has_ipv6 else set()
    try:
        states = psutil.net_if_stats()
    except OSError:  # A sandbox may hide /proc/net; then all interfaces count as up.
        states = {}
    found = [
        entry.address
        for name, entries in psutil.net_if_addrs().items()
        if name not in states or states[name].isup
        for entry in entries
        if entry.family in wanted
    ]
    return sorted(dict.fromkeys(text for text in found if "%" not in text), key=_rank)[:MOST]


def reachable_address() -> str | None:
    """The address that others on the network most likely reach this machine by; None where there is none."""
    for address, family in _ELSEWHERE:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((address, 9))
                found = str(probe.getsockname()[0])
        except OSError:
            continue
        if not ip_address(found).is_loopback:
            return found
    return next((text for text in local_addresses() if not ip_address(text).is_loopback), None)


def _rank(text: str) -> tuple[bool, bool, int]:
    address = ip_address(text)
    return address.is_loopback, address.is_link_local, address.version
