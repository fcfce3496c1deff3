"""What a client takes for the one certificate that it accepts, and what it refuses to take."""

from __future__ import annotations

import ssl

import aiohttp
import pytest
from messaging_agent import AgentConnection, connect
from messaging_agent.signaling_client import SignalingClient

PIN = "0123456789abcdef" * 4


@pytest.mark.parametrize("text", [PIN, PIN.upper(), ":".join(PIN[at : at + 2] for at in range(0, 64, 2))])
def test_a_fingerprint_is_taken_as_tools_print_it(text: str) -> None:
    client = SignalingClient("https://192.0.2.7:7777", "key", certificate_sha256=text)
    assert isinstance(client._ssl, aiohttp.Fingerprint)
    assert client._ssl.fingerprint == bytes.fromhex(PIN)


@pytest.mark.parametrize("text", ["", "nonsense", PIN[:-2], PIN + "00", "ab" * 16, "ab" * 20])
def test_what_is_no_sha256_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="64 hexadecimal digits"):
        SignalingClient("https://192.0.2.7:7777", "key", certificate_sha256=text)


def test_a_pin_that_nobody_would_look_at_is_refused() -> None:
    with pytest.raises(ValueError, match="means nothing without https"):
        connect("http://127.0.0.1:7777", "key", "lobby", "ada", "password", certificate_sha256=PIN)


def test_two_answers_to_one_question_are_refused() -> None:
    with pytest.raises(ValueError, match="not both"):
        SignalingClient("https://h", "key", ssl_context=ssl.create_default_context(), certificate_sha256=PIN)


def test_the_synchronous_layer_passes_it_on() -> None:
    connection = AgentConnection("http://127.0.0.1:7777", "key", certificate_sha256=PIN)
    with pytest.raises(ValueError, match="means nothing without https"):
        connection.connect("lobby", "ada", "password")
