"""The hub's configuration refuses what cannot work, with the value in the sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.config import HubConfig

LIMITS = (Path(__file__).resolve().parents[2] / "docs" / "protocol" / "limits.md").read_text(encoding="utf-8")


def test_the_defaults_are_valid():
    HubConfig()


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"agents_per_channel": 0}, "agents_per_channel is 0"),
        ({"agents_per_channel": 10_001}, "agents_per_channel is 10001"),
        ({"relay_tick_s": -0.1}, "relay_tick_s is -0.1"),
        ({"relay_tick_s": float("nan")}, "relay_tick_s is nan"),
        ({"ack_delay_s": 0.26}, "ack_delay_s is 0.26"),
        ({"outbox_messages": 0}, "outbox_messages is 0"),
        ({"max_message_bytes": 262_145}, "max_message_bytes is 262145"),
        ({"leave_after_s": 121.0}, "leave_after_s"),
        ({"channel_secret": b"short"}, "channel_secret has 5 bytes"),
        ({"transports": ()}, "transports is empty"),
        ({"trusted_networks": ("localhost",)}, "localhost"),
    ],
)
def test_bad_values_are_refused(fields, sentence):
    with pytest.raises(ValueError, match=sentence):
        HubConfig(**fields)


def test_one_agents_burst_fits_twice_into_an_outbox():
    config = HubConfig()
    assert config.ingress_messages_burst * 2 <= config.outbox_messages
    assert config.ingress_bytes_burst * 2 <= config.outbox_bytes


def test_the_table_of_limits_holds_the_defaults():
    config = HubConfig()
    for text in (
        f"| agents in a channel | {config.agents_per_channel} ",
        f"| channels of a server | {config.max_channels:,} ",
        f"| {config.max_message_bytes // 1024} KiB (*config*, at most 256 KiB)",
        f"| {config.types_per_channel:,} (*config*), {config.types_per_agent} of them",
        f"{config.ingress_messages_per_s:,.0f} messages/s, {config.ingress_messages_burst:.0f} at once",
        f"{config.outbox_messages:,} messages, {config.outbox_bytes >> 20} MiB, {config.session_kept_s:.0f} s",
        f"shown for {config.leave_after_s:.0f} s, kept for {config.session_kept_s:.0f} s",
        f"| {config.creates_burst:.0f} at once, then one in {1 / config.creates_per_s:.0f} s",
        f"| {config.attach_window_s:.0f} s (*config*)",
        f"for {config.attach_timeout_s:.0f} s each",
        f"| {config.max_metadata_bytes:,} bytes as msgpack",
    ):
        assert text in LIMITS, text
