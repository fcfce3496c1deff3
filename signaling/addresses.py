"""Who asks: the remote address of a request, and whether what it is told stays private."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import Final

from starlette.datastructures import Headers
from starlette.types import Scope

_PROXY_HEADERS: Final = ("forwarded", "x-forwarded-for", "x-real-ip")


def remote_address(scope: Scope) -> str:
    """The peer's IP address as text; empty where there is none (a Unix socket)."""
    client = scope.get("client")
    return str(client[0]) if client else ""


@lru_cache(maxsize=4096)
def is_loopback(address: str) -> bool:
    """True for this machine's own addresses, IPv4 mapped into IPv6 included."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return bool((mapped or parsed).is_loopback)


def keeps_secrets(scope: Scope) -> bool:
    """True where nobody in between reads the answer: TLS, or a client on this machine itself.

    A request that came through a proxy counts as remote, however near the proxy is.
    """
    if scope.get("scheme") == "https":
        return True
    headers = Headers(scope=scope)
    if any(name in headers for name in _PROXY_HEADERS):
        return False
    return is_loopback(remote_address(scope))
