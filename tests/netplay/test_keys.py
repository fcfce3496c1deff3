"""Keys: development makes its own, production takes what was configured and nothing else."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest

from netplay.config import Config, Mode, load
from netplay.keys import as_toml, new_key, server_keys
from netplay.refusal import ConfigError


def test_development_accepts_the_key_that_it_shows(tmp_path: Path) -> None:
    keys = server_keys(Config(state_dir=tmp_path), os.urandom)
    assert keys.development_key is not None
    record = keys.ring.verify(keys.development_key)
    assert record is not None
    assert record.developer == "developer"


def test_production_without_a_key_refuses_and_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="netplay key new DEVELOPER"):
        server_keys(Config(mode=Mode.PRODUCTION, state_dir=tmp_path), os.urandom)
    assert list(tmp_path.iterdir()) == []


def test_production_accepts_the_configured_key_and_never_the_development_key(tmp_path: Path) -> None:
    development = server_keys(Config(state_dir=tmp_path), os.urandom).development_key
    assert development is not None
    made = new_key("bob", os.urandom)
    keys = server_keys(Config(mode=Mode.PRODUCTION, state_dir=tmp_path, keys=(made.configured,)), os.urandom)
    assert keys.development_key is None
    assert keys.ring.verify(development) is None
    record = keys.ring.verify(made.api_key)
    assert record is not None
    assert record.developer == "bob"
    assert keys.ring.verify(made.api_key[:-1] + ("A" if made.api_key[-1] != "A" else "B")) is None


def test_the_printed_lines_configure_the_key(tmp_path: Path) -> None:
    made = new_key('the "best" \\ studio', os.urandom)
    file = tmp_path / "netplay.toml"
    file.write_text('mode = "production"\n' + as_toml(made.configured), encoding="utf-8")
    config = load(file=file).config
    assert server_keys(config, os.urandom).ring.verify(made.api_key) is not None
    assert made.api_key.rsplit("_", 1)[0] not in file.read_text()
    assert tomllib.loads(as_toml(made.configured))["keys"][0]["developer"] == 'the "best" \\ studio'


@pytest.mark.parametrize("developer", ["", "a" * 65, "two\nlines", "\x1b[31m"])
def test_a_developer_name_that_could_not_be_written_is_refused(developer: str) -> None:
    with pytest.raises(ValueError):
        new_key(developer, os.urandom)
