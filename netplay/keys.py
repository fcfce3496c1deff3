"""Developer keys as the server's owner handles them: made, shown once, configured as a salted hash."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hub.keys import KeyRecord, KeyRing
from netplay.config import Config, ConfiguredKey, Mode
from netplay.development import development_key
from netplay.refusal import ConfigError

DEVELOPMENT_DEVELOPER = "developer"
"""Whom the development key belongs to."""

HASH_NAME = "sha256"


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made: the only moment at which its secret is known."""

    api_key: str
    configured: ConfiguredKey


@dataclass(frozen=True, slots=True)
class ServerKeys:
    """What the server accepts."""

    ring: KeyRing
    development_key: str | None
    """The key to show at the start; None in production."""


def server_keys(config: Config, random: Callable[[int], bytes]) -> ServerKeys:
    """The keys for `config`, the development key made where it is missing.

    Raises `ConfigError` in production without a key, and where the development key's file cannot be used.
    """
    ring = KeyRing(_record(key) for key in config.keys)
    if config.mode is Mode.DEVELOPMENT:
        key = development_key(config.state_dir, random)
        ring.add(key, DEVELOPMENT_DEVELOPER, random)
        return ServerKeys(ring, key)
    if not config.keys:
        raise ConfigError(
            "keys is empty, and in production there is no default key; "
            "`netplay key new DEVELOPER` makes one and prints the lines for the configuration file."
        )
    return ServerKeys(ring, None)


def new_key(developer: str, random: Callable[[int], bytes]) -> NewKey:
    """A key for `developer` and what the configuration keeps of it. Raises `ValueError` for a bad name."""
    ring = KeyRing()
    api_key = ring.issue(developer, random)
    record = ring.verify(api_key)
    assert record is not None
    text = f"{HASH_NAME}:{record.salt.hex()}:{record.digest.hex()}"
    return NewKey(api_key, ConfiguredKey(id=record.key_id, developer=developer, hash=text))


def as_toml(key: ConfiguredKey) -> str:
    """The lines that accept `key` in the configuration file."""
    quoted = key.developer.replace("\\", "\\\\").replace('"', '\\"')
    return f'[[keys]]\nid = "{key.id}"\ndeveloper = "{quoted}"\nhash = "{key.hash}"\n'


def _record(key: ConfiguredKey) -> KeyRecord:
    _, salt, digest = key.hash.split(":")
    return KeyRecord(key.id, bytes.fromhex(salt), bytes.fromhex(digest), key.developer)
