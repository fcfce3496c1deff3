"""The real server in a process of its own, so that its processor time can be read from outside."""

from __future__ import annotations

import asyncio
import os
import tempfile
from multiprocessing.connection import Connection
from pathlib import Path

from hub.keys import KeyRing
from netcore.aio import event_loop_factory
from netplay.config import Config
from netplay.server import NetplayServer


def serve(pipe: Connection) -> None:
    """Serve until terminated; tells `(port, api key)` through `pipe`."""

    async def main() -> None:
        keys = KeyRing()
        api_key = keys.issue("bench", os.urandom)
        with tempfile.TemporaryDirectory() as state:
            server = NetplayServer(Config(port=0, state_dir=Path(state)), keys)
            await server.start()
            pipe.send((server.http_port, api_key))
            await asyncio.Event().wait()

    with asyncio.Runner(loop_factory=event_loop_factory()) as runner:
        runner.run(main())
