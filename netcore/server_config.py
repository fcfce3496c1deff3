"""What a server endpoint can be told: policies and limits of everything before a connection."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from netcore.address import TrustedNetworks
from netcore.config import ConnectionConfig


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """Defaults are those of docs/protocol/ncp.md, section 14; all may be set lower."""

    connection: ConnectionConfig = field(default_factory=ConnectionConfig)
    """For every connection of this endpoint."""
    retry: Literal["auto", "always"] = "auto"
    """`always`: every HELLO needs a cookie. `auto`: only above the limits below."""
    worker: int = 0
    """u8, the first byte of every connection id."""
    reset_key: bytes | None = field(default=None, repr=False)
    """32 bytes that survive a restart, so that a restarted server can say so at once. None: random, which
    leaves the clients of a killed server to their idle timeout."""
    half_open_cap: int = 4096
    half_open_s: float = 5.0
    """How long a handshake waits for the client's first DATA."""
    retry_above_half_open: int = 256
    hellos_per_s: float = 2000.0
    """HELLOs without a valid cookie that are looked at, in all."""
    address_hellos_per_s: float = 20.0
    """The same for one IPv4 address or IPv6 /64."""
    address_hello_burst: float = 5.0
    address_resets_per_s: float = 10.0
    """RESETs sent to one IPv4 address or IPv6 /64."""
    trusted_networks: tuple[str, ...] = ()
    """Networks free of the limits per address, such as `127.0.0.0/8` in development."""

    def __post_init__(self) -> None:
        """Raises `ValueError` naming the value and its limit."""
        if self.retry not in ("auto", "always"):
            raise ValueError(f"retry is {self.retry!r}; it must be 'auto' or 'always'")
        if not 0 <= self.worker <= 255:
            raise ValueError(f"worker is {self.worker}; it must be 0 to 255")
        if self.reset_key is not None and len(self.reset_key) != 32:
            raise ValueError(f"reset_key has {len(self.reset_key)} bytes; it must have 32")
        if not 1 <= self.half_open_cap <= 65_536:
            raise ValueError(f"half_open_cap is {self.half_open_cap}; it must be 1 to 65536")
        for name in ("half_open_s", "hellos_per_s", "address_hellos_per_s", "address_resets_per_s"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be above 0")
        TrustedNetworks(self.trusted_networks)
