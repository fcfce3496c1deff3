"""The file of production keys: tables `[[keys]]` that `netplay keys` writes and the server reads."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from netplay.config import ConfiguredKey
from netplay.refusal import ConfigError, Source, refusal
from netplay.secret_file import replace_secret

MAX_FILE_BYTES: Final = 4 << 20
HEAD: Final = """# Developer keys that this server accepts, as salted hashes. Written by `netplay keys`.
# A running server reads the file again when it gets SIGHUP.
"""


class _KeysFile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    keys: tuple[ConfiguredKey, ...] = ()


def read_keys(file: Path) -> tuple[ConfiguredKey, ...]:
    """The keys in `file`; none where there is no file. Raises `ConfigError`."""
    values = {}
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise ConfigError(f"{file} is longer than {MAX_FILE_BYTES:,} bytes.")
        values = tomllib.loads(content.decode("utf-8"))
        return _KeysFile(**values).keys
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}.") from None
    except ValidationError as error:
        models: dict[str, type[BaseModel]] = {"": _KeysFile, "keys": ConfiguredKey}
        raise refusal(error, [Source(str(file), values)], values, models) from None
    except (ValueError, RecursionError) as error:
        # tomllib has no error of its own for nesting without end and for numbers of thousands of digits.
        raise ConfigError(f"{file} is not valid TOML: {error}.") from None


def write_keys(file: Path, keys: Iterable[ConfiguredKey]) -> None:
    """Replace what `file` holds. Raises `ConfigError`."""
    text = HEAD + "".join("\n" + as_toml(key) for key in keys)
    try:
        replace_secret(file, text.encode("utf-8"))
    except OSError as error:
        raise ConfigError(f"{file} cannot be written: {error.strerror} ({error.filename}).") from None


def as_toml(key: ConfiguredKey) -> str:
    """The lines that accept `key`, in this file and in the configuration file alike."""
    quoted = key.developer.replace("\\", "\\\\").replace('"', '\\"')
    return f'[[keys]]\nid = "{key.id}"\ndeveloper = "{quoted}"\nhash = "{key.hash}"\n'
