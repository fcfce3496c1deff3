"""`netplay keys`: make, list, hash and revoke the keys of production."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from netplay.config import Config, ConfiguredKey
from netplay.keys import hashed_key, new_key
from netplay.keys_file import as_toml, read_keys, write_keys
from netplay.refusal import ConfigError

RELOAD = "A running server takes it up when it gets SIGHUP."


def list_keys(config: Config, *, as_json: bool, console: Console) -> int:
    """Print every key that production accepts, and where it stands."""
    file = config.used_keys_file
    rows = [(key, "configuration") for key in config.keys] + [(key, str(file)) for key in read_keys(file)]
    if as_json:
        told = [{"id": key.id, "developer": key.developer, "kept_in": place} for key, place in rows]
        console.print(json.dumps(told, indent=2), highlight=False, markup=False, soft_wrap=True)
        return 0
    if not rows:
        console.print(f"There is no key in {file}; `netplay keys new DEVELOPER` makes one.", soft_wrap=True)
        return 0
    table = Table("id", "developer", "kept in", box=None, pad_edge=False)
    for key, place in rows:
        table.add_row(key.id, Text(key.developer), Text(place, overflow="fold"))
    console.print(table)
    return 0


def make_key(
    config: Config, developer: str, random: Callable[[int], bytes], *, keep: bool, console: Console
) -> int:
    """Make a key and show it once; its hash goes into the keys file, or with `keep` off is printed."""
    try:
        made = new_key(developer, random)
    except ValueError:
        raise ConfigError(_bad_developer()) from None
    _plain(console, f"The key, shown only now:\n\n{made.api_key}\n")
    _accept(config, made.configured, keep=keep, console=console)
    return 0


def hash_key(
    config: Config,
    developer: str,
    source: TextIO,
    random: Callable[[int], bytes],
    *,
    keep: bool,
    console: Console,
) -> int:
    """Accept a key that exists already, read from `source`: never from the command line, which others see."""
    try:
        hashed = hashed_key(source.readline(256).strip(), developer, random)
    except ValueError as error:
        text = str(error) if "API key" in str(error) else _bad_developer()
        raise ConfigError(text.rstrip(".") + ".") from None
    _accept(config, hashed, keep=keep, console=console)
    return 0


def revoke_key(config: Config, key_id: str, *, console: Console) -> int:
    """Take a key out of the keys file. Raises `ConfigError` where it is not there."""
    file = config.used_keys_file
    keys = read_keys(file)
    left = [key for key in keys if key.id != key_id]
    if len(left) == len(keys):
        if any(key.id == key_id for key in config.keys):
            raise ConfigError(f"{key_id} stands in the configuration: take its table out there.")
        raise ConfigError(f"{file} has no key {key_id[:40]!r}; `netplay keys list` shows those there are.")
    write_keys(file, left)
    _plain(console, f"{key_id} is revoked. {RELOAD} Sessions that have begun go on.")
    return 0


def _accept(config: Config, key: ConfiguredKey, *, keep: bool, console: Console) -> None:
    if not keep:
        _plain(console, f"Into the configuration file:\n\n{as_toml(key)}")
        return
    file = config.used_keys_file
    keys = read_keys(file)
    if any(known.id == key.id for known in (*config.keys, *keys)):
        raise ConfigError(f"the key {key.id} is accepted already.")
    write_keys(file, [*keys, key])
    _plain(console, f"Its hash is in {file}. {RELOAD}")


def _plain(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def _bad_developer() -> str:
    return "DEVELOPER should have 1 to 64 characters, none of them a control character."
