from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from hypothesis import given, settings
from hypothesis import strategies as st

from netcore.errors import ProtocolError
from netcore.noise import PROTOCOL_NAME, Initiator, Responder

VECTORS = json.loads((Path(__file__).parent / "data" / "noise_nnpsk0.json").read_text())["vectors"]
PSK = bytes(range(32))
KEY = st.binary(min_size=32, max_size=32)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["source"])
# NCP-2-7, NCP-5-1
def test_published_vectors(vector: dict[str, Any]) -> None:
    unhex = bytes.fromhex
    messages = [(unhex(m["payload"]), unhex(m["ciphertext"])) for m in vector["messages"]]
    psk, prologue = unhex(vector["init_psks"][0]), unhex(vector["init_prologue"])
    initiator = Initiator(psk, prologue, unhex(vector["init_ephemeral"]), messages[0][0])
    assert initiator.message == messages[0][1]
    responder = Responder(psk, prologue, messages[0][1])
    assert responder.payload == messages[0][0]
    second, keys = responder.accept(unhex(vector["resp_ephemeral"]), messages[1][0])
    assert second == messages[1][1]
    assert initiator.read_accept(second) == (messages[1][0], keys)
    assert keys.handshake_hash.hex() == vector["handshake_hash"]
    # Transport messages: Noise's own use of the two secrets, counter nonces, initiator first.
    counters = {keys.client_to_server: 0, keys.server_to_client: 0}
    for index, (payload, sealed) in enumerate(messages[2:]):
        key = keys.client_to_server if index % 2 == 0 else keys.server_to_client
        nonce = bytes(4) + counters[key].to_bytes(8, "little")
        counters[key] += 1
        assert ChaCha20Poly1305(key).encrypt(nonce, payload, b"") == sealed


@pytest.mark.needs("noiseprotocol")
@pytest.mark.filterwarnings("ignore:One of ephemeral keypairs")
@settings(max_examples=15, deadline=None)
@given(KEY, st.binary(max_size=100), KEY, KEY, st.binary(max_size=60), st.binary(max_size=60), st.booleans())
# NCP-5-1, NCP-5-24
def test_the_noiseprotocol_package_agrees_in_both_roles(
    psk: bytes,
    prologue: bytes,
    client_key: bytes,
    server_key: bytes,
    up: bytes,
    down: bytes,
    we_are_the_client: bool,
) -> None:
    connection_module = importlib.import_module("noise.connection")
    other = connection_module.NoiseConnection.from_name(PROTOCOL_NAME)
    other.set_psks(psk)
    other.set_prologue(prologue)
    if we_are_the_client:
        other.set_as_responder()
        other.set_keypair_from_private_bytes(connection_module.Keypair.EPHEMERAL, server_key)
        other.start_handshake()
        initiator = Initiator(psk, prologue, client_key, up)
        assert bytes(other.read_message(initiator.message)) == up
        payload, keys = initiator.read_accept(bytes(other.write_message(down)))
        assert payload == down
        ours = ChaCha20Poly1305(keys.client_to_server).encrypt(bytes(12), b"hello", b"")
    else:
        other.set_as_initiator()
        other.set_keypair_from_private_bytes(connection_module.Keypair.EPHEMERAL, client_key)
        other.start_handshake()
        responder = Responder(psk, prologue, bytes(other.write_message(up)))
        assert responder.payload == up
        second, keys = responder.accept(server_key, down)
        assert bytes(other.read_message(second)) == down
        ours = ChaCha20Poly1305(keys.server_to_client).encrypt(bytes(12), b"hello", b"")
    assert other.handshake_finished
    assert other.get_handshake_hash() == keys.handshake_hash
    assert bytes(other.decrypt(ours)) == b"hello"


def handshake(
    psk: bytes = PSK, server_psk: bytes = PSK, prologue: bytes = b"p", server_prologue: bytes = b"p"
) -> None:
    initiator = Initiator(psk, prologue, b"\x01" * 32, b"up")
    Responder(server_psk, server_prologue, initiator.message)


# NCP-5-9
def test_another_key_or_prologue_is_not_authentic() -> None:
    handshake()
    for change in ({"server_psk": bytes(32)}, {"server_prologue": b"q"}):
        with pytest.raises(ProtocolError, match="noise_authentication"):
            handshake(**change)


def test_every_changed_byte_of_message_1_is_noticed_without_public_key_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    message = Initiator(PSK, b"", b"\x01" * 32, b"up").message
    monkeypatch.setattr("netcore.noise.X25519PublicKey", None)
    monkeypatch.setattr("netcore.noise.X25519PrivateKey", None)
    for at in range(len(message)):
        with pytest.raises(ProtocolError, match="noise_authentication"):
            Responder(PSK, b"", message[:at] + bytes((message[at] ^ 0x80,)) + message[at + 1 :])
    assert Responder(PSK, b"", message).payload == b"up"


def test_a_forged_message_2_does_not_spoil_the_true_one() -> None:
    initiator = Initiator(PSK, b"", b"\x01" * 32, b"up")
    second, keys = Responder(PSK, b"", initiator.message).accept(b"\x02" * 32, b"down")
    for at in range(len(second)):
        with pytest.raises(ProtocolError):
            initiator.read_accept(second[:at] + bytes((second[at] ^ 1,)) + second[at + 1 :])
    with pytest.raises(ProtocolError, match="noise_length"):
        initiator.read_accept(second[:47])
    assert initiator.read_accept(second) == (b"down", keys)


# NCP-5-8
def test_a_public_key_of_low_order_is_refused_by_the_client() -> None:
    initiator = Initiator(PSK, b"", b"\x01" * 32, b"up")
    with pytest.raises(ProtocolError, match="noise_public_key"):
        initiator.read_accept(bytes(32) + bytes(20))


@given(st.binary(max_size=120))
@settings(max_examples=50)
def test_random_bytes_raise_nothing_but_the_one_error(data: bytes) -> None:
    initiator = Initiator(PSK, b"", b"\x01" * 32, b"up")
    with pytest.raises(ProtocolError):
        Responder(PSK, b"", data)
    with pytest.raises(ProtocolError):
        initiator.read_accept(data)


# NCP-5-7
def test_each_attempt_has_other_keys_even_with_one_token() -> None:
    secrets = set()
    for _ in range(5):
        initiator = Initiator(PSK, b"", X25519PrivateKey.generate().private_bytes_raw(), b"")
        fresh = X25519PrivateKey.generate().private_bytes_raw()
        keys = Responder(PSK, b"", initiator.message).accept(fresh, b"")[1]
        secrets |= {keys.client_to_server, keys.server_to_client}
    assert len(secrets) == 10
