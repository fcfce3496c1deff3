"""The registry: code and document say the same."""

from __future__ import annotations

import re
from pathlib import Path

from hub.errors import ERRORS, ChannelError, ErrorCode
from netcore.codes import COME_BACK, CloseCode

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "protocol" / "errors.md").read_text(
    encoding="utf-8"
)


def rows(heading):
    section = DOCUMENT.split(f"## {heading}")[1].split("\n## ")[0]
    cells = ([cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines())
    return [row for row in cells if re.fullmatch(r"0x[0-9a-f]+", row[0])]


def test_protocol_codes_are_those_of_the_document():
    table = {(row[1], int(row[0], 16)) for row in rows("Protocol")}
    assert table == {(code.name, code.value) for code in CloseCode}


def test_domain_codes_are_those_of_the_document():
    table = {(int(row[0], 16), row[1], int(row[2])) for row in rows("Domain")}
    assert table == {(code.value, facts.type, facts.http_status) for code, facts in ERRORS.items()}


# ERR-1
def test_websocket_codes_and_the_come_back_column_follow_from_the_code():
    for row in rows("Protocol"):
        assert (int(row[2]) - 4000, row[3] == "yes") == (int(row[0], 16), bool(int(row[0], 16) & COME_BACK))
    for row in rows("Domain"):
        assert (int(row[3]) - 4000, row[4] == "yes") == (int(row[0], 16), bool(int(row[0], 16) & COME_BACK))


def test_every_code_has_facts_and_fits_a_websocket():
    assert set(ERRORS) == set(ErrorCode)
    assert all(0x100 <= code < 1000 for code in ErrorCode)
    assert len({facts.type for facts in ERRORS.values()}) == len(ERRORS)


def test_an_error_knows_its_ways_out():
    error = ChannelError(ErrorCode.THROTTLED, "slow down", 2.5)
    assert (error.type, error.http_status, error.close_code, error.come_back) == (
        "throttled",
        429,
        0x181,
        True,
    )
    assert (str(error), error.retry_after_s) == ("slow down", 2.5)
    assert ChannelError(ErrorCode.NAME_TAKEN).text == "Another agent has this name"
    assert not ChannelError(ErrorCode.NAME_TAKEN).come_back
