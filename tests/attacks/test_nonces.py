"""A06: no pair of key and nonce is ever used twice, over restarts, reconnects, and sealed content."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from messaging import sealed_content
from netcore import noise, packet
from netcore.delivery import Delivery
from netcore.token import TokenGate
from tests.netcore.endpoints import Net

RESTARTS = 250


class Watched:
    """An AEAD that writes down every (key, nonce) it encrypts with."""

    def __init__(self, real: Any, used: list[tuple[bytes, bytes]]) -> None:
        self.real = real
        self.used = used

    def __call__(self, key: bytes) -> Any:
        real, used = self.real(key), self.used

        class Cipher:
            decrypt = staticmethod(real.decrypt)

            @staticmethod
            def encrypt(nonce: bytes, data: bytes, associated: bytes | None) -> bytes:
                used.append((bytes(key), bytes(nonce)))
                sealed: bytes = real.encrypt(nonce, data, associated)
                return sealed

        return Cipher()


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> list[tuple[bytes, bytes]]:
    pairs: list[tuple[bytes, bytes]] = []
    for module in (packet, noise):
        monkeypatch.setattr(module, "ChaCha20Poly1305", Watched(ChaCha20Poly1305, pairs))
    monkeypatch.setattr(sealed_content, "AESGCM", Watched(AESGCM, pairs))
    return pairs


def test_restarts_and_reconnects_never_meet(used: list[tuple[bytes, bytes]]) -> None:
    """Half of the rounds restart the server with the same token key; all traffic goes both ways."""
    net = Net(seed=7)
    for round_number in range(RESTARTS):
        client = net.client()
        net.step()
        net.step()
        connection = client.handler.connection
        assert connection is not None
        for _ in range(3):
            connection.send(8, Delivery.ORDERED, b"the same words each time")
            connection.flush()
            net.step()
        if round_number % 2:
            net.gate = TokenGate([net.key], net.gate.app_id)
            net.server = net.make_server()
        net.clients.clear()
        net.now += 0.1
    assert len(used) > 6 * RESTARTS
    assert len(set(used)) == len(used)


def test_a_sealer_of_a_new_session_or_process_has_a_key_of_its_own(used: list[tuple[bytes, bytes]]) -> None:
    """Its salt is random: the counter may begin anew with each session, the key never comes again."""
    draw = random.Random(3)
    make: Callable[[], sealed_content.ContentSealer] = lambda: sealed_content.ContentSealer(  # noqa: E731
        b"k" * 32, "channel", "ann", draw.randbytes
    )
    for _ in range(200):
        sealer = make()
        for _ in range(5):
            seal(sealer)
    assert len(set(used)) == len(used) == 1000


def seal(sealer: sealed_content.ContentSealer) -> bytes:
    place = sealed_content.Place(Delivery.ORDERED, 8)
    return sealer.seal(b"the same words", type="chat-text", format=1, place=place)
