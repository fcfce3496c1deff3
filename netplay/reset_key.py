"""The reset key: lets a restarted server tell clients of its earlier life at once that it knows them no more.

Kept under `state_dir`, because it must outlive the process (docs/protocol/ncp.md, "Stateless reset").
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from netplay.refusal import ConfigError
from netplay.secret_file import kept_secret

FILE_NAME = "reset-key"
RESET_KEY_BYTES = 32


def reset_key(state_dir: Path, random: Callable[[int], bytes]) -> bytes:
    """The 32 bytes kept under `state_dir`, made at the first start. Raises `ConfigError`."""
    file = state_dir / FILE_NAME
    try:
        key = kept_secret(file, RESET_KEY_BYTES, lambda: random(RESET_KEY_BYTES))
    except OSError as error:
        raise ConfigError(
            f"state_dir = {state_dir} cannot keep the reset key: {error.strerror} ({error.filename})."
        ) from None
    if len(key) != RESET_KEY_BYTES:
        raise ConfigError(
            f"{file} should hold {RESET_KEY_BYTES} bytes; delete it, and the next start makes a new one."
        )
    return key
