"""Keys: development makes its own, production takes what was configured and nothing else."""

from __future__ import annotations

import os
import stat
import tomllib
from pathlib import Path

import pytest

from netplay.config import Config, ConfiguredKey, Mode, load
from netplay.keys import hashed_key, new_key, server_keys
from netplay.keys_file import as_toml, read_keys, write_keys
from netplay.refusal import ConfigError


def test_development_accepts_the_key_that_it_shows(tmp_path: Path) -> None:
    keys = server_keys(Config(state_dir=tmp_path), os.urandom)
    assert keys.development_key is not None
    record = keys.ring.verify(keys.development_key)
    assert record is not None
    assert record.developer == "developer"


def test_production_without_a_key_refuses_and_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="netplay keys new DEVELOPER"):
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


def production(state: Path, *configured: ConfiguredKey) -> Config:
    return Config(mode=Mode.PRODUCTION, state_dir=state, keys=configured)


def test_keys_of_the_keys_file_are_accepted_beside_those_of_the_configuration(tmp_path: Path) -> None:
    first, second = new_key("ann", os.urandom), new_key("bob", os.urandom)
    write_keys(tmp_path / "keys.toml", [second.configured])
    ring = server_keys(production(tmp_path, first.configured), os.urandom).ring
    assert ring.verify(first.api_key) is not None
    assert ring.verify(second.api_key) is not None
    assert stat.S_IMODE((tmp_path / "keys.toml").stat().st_mode) == 0o600


def test_a_reload_takes_new_keys_and_drops_revoked_ones(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    old, new = new_key("ann", os.urandom), new_key("bob", os.urandom)
    write_keys(file, [old.configured])
    keys = server_keys(production(tmp_path), os.urandom)
    write_keys(file, [new.configured])
    keys.reload()
    assert keys.ring.verify(old.api_key) is None
    assert keys.ring.verify(new.api_key) is not None


@pytest.mark.parametrize("content", ["", "[[keys]]\nid = 5\n", "no toml"])
def test_a_keys_file_gone_bad_changes_nothing(tmp_path: Path, content: str) -> None:
    file = tmp_path / "keys.toml"
    made = new_key("ann", os.urandom)
    write_keys(file, [made.configured])
    keys = server_keys(production(tmp_path), os.urandom)
    file.write_text(content)
    with pytest.raises(ConfigError, match=r"keys\.toml|id = 5|keys"):
        keys.reload()
    assert keys.ring.verify(made.api_key) is not None


def test_development_keeps_its_own_key_through_a_reload(tmp_path: Path) -> None:
    keys = server_keys(Config(state_dir=tmp_path), os.urandom)
    added = new_key("bob", os.urandom)
    write_keys(tmp_path / "keys.toml", [added.configured])
    keys.reload()
    assert keys.development_key is not None
    assert keys.ring.verify(keys.development_key) is not None
    assert keys.ring.verify(added.api_key) is not None


def test_a_key_made_elsewhere_can_be_hashed(tmp_path: Path) -> None:
    api_key = new_key("ann", os.urandom).api_key
    write_keys(tmp_path / "keys.toml", [hashed_key(api_key, "ann", os.urandom)])
    assert server_keys(production(tmp_path), os.urandom).ring.verify(api_key) is not None
    with pytest.raises(ValueError, match="API key"):
        hashed_key("npk_short", "ann", os.urandom)


def test_a_file_that_is_not_there_has_no_keys(tmp_path: Path) -> None:
    assert read_keys(tmp_path / "keys.toml") == ()
