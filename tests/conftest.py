"""The gate that every test passes: what it needs of the machine is there, or it is skipped, or must fail."""

from __future__ import annotations

import pytest

from tests.support import requirements


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known, and refuse a misspelt NETPLAY_REQUIRE at once."""
    config.addinivalue_line("markers", "needs(*names): what the machine must have for this test to run")
    try:
        requirements.required()
    except ValueError as error:
        raise pytest.UsageError(str(error)) from None


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose needs the machine lacks; fail it where they were required."""
    names = [name for mark in item.iter_markers("needs") for name in mark.args]
    missing = [name for name in names if not requirements.present(name)]
    demanded = sorted(set(missing) & requirements.required())
    if demanded:
        pytest.fail(
            f"{requirements.VARIABLE} demands {', '.join(demanded)}, which this machine lacks", pytrace=False
        )
    if missing:
        pytest.skip(f"this machine lacks {', '.join(missing)}")
