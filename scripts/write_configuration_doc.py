"""Writes docs/configuration.md from the descriptions in netplay/config.py; `--check` only compares."""

from __future__ import annotations

import enum
import sys
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import annotated_types
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from netplay.config import Config, ConfiguredKey, Limits, environment_name

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "configuration.md"
TABLES = frozenset({"limits", "keys"})
"""Keys that have a table of their own below."""

HEAD = """\
# Configuration

<!-- Made from netplay/config.py by scripts/write_configuration_doc.py (`make docs`); change it there. -->

A value comes from the first of these that has it:

1. a flag of `netplay serve`: `--port 8000`, or for any key `--set limits.message_bytes=4096`;
2. the environment: `NETPLAY_PORT=8000`, `NETPLAY_LIMITS__MESSAGE_BYTES=4096`; lists are words between commas,
   or JSON;
3. the TOML file: `--config FILE`, else the one that `NETPLAY_CONFIG` names, else `netplay.toml` in the
   working directory;
4. the default.

A value that is refused ends the start with exit code 2 and one sentence that names the key, the value and
where it came from.
`netplay config show` prints every value in force and where it comes from, `netplay config check` finds out
whether a server would start, and `netplay config schema` prints the JSON Schema of the file, for editors.

```toml
port = 7777
log_format = "json"
games = ["air-hockey"]

[limits]
agents_per_channel = 64
```
"""

KEYS_HEAD = """
## Keys of production

In production the server accepts the keys in the configuration and those in `keys_file`, and refuses to start
without one. `netplay keys new DEVELOPER` makes a key, shows it once, and writes its salted hash into `keys_file`;
with `--print` it prints the table `[[keys]]` instead, for the configuration file. `netplay keys list` shows them,
`netplay keys revoke ID` takes one away, `netplay keys hash DEVELOPER` accepts one that was made elsewhere. A
running server reads `keys_file` again when it gets SIGHUP; the configuration file it reads at the start only.
"""


def document() -> str:
    """The whole document."""
    parts = [HEAD, "\n## Keys\n", _table(Config, "")]
    parts += ["\n## Limits\n", _table(Limits, "limits."), KEYS_HEAD, _key_table()]
    return "".join(part if part.endswith("\n") else part + "\n" for part in parts)


def _table(model: type[BaseModel], prefix: str) -> str:
    rows = ["\n| key | environment | value | default | meaning |\n|---|---|---|---|---|\n"]
    for name, field in model.model_fields.items():
        if name not in TABLES:
            key = prefix + name
            named = f"`{key}` | `{environment_name(key)}`"
            rows.append(f"| {named} | {_values(field)} | {_default(field)} | {field.description} |\n")
    return "".join(rows)


def _key_table() -> str:
    rows = [f"| `{name}` | {field.description} |\n" for name, field in ConfiguredKey.model_fields.items()]
    return "\n| key | meaning |\n|---|---|\n" + "".join(rows)


def _values(field: FieldInfo) -> str:
    lowest, highest = _bound(field, "ge", "gt"), _bound(field, "le", "lt")
    if lowest or highest:
        return f"{lowest} to {highest}"
    kinds = [kind for kind in get_args(field.annotation) if kind is not type(None)] or [field.annotation]
    if get_origin(field.annotation) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(field.annotation))
    if isinstance(field.annotation, type) and issubclass(field.annotation, enum.Enum):
        return ", ".join(f"`{value.value}`" for value in field.annotation)
    if any(get_origin(kind) is tuple or "tuple" in str(kind) for kind in [field.annotation, *kinds]):
        return "list"
    words = [value for kind in kinds if get_origin(kind) is Literal for value in get_args(kind)]
    if words:
        return ", ".join(["number", *(f"`{word}`" for word in words)])
    if bool in kinds:
        return "`true`, `false`"
    return "path" if Path in kinds else "text"


def _bound(field: FieldInfo, closed: str, opened: str) -> str:
    for fact in field.metadata:
        if isinstance(fact, annotated_types.Ge | annotated_types.Le) and hasattr(fact, closed):
            return _number(getattr(fact, closed))
        if isinstance(fact, annotated_types.Gt | annotated_types.Lt) and hasattr(fact, opened):
            return f"above {_number(getattr(fact, opened))},"
    return ""


def _number(value: Any) -> str:
    return f"{int(value):,}" if float(value).is_integer() else str(value)


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined or field.default is None:
        return ""
    if isinstance(field.default, tuple):
        return ", ".join(f"`{item}`" for item in field.default)
    value = field.default.value if isinstance(field.default, enum.Enum) else field.default
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def main() -> int:
    """Write the document, or with `--check` tell whether it is up to date (exit code 1 where it is not)."""
    text = document()
    if "--check" in sys.argv[1:]:
        same = DOCUMENT.is_file() and DOCUMENT.read_text(encoding="utf-8") == text
        print(
            "docs/configuration.md is up to date" if same else "docs/configuration.md is old: run `make docs`"
        )
        return 0 if same else 1
    DOCUMENT.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
