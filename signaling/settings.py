"""What the HTTP API has to know about the server around it, and its limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from netcore.address import TrustedNetworks

BASE_PATH: Final = "/api/v1"
LINKS_PATH: Final = BASE_PATH + "/links"
"""Where links over long poll are opened and used."""


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Bounds on what one HTTP client may cost. Times in seconds, sizes in bytes."""

    body_bytes: int = 1_048_576
    header_bytes: int = 16_384
    header_count: int = 64
    header_deadline_s: float = 10.0
    """From the connection, or from a request's first byte, to the end of its headers."""
    idle_s: float = 60.0
    """A kept-alive connection without a request."""
    body_grace_s: float = 5.0
    body_bytes_per_s: float = 1024.0
    """After the grace a body has to have arrived at this rate."""
    write_stall_s: float = 30.0
    """How long a client may leave an answer unread."""
    connections: int = 4096
    """Links over WebSocket included."""
    connections_per_address: int = 256
    """Links over WebSocket included: a room of a hundred behind one address, each with a link and requests beside it.
    Not counted for trusted networks."""
    unproved_per_s: float = 10.0
    unproved_burst: float = 30.0
    """Requests whose credentials were not accepted lately, per IPv4 address or IPv6 /64."""
    stop_grace_s: float = 2.0
    """How long running requests may take when the server stops."""

    def __post_init__(self) -> None:
        """Raises `ValueError` for a limit that lets nothing through."""
        for name in self.__slots__:
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be above 0")


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """The composition root's knowledge that answers are made from."""

    version: str = "0"
    udp_port: int | None = None
    """Port that UDP links use, as clients reach it; None: no UDP."""
    tcp_port: int | None = None
    """Port that WebSocket links use, as clients reach it; None: the one that the request came in on."""
    websocket_path: str | None = "/link"
    """None: no WebSocket."""
    trusted_networks: tuple[str, ...] = ()
    """Addresses without rate and connection limits, such as `127.0.0.0/8` in development."""
    cors_origins: tuple[str, ...] = ("*",)
    """Origins whose pages may call the API; empty: none. Cookies are never used, so any may."""
    limits: HttpLimits = field(default_factory=HttpLimits)

    def __post_init__(self) -> None:
        """Raises `ValueError` for text that is no network."""
        TrustedNetworks(self.trusted_networks)
