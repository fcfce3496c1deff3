"""The Python client of a netplay server: join channels, send and receive over the best transport there is.

* `connect`: the asyncio way in, `async with connect(...) as channel`
* `Channel`, `Receipt`, `Message`, `Agent`, `HistoryPage`: what a program works with
* `messaging_agent.events`: what `channel.events()` gives
* `messaging_agent.errors`: every exception, `MessagingError` above all
* `AgentConnection`: a thin synchronous layer for programs without a loop
* `messaging_agent.session_core`: `ClientSession`, the same client without loop or socket, for virtual time
"""

from messaging_agent.agent_connection import AgentConnection
from messaging_agent.channel import Channel, EventStream
from messaging_agent.connect import Connecting, connect
from messaging_agent.errors import ChannelClosed, MessagingError
from messaging_agent.history import HistoryPage, StoredMessage
from messaging_agent.messages import Message
from messaging_agent.receipt import Receipt
from messaging_agent.roster import Agent
from netcore.delivery import Delivery

__all__ = [
    "Agent",
    "AgentConnection",
    "Channel",
    "ChannelClosed",
    "Connecting",
    "Delivery",
    "EventStream",
    "HistoryPage",
    "Message",
    "MessagingError",
    "Receipt",
    "StoredMessage",
    "connect",
]
