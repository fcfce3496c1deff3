"""The published vectors of end-to-end encryption hold for this implementation, good and bad ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from messaging import secrets
from messaging.sealed_content import ContentOpener, Place
from netcore.delivery import Delivery

FILE = Path(__file__).resolve().parents[2] / "docs" / "protocol" / "vectors" / "e2ee.json"
VECTORS = json.loads(FILE.read_text(encoding="utf-8"))
KEY = bytes.fromhex(VECTORS["message_key"])


def named(cases: list[dict[str, Any]]) -> list[Any]:
    return [pytest.param(case, id=case["name"]) for case in cases]


def opened(case: dict[str, Any], *, log: bool = False) -> bytes | None:
    told = case["told"]
    return ContentOpener(KEY, told["channel_id"]).open(
        bytes.fromhex(case["sealed"]),
        sender=told["sender"],
        type=told["type"],
        format=told["format"],
        place=None if log else Place(Delivery(told["kind"]), told["lane"], told["key"]),
        stored=told["persistent"],
        recipient=told["receiver"],
        once=not log,
    )


@pytest.mark.parametrize("case", VECTORS["keys"], ids=lambda case: str(case["channel_name"]))
def test_keys(case: dict[str, Any]) -> None:  # MSG-8-1
    derived = secrets.derive(case["password"], case["channel_name"], case["scope"])
    assert secrets.salt_for(case["channel_name"], case["scope"]).hex() == case["salt"]
    assert (derived.proof.hex(), derived.message_key.hex()) == (case["proof"], case["message_key"])


@pytest.mark.parametrize("case", named(VECTORS["sealed"]))
def test_sealed_content_opens(case: dict[str, Any]) -> None:
    assert opened(case) == bytes.fromhex(case["content"])
    assert opened(case, log=True) == bytes.fromhex(case["content"])


@pytest.mark.parametrize("case", named(VECTORS["bad"]))
def test_what_was_changed_does_not_open(case: dict[str, Any]) -> None:  # E2E-2-1, E2E-2-2
    assert opened(case) is None
    assert (opened(case, log=True) is None) is (case["reason"] != "place")


def test_live_messages_are_shown_once() -> None:  # E2E-2-3, E2E-2-4
    told = VECTORS["sealed"][0]["told"]
    opener = ContentOpener(KEY, told["channel_id"])
    for arrival in VECTORS["shown_once"]:
        content = opener.open(
            bytes.fromhex(arrival["sealed"]),
            sender=told["sender"],
            type=told["type"],
            format=told["format"],
            place=Place(Delivery(told["kind"]), told["lane"], told["key"]),
            stored=told["persistent"],
        )
        assert (content is not None) is arrival["shown"], arrival["name"]
