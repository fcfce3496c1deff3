"""The scenarios there are, by name. Each is loaded only when it is asked for: their peers are optional packages."""

from __future__ import annotations

import importlib

from bench.scenario import Scenario

NAMES = ("codec", "handshake", "udp_echo", "relay", "fanout", "idle", "loss")


def load_scenario(name: str) -> Scenario:
    """The scenario called `name`. Raises ValueError that lists the names there are, or says what to install."""
    if name not in NAMES:
        raise ValueError(f"no scenario is called {name!r}; there are: {', '.join(NAMES)}")
    try:
        module = importlib.import_module(f"bench.scenarios.{name}")
    except ModuleNotFoundError as error:
        raise ValueError(
            f"scenario {name} compares with a package that is not installed ({error.name}); "
            "install the `bench` extra: pip install 'netplay[bench]'"
        ) from error
    scenario: Scenario = module.SCENARIO
    return scenario
