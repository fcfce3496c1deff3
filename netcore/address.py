"""Socket addresses: as bytes for cookies and reset tokens, as groups for rate limits, as trusted networks."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable
from typing import Any

Address = tuple[Any, ...]
"""(host, port) for IPv4, (host, port, flow, scope) for IPv6, as sockets give it. The host is numeric;
simulated networks may use any text."""

_IPV4_MAPPED = b"\0" * 10 + b"\xff\xff"


def pack_ip(host: str) -> bytes:
    """`host` as 16 bytes: IPv6, IPv4 mapped into IPv6; a name that is no IP address becomes its hash.

    The hash lets simulated hosts (`"client-1"`) take part; it starts with 0xfd, a private IPv6 prefix.
    """
    if ":" not in host:
        # inet_pton would be faster, but this module must not import sockets; the parse below takes 0.3 µs.
        parts = host.split(".")
        if len(parts) == 4:
            try:
                return _IPV4_MAPPED + bytes(map(int, parts))
            except ValueError:
                pass
    else:
        try:
            return ipaddress.IPv6Address(host.partition("%")[0]).packed
        except ValueError:
            pass
    return b"\xfd" + hashlib.sha256(host.encode("utf-8", "surrogatepass")).digest()[:15]


def pack_address(addr: Address) -> bytes:
    """`ip 16 | port u16`: equal for the IPv4 and the IPv4-mapped IPv6 form of one address (NCP-2-6)."""
    return pack_ip(addr[0]) + int(addr[1]).to_bytes(2, "big")


def rate_group(packed: bytes) -> bytes:
    """The part of a packed address that rate limits count by: an IPv4 /32 or an IPv6 /64."""
    if packed.startswith(_IPV4_MAPPED):
        return packed[12:16]
    return packed[:8]


class TrustedNetworks:
    """Networks whose unauthenticated work is not limited (loopback in development)."""

    __slots__ = ("_masks",)

    def __init__(self, networks: Iterable[str]) -> None:
        """Raises `ValueError` for text that is no network such as `127.0.0.0/8` or `::1/128`."""
        self._masks: list[tuple[int, int]] = []
        for text in networks:
            network = ipaddress.ip_network(text)
            base = int.from_bytes(pack_ip(str(network.network_address)), "big")
            ones = network.prefixlen + (96 if network.version == 4 else 0)
            self._masks.append((base, ((1 << ones) - 1) << (128 - ones)))

    def __contains__(self, packed: object) -> bool:
        """True where the packed address (16 or 18 bytes) lies in one of the networks."""
        if not self._masks or not isinstance(packed, bytes):
            return False
        ip = int.from_bytes(packed[:16], "big")
        return any(ip & mask == base for base, mask in self._masks)
