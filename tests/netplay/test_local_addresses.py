"""This machine's addresses, loopback always among them."""

from __future__ import annotations

import socket
from ipaddress import ip_address

import pytest

from netplay.local_addresses import MOST, local_addresses, reachable_address


def test_loopback_is_among_them_and_comes_after_addresses_that_others_reach() -> None:
    found = local_addresses()
    assert "127.0.0.1" in found
    loopback = [ip_address(text).is_loopback for text in found]
    assert loopback == sorted(loopback)
    assert len(found) == len(set(found)) <= MOST


def test_a_family_can_be_left_out() -> None:
    assert all(":" not in text for text in local_addresses(ipv6=False))
    assert all(":" in text for text in local_addresses(ipv4=False))


def test_each_of_them_can_be_bound() -> None:
    for text in local_addresses():
        family = socket.AF_INET6 if ":" in text else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((text, 0))


def test_the_reachable_one_is_not_loopback() -> None:
    found = reachable_address()
    if found is None:
        pytest.skip("this machine has loopback only")
    assert not ip_address(found).is_loopback
    assert found in local_addresses()
