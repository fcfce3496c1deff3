"""The gate: a missing need skips a test, unless the environment says that it must be there."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support import requirements

Run = Callable[..., pytest.RunResult]

pytest_plugins = ["pytester"]

TEST = """
import pytest

@pytest.mark.needs("redis")
def test_that_needs_it(): pass
"""


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    def run_with(there: bool, required: str) -> pytest.RunResult:
        monkeypatch.setitem(requirements.CHECKS, "redis", lambda: there)
        monkeypatch.setenv(requirements.VARIABLE, required)
        pytester.makepyfile(TEST)
        return pytester.runpytest_inprocess("-p", "tests.conftest", "-p", "no:asyncio")

    return run_with


def test_a_need_that_is_there_lets_the_test_run(run: Run) -> None:
    run(there=True, required="redis").assert_outcomes(passed=1)


def test_a_missing_need_skips_the_test(run: Run) -> None:
    run(there=False, required="").assert_outcomes(skipped=1)


def test_a_missing_need_that_is_required_fails_the_test(run: Run) -> None:
    result = run(there=False, required="git, redis")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*NETPLAY_REQUIRE demands redis*"])


def test_a_misspelt_requirement_is_refused_at_once(run: Run) -> None:
    result = run(there=True, required="reddis")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*NETPLAY_REQUIRE names reddis*"])


def test_a_need_without_a_check_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="no check is known for 'rediss'"):
        requirements.present("rediss")
