"""Developer keys as the server's owner handles them: made, shown once, configured as a salted hash."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hub.keys import KeyRecord, KeyRing
from netplay.config import Config, ConfiguredKey, Mode
from netplay.development import development_key
from netplay.keys_file import read_keys
from netplay.refusal import ConfigError

DEVELOPMENT_DEVELOPER = "developer"
"""Whom the development key belongs to."""

HASH_NAME: Final = "sha256"


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made: the only moment at which its secret is known."""

    api_key: str
    configured: ConfiguredKey


@dataclass(frozen=True, slots=True)
class ServerKeys:
    """What the server accepts."""

    ring: KeyRing
    config: Config
    development_key: str | None
    """The key to show at the start; None in production."""

    def reload(self) -> None:
        """Take the keys file as it is now: its new keys open channels at once, those gone open none any more.

        Sessions that have begun go on. Raises `ConfigError`, and changes nothing then.
        """
        wanted = {record.key_id: record for record in _records(self.config)}
        if self.development_key is not None:
            own = self.ring.verify(self.development_key)
            assert own is not None  # nothing takes it out of the ring
            wanted[own.key_id] = own
        elif not wanted:
            raise ConfigError(f"{self.config.used_keys_file} holds no key any more.")
        self.ring.replace(wanted.values())


def server_keys(config: Config, random: Callable[[int], bytes]) -> ServerKeys:
    """The keys for `config`, the development key made where it is missing.

    Raises `ConfigError` in production without a key, and where the development key's file cannot be used.
    """
    ring = KeyRing(_records(config))
    if config.mode is Mode.DEVELOPMENT:
        key = development_key(config.state_dir, random)
        ring.add(key, DEVELOPMENT_DEVELOPER, random)
        return ServerKeys(ring, config, key)
    if not len(ring):
        raise ConfigError(
            f"keys is empty and {config.used_keys_file} has none, and in production there is no default key; "
            "`netplay keys new DEVELOPER` makes one."
        )
    return ServerKeys(ring, config, None)


def new_key(developer: str, random: Callable[[int], bytes]) -> NewKey:
    """A key for `developer` and what the configuration keeps of it. Raises `ValueError` for a bad name."""
    api_key = KeyRing().issue(developer, random)
    return NewKey(api_key, hashed_key(api_key, developer, random))


def hashed_key(api_key: str, developer: str, random: Callable[[int], bytes]) -> ConfiguredKey:
    """What the configuration keeps of a key that exists already. Raises `ValueError` for what is no key."""
    record = KeyRing().add(api_key, developer, random)
    text = f"{HASH_NAME}:{record.salt.hex()}:{record.digest.hex()}"
    return ConfiguredKey(id=record.key_id, developer=developer, hash=text)


def _records(config: Config) -> list[KeyRecord]:
    return [_record(key) for key in (*config.keys, *read_keys(config.used_keys_file))]


def _record(key: ConfiguredKey) -> KeyRecord:
    _, salt, digest = key.hash.split(":")
    return KeyRecord(key.id, bytes.fromhex(salt), bytes.fromhex(digest), key.developer)
