from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netcore.address import TrustedNetworks, pack_address, pack_ip, rate_group


@given(st.ip_addresses(v=4), st.integers(0, 65535))
# NCP-2-6
def test_ipv4_packs_like_its_mapped_ipv6_form(ip: ipaddress.IPv4Address, port: int) -> None:
    packed = pack_address((str(ip), port))
    assert packed == ipaddress.IPv6Address(f"::ffff:{ip}").packed + port.to_bytes(2, "big")
    assert packed == pack_address((f"::ffff:{ip}", port, 0, 0))
    assert rate_group(packed) == ip.packed


@given(st.ip_addresses(v=6))
def test_ipv6_packs_as_it_is_and_counts_by_its_64(ip: ipaddress.IPv6Address) -> None:
    packed = pack_address((str(ip), 9, 0, 0))
    assert packed == ip.packed + b"\0\x09"
    if ip.ipv4_mapped is None:
        assert rate_group(packed) == ip.packed[:8]


# NCP-2-6
def test_a_scope_does_not_matter() -> None:
    assert pack_ip("fe80::1%eth0") == pack_ip("fe80::1")


@given(st.text(max_size=40))
def test_a_simulated_host_packs_too(name: str) -> None:
    assert len(pack_ip(name)) == 16
    assert pack_ip("client-" + name) != pack_ip("server-" + name)


def test_trusted_networks_hold_both_families() -> None:
    trusted = TrustedNetworks(["127.0.0.0/8", "::1/128", "2001:db8::/32"])
    for host in ("127.0.0.1", "127.255.255.255", "::ffff:127.0.0.1", "::1", "2001:db8:5::1"):
        assert pack_address((host, 1)) in trusted
    for host in ("128.0.0.1", "126.255.255.255", "::2", "2001:db9::1", "client-1"):
        assert pack_address((host, 1)) not in trusted
    assert pack_address(("127.0.0.1", 1)) not in TrustedNetworks([])


def test_a_network_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="127"):
        TrustedNetworks(["127.0.0.1/8"])
