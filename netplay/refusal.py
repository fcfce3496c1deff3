"""Refusal: a validation error told as one sentence with the key, the value and where it came from."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

ENVIRONMENT_PREFIX = "NETPLAY_"
SHOWN_CHARACTERS = 80

REASONS = {
    "int_parsing": "it should be a whole number",
    "int_type": "it should be a whole number",
    "int_from_float": "it should be a whole number",
    "float_parsing": "it should be a number",
    "float_type": "it should be a number",
    "string_type": "it should be text",
    "string_pattern_mismatch": "it should match {pattern}",
    "string_too_short": "it is too short",
    "string_too_long": "it should have at most {max_length} characters",
    "less_than_equal": "it should be at most {le:g}",
    "less_than": "it should be below {lt:g}",
    "greater_than_equal": "it should be at least {ge:g}",
    "greater_than": "it should be above {gt:g}",
    "model_type": "it should be a table",
    "model_attributes_type": "it should be a table",
    "ip_v4_network": "it should be a network such as 10.0.0.0/8",
    "ip_v6_network": "it should be a network such as 10.0.0.0/8",
}


class ConfigError(ValueError):
    """The configuration is refused; the text is one sentence for the person who wrote it."""


@dataclass(frozen=True, slots=True)
class Source:
    """One place that values came from: `assignment`, `flag`, `environment` or the name of a file."""

    name: str
    values: Mapping[str, Any]

    def label(self, key: str) -> str:
        """What a person calls this source of the dotted `key`."""
        if self.name == "assignment":
            return f"--set {key}"
        if self.name == "flag":
            return "--" + key.replace("_", "-")
        if self.name == "environment":
            return ENVIRONMENT_PREFIX + key.upper().replace(".", "__")
        return self.name

    def holds(self, path: Sequence[str]) -> bool:
        """True where this source gave the value at `path`."""
        inside: Any = self.values
        for part in path:
            if isinstance(inside, str):
                return True  # A list or table given as text has no parts to look into.
            found, inside = _inside(inside, part)
            if not found:
                return False
        return True


def refusal(
    error: ValidationError,
    sources: Sequence[Source],
    merged: Mapping[str, Any],
    models: Mapping[str, type[BaseModel]],
) -> ConfigError:
    """The first thing that is wrong. `sources` come with the strongest first; `models` are those of the root
    (under the empty name) and of the tables in it."""
    problem = error.errors(include_url=False)[0]
    path = _path_in(problem["loc"], merged)
    key = ".".join(path)
    source = next((source for source in sources if source.holds(path)), None)
    told = f"{key}{_value(problem, path)}" + (f" (from {_label(source, path)})" if source else "")
    return ConfigError(f"{told} is refused: {_reason(problem, path, models)}.")


def shown(value: object) -> str:
    """A value from outside, safe to print: escaped and cut."""
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    text = text if text.isprintable() else text.encode("unicode_escape").decode("ascii")
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"


def _inside(container: Any, part: str | int) -> tuple[bool, Any]:
    if isinstance(container, Mapping):
        return part in container, container.get(part)
    if isinstance(container, list | tuple) and str(part).isdigit() and int(part) < len(container):
        return True, container[int(part)]
    return False, None


def _path_in(location: tuple[int | str, ...], merged: Mapping[str, Any]) -> list[str]:
    """The part of a validation location that the configuration has: pydantic adds names of union members."""
    path: list[str] = []
    inside: Any = merged
    for part in location:
        found, inside = _inside(inside, part)
        if not found:
            break
        path.append(str(part))
    return path or [str(part) for part in location] or ["configuration"]


def _label(source: Source, path: Sequence[str]) -> str:
    """The source of `path`; a list that came as text is named as a whole."""
    for length in range(1, len(path)):
        if isinstance(_at(source.values, path[:length]), str | list | tuple):
            return source.label(".".join(path[:length]))
    return source.label(".".join(path))


def _at(values: Any, path: Sequence[str]) -> Any:
    for part in path:
        _, values = _inside(values, part)
    return values


def _value(problem: ErrorDetails, path: Sequence[str]) -> str:
    """The value as the sentence shows it; nothing of a key's table, which is close to a secret."""
    if not problem["loc"]:
        return ""  # Several keys that do not go together: the reason names them.
    if problem["type"] in ("extra_forbidden", "missing") or path[0] == "keys":
        return ""
    return f" = {shown(problem['input'])}"


def _reason(problem: ErrorDetails, path: Sequence[str], models: Mapping[str, type[BaseModel]]) -> str:
    kind, facts = problem["type"], problem.get("ctx", {})
    if kind == "extra_forbidden":
        return "there is no such key" + _near(path, models)
    if kind == "missing":
        return f"{problem['loc'][-1]} is missing"
    if kind in REASONS:
        return REASONS[kind].format(**facts)
    if kind == "value_error":
        return str(facts.get("error", problem["msg"])).rstrip(".")
    return "it should be " + problem["msg"].removeprefix("Input should be ")


def _near(path: Sequence[str], models: Mapping[str, type[BaseModel]]) -> str:
    model = models.get(path[0]) if len(path) > 1 else models[""]
    near = difflib.get_close_matches(path[-1], list(model.model_fields), n=1) if model else []
    return f"; perhaps {'.'.join([*path[:-1], near[0]])} is meant" if near else ""
