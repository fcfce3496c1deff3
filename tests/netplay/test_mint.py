"""The mint: tokens for each transport that open once, here and nowhere else."""

from __future__ import annotations

import os

import pytest

from netcore.errors import ProtocolError
from netplay.mint import TOKEN_LIFE_S, TokenMint

NOW = 1_800_000_000.0


def mint() -> TokenMint:
    return TokenMint(os.urandom, lambda: NOW)


def test_a_token_opens_once_with_its_claims() -> None:
    made = mint()
    offer = made.mint("websocket", b"claims")
    assert made.gate.redeem(offer.token, NOW).claims == b"claims"
    with pytest.raises(ProtocolError):
        made.gate.redeem(offer.token, NOW)


def test_only_udp_gets_the_key_that_its_handshake_needs() -> None:
    made = mint()
    assert made.mint("websocket", b"").psk is None
    psk = made.mint("udp", b"").psk
    assert psk is not None
    assert len(psk) == 32


def test_tokens_of_an_earlier_life_open_nothing() -> None:
    with pytest.raises(ProtocolError):
        mint().gate.redeem(mint().mint("websocket", b"").token, NOW)


def test_a_token_expires() -> None:
    made = mint()
    offer = made.mint("websocket", b"")
    assert offer.expires_at == NOW + TOKEN_LIFE_S
    with pytest.raises(ProtocolError):
        made.gate.redeem(offer.token, NOW + TOKEN_LIFE_S + 6)
