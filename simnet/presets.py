"""Named paths, from a LAN to a bad phone network: the conditions game transports are tried under."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from simnet.link import LinkModel, LinkProfile
from simnet.loss import GilbertElliott


@dataclass(frozen=True, slots=True)
class PathProfile:
    """Both directions of a path: `up` from client to server, `down` back."""

    up: LinkProfile
    down: LinkProfile

    def links(self, seed: int) -> tuple[LinkModel, LinkModel]:
        """The links up and down, with independent randomness."""
        return self.up.link(2 * seed), self.down.link(2 * seed + 1)


def _same(**parameters: float | int | GilbertElliott | None) -> PathProfile:
    profile = LinkProfile(**parameters)  # type: ignore[arg-type]
    return PathProfile(profile, profile)


_MBIT = 125_000.0
"""Bytes a second."""

PRESETS: Mapping[str, PathProfile] = MappingProxyType(
    {
        "perfect": _same(delay_s=0.001),
        "lan": _same(delay_s=0.0005, jitter_s=0.0005),
        "good": _same(delay_s=0.012, jitter_s=0.003, loss=0.001),
        "home": _same(delay_s=0.040, jitter_s=0.010, loss=0.005),
        "far": _same(delay_s=0.100, jitter_s=0.025, loss=0.02),
        "very-far": _same(delay_s=0.200, jitter_s=0.050, loss=0.04),
        "awful": _same(delay_s=0.300, jitter_s=0.075, loss=0.06),
        "loss-1": _same(delay_s=0.025, jitter_s=0.004, loss=0.01),
        "loss-2": _same(delay_s=0.025, jitter_s=0.004, loss=0.02),
        "loss-5": _same(delay_s=0.025, jitter_s=0.004, loss=0.05),
        "hostile": _same(delay_s=0.150, jitter_s=0.200, loss=0.25, duplicate=0.25),
        "bursts": _same(delay_s=0.025, jitter_s=0.004, loss=GilbertElliott(p=0.01, r=0.25, h=0.5)),
        "phone": PathProfile(
            LinkProfile(
                delay_s=0.035,
                jitter_s=0.040,
                loss=GilbertElliott(p=0.005, r=0.2, h=0.3),
                rate_bytes_per_s=4 * _MBIT,
                queue_bytes=256_000,
            ),
            LinkProfile(
                delay_s=0.035,
                jitter_s=0.025,
                loss=GilbertElliott(p=0.005, r=0.2, h=0.3),
                rate_bytes_per_s=20 * _MBIT,
                queue_bytes=512_000,
            ),
        ),
        "narrow": _same(delay_s=0.025, rate_bytes_per_s=_MBIT, queue_bytes=64_000),
        "narrow-bloated": _same(delay_s=0.025, rate_bytes_per_s=_MBIT, queue_bytes=1_000_000),
        "asymmetric": PathProfile(
            LinkProfile(delay_s=0.020, rate_bytes_per_s=_MBIT, queue_bytes=64_000),
            LinkProfile(delay_s=0.020, rate_bytes_per_s=10 * _MBIT, queue_bytes=256_000),
        ),
        "duplicates": _same(delay_s=0.025, jitter_s=0.004, duplicate=1.0),
        "reorder": _same(delay_s=0.025, jitter_s=0.004, reorder=0.30),
        "corrupt": _same(delay_s=0.025, jitter_s=0.004, corrupt=0.05),
        "small-mtu": _same(delay_s=0.025, mtu=1200),
    }
)


def preset(name: str) -> PathProfile:
    """The path called `name`. Raises `ValueError` naming all of them for an unknown one."""
    try:
        return PRESETS[name]
    except KeyError:
        raise ValueError(f"unknown preset {name!r}; there are: {', '.join(sorted(PRESETS))}") from None
