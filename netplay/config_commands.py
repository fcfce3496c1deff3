"""`netplay config`: the configuration in force, whether it is good, and what one may contain."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from netplay.config import Config, Loaded, Mode, shown_values
from netplay.development import existing_development_key
from netplay.keys import server_keys
from netplay.refusal import ConfigError
from netplay.tls import ServerTls

DEFAULT = "default"


def show_config(loaded: Loaded, *, as_json: bool) -> int:
    """Print every value with its origin; hashes of keys are not shown."""
    values = shown_values(loaded.config)
    if as_json:
        told = {
            name: {"value": value, "from": loaded.origins.get(name, DEFAULT)}
            for name, value in values.items()
        }
        print(json.dumps(told, indent=2))
    else:
        for name, value in values.items():
            print(f"{name} = {value}   ({loaded.origins.get(name, DEFAULT)})")
    _warn(loaded)
    return 0


def check_config(loaded: Loaded) -> int:
    """Look at what a start would look at, and change nothing. Raises `ConfigError`."""
    config = loaded.config
    if config.mode is Mode.PRODUCTION:
        keys = f"{len(server_keys(config, os.urandom).ring)} keys"
    else:
        keys = "the development key" + (
            "" if existing_development_key(config.state_dir) else ", still to be made"
        )
    if config.tls_cert is not None and config.tls_key is not None:
        ServerTls(config.tls_cert, config.tls_key)
    if config.state_dir.exists() and not os.access(config.state_dir, os.R_OK | os.W_OK | os.X_OK):
        raise ConfigError(f"state_dir = {config.state_dir} cannot be written by this user.")
    _warn(loaded)
    print(f"good: {config.mode.value}, {len(loaded.origins)} values set, {keys}")
    return 0


def schema() -> str:
    """The JSON Schema (draft 2020-12) of the configuration file."""
    made: dict[str, Any] = Config.model_json_schema()
    made["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    made["title"] = "netplay configuration"
    made["description"] = "Everything that can be configured (docs/configuration.md)."
    return json.dumps(made, indent=2)


def _warn(loaded: Loaded) -> None:
    for variable in loaded.unknown_environment:
        print(f"netplay: {variable} means nothing; is it misspelt?", file=sys.stderr)
