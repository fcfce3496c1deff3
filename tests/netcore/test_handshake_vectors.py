"""The published vectors of sections 3 to 6 and 13, against the code."""

from __future__ import annotations

import hmac
import json
from pathlib import Path
from typing import Any

import pytest

from netcore import datagrams
from netcore.address import pack_address
from netcore.datagrams import Hello
from netcore.errors import ProtocolError
from netcore.keys import next_secret, packet_keys
from netcore.noise import Initiator, Responder
from netcore.params import Params
from netcore.token import TokenGate, TokenKey, seal_token

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "protocol" / "vectors"


def load(name: str) -> Any:
    return json.loads((FOLDER / name).read_text())


TOKENS = load("token.json")
HANDSHAKE = load("handshake.json")


def gate() -> TokenGate:
    key = TokenKey(TOKENS["key_id"], bytes.fromhex(TOKENS["key"]))
    return TokenGate([key], int(TOKENS["app_id"], 16))


@pytest.mark.parametrize("vector", TOKENS["valid"], ids=lambda v: v["name"])
def test_valid_tokens(vector: dict[str, Any]) -> None:
    token, claims = bytes.fromhex(vector["token"]), bytes.fromhex(vector["claims"])
    left = [bytes.fromhex(TOKENS["token_id"]), bytes.fromhex(TOKENS["psk"])]
    sealed, psk = seal_token(
        TokenKey(TOKENS["key_id"], bytes.fromhex(TOKENS["key"])),
        app_id=int(TOKENS["app_id"], 16),
        claims=claims,
        expires_unix=vector["expires"],
        random=lambda count: left.pop(0),
        user_id=vector["user_id"],
    )
    assert sealed == token
    opened = gate().redeem(token, vector["wall_now"])
    assert (opened.psk, opened.claims, opened.user_id) == (psk, claims, vector["user_id"])


@pytest.mark.parametrize("vector", TOKENS["bad"], ids=lambda v: v["name"])
def test_bad_tokens(vector: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError) as caught:
        gate().redeem(bytes.fromhex(vector["token"]), vector["wall_now"])
    assert caught.value.text == vector["reason"]


def unhex(name: str) -> bytes:
    return bytes.fromhex(HANDSHAKE[name])


# NCP-2-8, NCP-5-1, NCP-5-9, NCP-5-24, NCP-6-1
def test_the_handshake() -> None:
    token, attempt_id = unhex("token"), unhex("attempt_id")
    version, app_id = int(HANDSHAKE["version"], 16), int(HANDSHAKE["app_id"], 16)
    prologue = datagrams.handshake_prologue(version, attempt_id, app_id, token)
    assert prologue == unhex("prologue")
    client_params = bytes.fromhex(HANDSHAKE["client_params"]["bytes"])
    server_params = bytes.fromhex(HANDSHAKE["server_params"]["bytes"])
    initiator = Initiator(unhex("psk"), prologue, unhex("client_ephemeral_private"), client_params)
    assert initiator.message == unhex("message_1")
    responder = Responder(unhex("psk"), prologue, initiator.message)
    assert responder.payload == client_params
    message, keys = responder.accept(unhex("server_ephemeral_private"), server_params)
    assert message == unhex("message_2")
    assert initiator.read_accept(message) == (server_params, keys)
    assert keys.handshake_hash == unhex("handshake_hash")
    secrets = {"client_to_server": keys.client_to_server, "server_to_client": keys.server_to_client}
    for entry in HANDSHAKE["keys"]:
        secret = secrets[entry["direction"]]
        if entry["phase"] == 1:
            secret = next_secret(secret)
        assert secret.hex() == entry["secret"]
        assert [part.hex() for part in packet_keys(secret)] == [entry["key"], entry["iv"]]


def test_the_parameters() -> None:
    for side in ("client_params", "server_params"):
        values = HANDSHAKE[side]["values"]
        params = Params.decode(bytes.fromhex(HANDSHAKE[side]["bytes"]))
        assert params.idle_timeout_s * 1000 == values["idle_timeout_ms"]
        assert params.max_udp_payload == values["max_udp_payload"]
        assert params.recv_budget == values["recv_budget"]
        assert (None if params.cid is None else f"{params.cid:08x}") == values["cid"]
        assert params.reset_token.hex() == values["reset_token"]
        assert params.server_time_us == values["server_time_us"]


# NCP-2-2, NCP-3-5
def test_the_datagrams() -> None:
    published = {name: bytes.fromhex(data) for name, data in HANDSHAKE["datagrams"].items()}
    attempt_id = unhex("attempt_id")
    hello = Hello(
        int(HANDSHAKE["version"], 16),
        attempt_id,
        int(HANDSHAKE["app_id"], 16),
        b"",
        unhex("token"),
        unhex("message_1"),
    )
    with_cookie = hello._replace(cookie=published["cookie"])
    assert datagrams.decode_hello(published["hello"].ljust(1200, b"\0")) == hello
    assert datagrams.decode_hello(published["hello_with_cookie"].ljust(1200, b"\0")) == with_cookie
    assert datagrams.decode_retry(published["retry"]) == (attempt_id, published["cookie"])
    assert datagrams.decode_accept(published["accept"]) == (attempt_id, unhex("message_2"))
    assert datagrams.decode_versions(published["versions"]) == (attempt_id, (hello.version,))


def test_the_reset() -> None:
    reset = HANDSHAKE["reset"]
    packed = pack_address(tuple(reset["address"]))
    assert packed.hex() == reset["packed_address"]
    token = hmac.digest(bytes.fromhex(reset["reset_key"]), bytes.fromhex(reset["cid"]) + packed, "sha256")[
        :16
    ]
    assert datagrams.encode_reset(token).hex() == reset["datagram"]
