"""A secret kept in a file of mode 0600: made once, agreed on by servers that start at the same time."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

FILE_MODE = 0o600
DIRECTORY_MODE = 0o700


def read_secret(file: Path, max_bytes: int) -> bytes:
    """At most `max_bytes` + 1 bytes of `file`. Raises OSError; FileNotFoundError where nobody made it yet.

    A file that others can read is closed to them, so that a secret once shared by mistake does not stay so.
    """
    descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    with os.fdopen(descriptor, "rb") as opened:
        if stat.S_IMODE(os.fstat(descriptor).st_mode) & 0o077 and hasattr(os, "fchmod"):
            os.fchmod(descriptor, FILE_MODE)
        return opened.read(max_bytes + 1)


def kept_secret(file: Path, max_bytes: int, make: Callable[[], bytes]) -> bytes:
    """The secret in `file`, made by `make` where there is none. Raises OSError.

    Written beside and linked into place: two servers started at once agree on one secret.
    """
    file.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
    try:
        return read_secret(file, max_bytes)
    except FileNotFoundError:
        pass
    draft = file.with_name(f".{file.name}-{os.getpid()}")
    draft.unlink(missing_ok=True)
    secret = make()
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    try:
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(secret)
        os.link(draft, file)
    except FileExistsError:
        return read_secret(file, max_bytes)
    finally:
        draft.unlink(missing_ok=True)
    return secret


def replace_secret(file: Path, secret: bytes) -> None:
    """Write `secret` in place of what `file` holds, whole or not at all. Raises OSError."""
    file.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}-{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    try:
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(secret)
            opened.flush()
            os.fsync(opened.fileno())
        os.replace(draft, file)
    finally:
        draft.unlink(missing_ok=True)
