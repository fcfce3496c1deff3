"""The development key: made at the first start, kept in a file of mode 0600, shown at each start."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hub.keys import KeyRing
from netplay.refusal import ConfigError
from netplay.secret_file import kept_secret, read_secret

FILE_NAME = "development-key"
KEY_BYTES_MAX = 256


def development_key(state_dir: Path, random: Callable[[int], bytes]) -> str:
    """The key kept under `state_dir`, made at the first start. Raises `ConfigError` where that cannot be."""
    file = state_dir / FILE_NAME
    try:
        content = kept_secret(
            file, KEY_BYTES_MAX, lambda: (KeyRing().issue("developer", random) + "\n").encode("ascii")
        )
    except OSError as error:
        raise ConfigError(
            f"state_dir = {state_dir} cannot keep the development key: {error.strerror} ({error.filename})."
        ) from None
    return _checked(file, content)


def existing_development_key(state_dir: Path) -> str | None:
    """The key kept under `state_dir`; None where no server has made one yet. Raises `ConfigError`."""
    file = state_dir / FILE_NAME
    try:
        return _checked(file, read_secret(file, KEY_BYTES_MAX))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{error.filename} cannot be read: {error.strerror}.") from None


def _checked(file: Path, content: bytes) -> str:
    key = content.decode("ascii", "replace").strip()
    try:
        KeyRing().add(key, "check", bytes)
    except ValueError:
        raise ConfigError(f"{file} holds no key; delete it, and the next start makes a new one.") from None
    return key
