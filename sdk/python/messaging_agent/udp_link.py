"""Opening a link over UDP: the protocol's client endpoint on a socket of the running loop."""

from __future__ import annotations
