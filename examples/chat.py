"""A chat in the terminal: everyone with the same channel and password reads along, nobody else does.

    .venv/bin/python examples/chat.py --key "$(.venv/bin/netplay key)" --name ada --channel lobby

A line is sent to everyone; `/to NAME text` to one; `/who` lists who is here; `/quit` or end of input leaves.
"""

from __future__ import annotations

import argparse
import asyncio
import getpass
import os
import sys

from messaging_agent import Channel, ChannelClosed, MessagingError, connect
from messaging_agent.events import (
    AgentAway,
    AgentBack,
    AgentJoined,
    AgentLeft,
    Disconnected,
    Event,
    TransportChanged,
)


async def main(options: argparse.Namespace, password: str) -> None:
    """Join, then read lines and messages at the same time."""
    async with connect(options.url, options.key, options.channel, options.name, password) as channel:
        if channel.created:
            print("* You are the first here. (With another password it would be another channel.)")
        print(f"* {who(channel)} · over {channel.transport}")
        channel.on_event = show_event
        reading = asyncio.create_task(show_messages(channel))
        await send_lines(channel)
        reading.cancel()


async def show_messages(channel: Channel) -> None:
    """Print what the others say, until the channel ends."""
    try:
        async for message in channel:
            whisper = " (to you)" if message.to_me else ""
            print(f"<{message.sender}>{whisper} {message.content}")
    except ChannelClosed as closed:
        print(f"* {closed}")
        os._exit(1)  # the thread that waits for a line cannot be woken otherwise


async def send_lines(channel: Channel) -> None:
    """Send what is typed."""
    while True:
        line = await asyncio.to_thread(sys.stdin.readline)
        text = line.strip()
        if not line or text == "/quit":
            return
        try:
            if text == "/who":
                print(f"* {who(channel)}")
            elif text.startswith("/to "):
                _, name, words = text.split(maxsplit=2)
                await channel.send(words, to=name)
            elif text:
                await channel.send(text)
        except (MessagingError, ValueError) as error:
            print(f"* {error}")


def show_event(event: Event) -> None:
    """Print who comes and goes, and how the connection is doing."""
    match event:
        case AgentJoined(agent):
            print(f"* {agent.name} is here")
        case AgentLeft(agent, reason):
            print(f"* {agent.name} left ({reason})")
        case AgentAway(agent):
            print(f"* {agent.name} lost the connection")
        case AgentBack(agent):
            print(f"* {agent.name} is back")
        case Disconnected():
            print("* connection lost, coming back ...")
        case TransportChanged(transport, _):
            print(f"* now over {transport}")


def who(channel: Channel) -> str:
    """Everyone who is here."""
    return "here: " + ", ".join(agent.name for agent in channel.agents)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Chat in the terminal.")
    parser.add_argument("--url", default="http://127.0.0.1:7777", help="the server's address")
    parser.add_argument("--key", default=os.environ.get("NETPLAY_API_KEY"), help="API key (NETPLAY_API_KEY)")
    parser.add_argument("--channel", default="lobby")
    parser.add_argument("--name", default=getpass.getuser())
    parser.add_argument("--password", help="the channel's password; asked for where it is left out")
    given = parser.parse_args()
    if not given.key:
        parser.error("an API key is needed: --key or NETPLAY_API_KEY; `netplay key` prints the server's")
    try:
        asyncio.run(main(given, given.password or getpass.getpass("channel password: ")))
    except (MessagingError, ValueError) as error:
        raise SystemExit(str(error)) from None
    except KeyboardInterrupt:
        pass
