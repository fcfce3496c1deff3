"""The development key: made at the first start, kept in a file of mode 0600, shown at each start."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from hub.keys import KeyRing
from netplay.refusal import ConfigError

FILE_NAME = "development-key"
FILE_MODE = 0o600
DIRECTORY_MODE = 0o700
KEY_BYTES_MAX = 256


def development_key(state_dir: Path, random: Callable[[int], bytes]) -> str:
    """The key kept under `state_dir`, made at the first start. Raises `ConfigError` where that cannot be.

    A file that others can read is closed to them, so that a key once shared by mistake does not stay so.
    """
    file = state_dir / FILE_NAME
    try:
        state_dir.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        try:
            return _read(file)
        except FileNotFoundError:
            return _make(file, random)
    except OSError as error:
        raise ConfigError(
            f"state_dir = {state_dir} cannot keep the development key: {error.strerror} ({error.filename})."
        ) from None


def existing_development_key(state_dir: Path) -> str | None:
    """The key kept under `state_dir`; None where no server has made one yet. Raises `ConfigError`."""
    try:
        return _read(state_dir / FILE_NAME)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{error.filename} cannot be read: {error.strerror}.") from None


def _read(file: Path) -> str:
    descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    with os.fdopen(descriptor, "rb") as opened:
        if stat.S_IMODE(os.fstat(descriptor).st_mode) & 0o077 and hasattr(os, "fchmod"):
            os.fchmod(descriptor, FILE_MODE)
        content = opened.read(KEY_BYTES_MAX + 1)
    key = content.decode("ascii", "replace").strip()
    try:
        KeyRing().add(key, "check", bytes)
    except ValueError:
        raise ConfigError(f"{file} holds no key; delete it, and the next start makes a new one.") from None
    return key


def _make(file: Path, random: Callable[[int], bytes]) -> str:
    """Write a new key. Written beside and linked into place: two servers started at once agree on one key."""
    key = KeyRing().issue("developer", random)
    draft = file.with_name(f".{FILE_NAME}-{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as opened:
            opened.write(key + "\n")
        os.link(draft, file)
    except FileExistsError:
        return _read(file)
    finally:
        draft.unlink(missing_ok=True)
    return key
