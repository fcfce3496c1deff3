"""Two agents meet in a channel, one over UDP and one over WebSocket, and greet each other.

    NETPLAY_API_KEY=$(.venv/bin/netplay key) .venv/bin/python examples/quickstart.py [URL]

NETPLAY_API_KEY is the key that the server printed; URL defaults to http://127.0.0.1:7777.
"""

from __future__ import annotations

import asyncio
import os
import sys

from messaging_agent import Channel, connect

CHANNEL = "lobby"
PASSWORD = "our password"
ANSWER_TIMEOUT_S = 5.0


async def meet(url: str, key: str) -> None:
    """Connect both agents and let each say one thing."""
    async with (
        connect(url, key, CHANNEL, "ada", PASSWORD, transports=["udp"]) as ada,
        connect(url, key, CHANNEL, "bob", PASSWORD, transports=["websocket"]) as bob,
    ):
        await ada.send("Hello, Bob!")
        await hear(bob)
        await bob.send({"hello": "Ada"}, to="ada")
        await hear(ada)


async def hear(channel: Channel) -> None:
    """Wait for one message and print it."""
    message = await channel.next_message(ANSWER_TIMEOUT_S)
    print(f"{channel.agent_name}, over {channel.transport}, hears {message.sender}: {message.content}")


def main() -> None:
    """Run against the server named on the command line."""
    key = os.environ.get("NETPLAY_API_KEY")
    if not key:
        sys.exit("set NETPLAY_API_KEY to the key that the server printed")
    asyncio.run(meet(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:7777", key))


if __name__ == "__main__":
    main()
