"""The published vectors are what the code writes and reads, and the bad ones are refused as they say."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from messaging import control, secrets
from messaging.claims import Claims, decode_claims, encode_claims
from messaging.envelope import decode_delivery, decode_publication
from messaging.timecode import decode_time
from netcore.codes import CloseCode
from netcore.errors import ProtocolError

FILE = Path(__file__).resolve().parents[2] / "docs" / "protocol" / "vectors" / "messaging.json"
VECTORS = json.loads(FILE.read_text(encoding="utf-8"))


def named(cases):
    return [pytest.param(case, id=case.get("name", case.get("op", "case"))) for case in cases]


@pytest.mark.parametrize("case", named(VECTORS["publications"]))
# MSG-1-1, MSG-4-2
def test_publications(case):
    published = dataclasses.asdict(decode_publication(bytes.fromhex(case["bytes"])))
    published["content"] = published["content"].hex()
    if published["packed"] is not None:
        published["packed"] = published["packed"].hex()
    assert published == {key: case[key] for key in published}


@pytest.mark.parametrize("case", named(VECTORS["deliveries"]))
# MSG-4-6
def test_deliveries(case):
    delivered = dataclasses.asdict(decode_delivery(bytes.fromhex(case["bytes"]), case["link_lane"]))
    delivered["content"] = delivered["content"].hex()
    assert delivered == {key: case[key] for key in delivered}


@pytest.mark.parametrize("case", named(VECTORS["control"]))
# MSG-1-3, MSG-6-1, MSG-6-2, MSG-6-3
def test_control(case):
    message, number = control.decode_control(bytes.fromhex(case["bytes"]))
    assert (dataclasses.asdict(message), number) == (case["body"], case["seq"])
    assert bytes.fromhex(case["bytes"])[0] == control.Op[case["op"]]


@pytest.mark.parametrize("case", VECTORS["claims"])
# MSG-2-2
def test_claims(case):
    claims = Claims(bytes.fromhex(case["session_id"]), case["generation"], case["transport"])
    assert encode_claims(claims).hex() == case["bytes"]
    assert decode_claims(bytes.fromhex(case["bytes"])) == claims


@pytest.mark.parametrize("case", VECTORS["time"])
# MSG-7-1
def test_time(case):
    assert list(decode_time(bytes.fromhex(case["bytes"]))) == [
        case[k] for k in ("t0", "t1", "t2") if k in case
    ]


@pytest.mark.parametrize("case", VECTORS["secrets"])
def test_secrets(case):
    secret = secrets.derive(case["password"], case["channel_name"], case["scope"])
    assert (secret.proof.hex(), secret.message_key.hex()) == (case["proof"], case["message_key"])
    assert secrets.salt_for(case["channel_name"], case["scope"]).hex() == case["salt"]


READERS = {
    "publications": lambda data, case: decode_publication(data),
    "deliveries": lambda data, case: decode_delivery(data, int(case["link_lane"])),
    "control": lambda data, case: control.decode_control(data),
    "claims": lambda data, case: decode_claims(data),
    "time": lambda data, case: decode_time(data),
}


@pytest.mark.parametrize(
    ("kind", "case"),
    [
        pytest.param(kind, case, id=f"{kind}: {case['name']}")
        for kind in READERS
        for case in VECTORS["bad"][kind]
    ],
)
# MSG-1-1, MSG-1-2, MSG-1-3
def test_bad_bytes_are_refused(kind, case):
    with pytest.raises(ProtocolError) as caught:
        READERS[kind](bytes.fromhex(case["bytes"]), case)
    assert caught.value.code == CloseCode[case["code"]]


def test_the_file_is_what_the_generator_writes():
    from scripts.make_vectors_messaging import vectors

    assert json.loads(json.dumps(vectors())) == VECTORS
