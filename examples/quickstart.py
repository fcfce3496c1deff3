"""Three agents in one channel, over UDP, WebSocket and long poll, exchange messages of every delivery kind.

make serve                                              # in another terminal
.venv/bin/python examples/quickstart.py --key "$(.venv/bin/netplay key)"
"""

from __future__ import annotations

import argparse
import asyncio
import os

from messaging_agent import Channel, Connecting, MessagingError, connect


async def main(url: str, key: str) -> None:
    """Join three times, send each way, and show what arrives."""

    def join(name: str, transport: str) -> Connecting:
        return connect(url, key, "quick-start", name, "our password", transports=[transport])

    async with join("ada", "udp") as ada, join("bob", "websocket") as bob, join("cem", "long-poll") as cem:
        for agent in (ada, bob, cem):
            print(f"{agent.agent_name} came over {agent.transport}")
        print(f"here: {names(cem)}")

        # Awaiting the receipt waits until the server has the message.
        await ada.send("Hello, everyone!")
        await show(bob)
        await show(cem)

        # Latest wins for each key: what a moving thing wants. Nothing is repeated, nothing queues up.
        bob.send({"x": 3, "y": 4}, type="position", delivery="sequenced", key=1)
        await show(ada)

        await show(cem)

        # To one agent, once, in any order.
        await cem.send(b"\x00\x01", to="ada", delivery="reliable")
        await show(ada)

        page = await ada.receive(after=0)
        stored = [message.content for message in page.messages]
        print(f"the server's log ({page.served_by}) holds {stored}, encrypted: it cannot read them")


async def show(channel: Channel) -> None:
    """Wait for one message and print it."""
    message = await channel.next_message(timeout_s=5.0)
    kind = message.delivery.name.lower()
    print(f"{channel.agent_name} hears {message.sender}: {message.content} ({message.type}, {kind})")


def names(channel: Channel) -> str:
    """Who is in the channel."""
    return ", ".join(agent.name for agent in channel.agents)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description="Three agents exchange messages over UDP, WebSocket and long poll."
    )
    parser.add_argument("address", nargs="?", help="the server's address, as --url")
    parser.add_argument("--url", default="http://127.0.0.1:7777", help="the server's address")
    parser.add_argument("--key", default=os.environ.get("NETPLAY_API_KEY"), help="API key (NETPLAY_API_KEY)")
    arguments = parser.parse_args()
    if not arguments.key:
        parser.error("an API key is needed: --key or NETPLAY_API_KEY; `netplay key` prints the server's")
    try:
        asyncio.run(main(arguments.address or arguments.url, arguments.key))
    except MessagingError as error:
        raise SystemExit(str(error)) from None
