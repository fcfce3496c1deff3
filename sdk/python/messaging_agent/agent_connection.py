"""AgentConnection: a channel for programs without an event loop."""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Final

from messaging_agent.channel import Channel
from messaging_agent.connect import TRANSPORTS, connect
from messaging_agent.errors import NotConnected
from messaging_agent.events import Closed, Event, Refused
from messaging_agent.history import HistoryPage
from messaging_agent.loop_thread import LoopThread
from messaging_agent.messages import Message
from messaging_agent.roster import Agent
from netcore.delivery import Delivery

CONNECT_TIMEOUT_S: Final = 30.0
CLOSE_TIMEOUT_S: Final = 10.0

_RECEIVE_FIELDS: Final = ("after", "limit", "poll_source")


class AgentConnection:
    """One agent in one channel at a time, from ordinary threads.

    ```python
    agent = AgentConnection(api_url="http://127.0.0.1:7777", api_key="...")
    agent.on_message = lambda message: print(message.sender, message.content)
    agent.connect("my-game-lobby", "player-1", "secure-password")
    agent.send_message("Hello, World!")
    agent.disconnect()
    ```

    A daemon thread with an event loop does the work. The callbacks `on_message(message)`, `on_connect()`,
    `on_disconnect()`, `on_error(text)` and `on_event(event)` run in that thread: they must not block, and of
    this object they may call `send_message`, `agents` and the properties only. Set them before `connect`.
    Every method may be called from any other thread; `connect` and `disconnect` exclude each other.
    """

    def __init__(
        self,
        api_url: str,
        api_key: str,
        *,
        transports: Sequence[str] = TRANSPORTS,
        ssl_context: ssl.SSLContext | None = None,
        certificate_sha256: str | None = None,
    ) -> None:
        self.on_message: Callable[[Message], None] | None = None
        self.on_connect: Callable[[], None] | None = None
        self.on_disconnect: Callable[[], None] | None = None
        self.on_error: Callable[[str], None] | None = None
        self.on_event: Callable[[Event], None] | None = None
        self._api_url = api_url
        self._api_key = api_key
        self._transports = tuple(transports)
        self._ssl_context = ssl_context
        self._certificate_sha256 = certificate_sha256
        self._thread: LoopThread | None = None
        self._channel: Channel | None = None
        self._changing = threading.Lock()

    # Coming and going

    def connect(
        self,
        channel_name: str,
        agent_name: str,
        channel_password: str,
        *,
        poll_source: str = "AUTO",
        session_id: str | None = None,
        scope: str = "private",
        game: str | None = None,
        game_options: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        custom_event_type: str | Sequence[str] | None = None,
        encrypt: bool = True,
        accept_plain: bool = False,
    ) -> AgentConnection:
        """Join a channel and wait until that is done (`messaging_agent.connect` tells what each value means).

        Returns the connection itself, so that it can stand in a `with`. Raises what `messaging_agent.connect`
        raises, `TimeoutError` after 30 s, and `RuntimeError` where a channel is open already.
        """
        with self._changing:
            if self._channel is not None and self._channel.session.closed is None:
                raise RuntimeError(
                    "this AgentConnection is connected; disconnect() first, or make another one"
                )
            self._stop()
            thread = self._thread = LoopThread(f"messaging agent {agent_name}")
            try:
                self._channel = thread.run(
                    self._open(
                        channel_name,
                        agent_name,
                        channel_password,
                        poll_source=poll_source,
                        session_id=session_id,
                        scope=scope,
                        game=game,
                        game_options=game_options,
                        metadata=metadata,
                        custom_event_type=custom_event_type,
                        encrypt=encrypt,
                        accept_plain=accept_plain,
                    ),
                    CONNECT_TIMEOUT_S,
                )
            except BaseException:
                self._stop()
                raise
        return self

    def disconnect(self) -> None:
        """Leave the channel; what was sent arrives first, for up to two seconds. Harmless when not connected."""
        with self._changing:
            self._stop()

    def __enter__(self) -> AgentConnection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.disconnect()

    # Messages

    def send_message(
        self,
        content: object,
        *,
        type: str = "chat-text",
        to: str | None = None,
        delivery: str | Delivery = Delivery.ORDERED,
        key: int = 0,
        ephemeral: bool | None = None,
        filter: str | None = None,
        wait_s: float | None = None,
    ) -> None:
        """Send text, bytes or a JSON value to everyone else, to the agent named `to`, or to those who match `filter`.

        Returns when the message is on its way; with `wait_s`, when the server has it, or raises
        `TimeoutError` after that long (then nobody knows: it may still arrive). Raises as `Channel.send`
        does.
        """
        channel, thread = self._connected()
        receipt = thread.call(
            lambda: channel.send(
                content, type=type, to=to, delivery=delivery, key=key, ephemeral=ephemeral, filter=filter
            )
        )
        if wait_s is not None:

            async def arrive() -> None:
                await receipt

            thread.run(arrive(), wait_s)

    def receive(self, session_id: str | None = None, config: object = None) -> HistoryPage:
        """Read the channel's log.

        `session_id` is this connection's own (None, or any that it had: the current one is used). `config`
        is a mapping or an object with any of `after` (only messages with a higher offset; left out: from
        the oldest that is kept), `limit` (1 to 1,000, default 100) and `poll_source` (left out: that of
        `connect`). The page's `served_by` tells which layer answered.
        """
        channel, thread = self._connected()
        wanted = _receive_config(config)
        return thread.run(channel.receive(**wanted), CONNECT_TIMEOUT_S)

    # Facts

    @property
    def session_id(self) -> str:
        """What resumes this session elsewhere; a secret that changes with every reconnect."""
        return self._connected()[0].session_id

    @property
    def channel_id(self) -> str:
        """The channel's id."""
        return self._connected()[0].id

    @property
    def transport(self) -> str | None:
        """`udp`, `websocket` or `long-poll`; None while there is no link."""
        return self._connected()[0].transport

    @property
    def rtt_s(self) -> float | None:
        """Round trip to the server in seconds."""
        channel, thread = self._connected()
        return thread.call(lambda: channel.rtt_s)

    @property
    def agents(self) -> list[Agent]:
        """Everyone in the channel."""
        channel, thread = self._connected()
        return thread.call(lambda: channel.agents)

    @property
    def is_connected(self) -> bool:
        """True while the session lives, also in the moments without a link."""
        channel = self._channel
        return channel is not None and channel.session.closed is None

    # Inside

    async def _open(self, channel: str, agent: str, password: str, **options: Any) -> Channel:
        made = await connect(
            self._api_url,
            self._api_key,
            channel,
            agent,
            password,
            transports=self._transports,
            ssl_context=self._ssl_context,
            certificate_sha256=self._certificate_sha256,
            **options,
        )
        made.on_event = self._event
        self._notify(self.on_connect)
        made.on_message = self._message
        made.hand_over_unread()
        return made

    def _message(self, message: Message) -> None:
        if self.on_message is not None:
            self.on_message(message)

    def _event(self, event: Event) -> None:
        if self.on_event is not None:
            self.on_event(event)
        if isinstance(event, Closed):
            self._notify(self.on_disconnect)
        elif isinstance(event, Refused) and self.on_error is not None:
            self.on_error(event.text)

    def _notify(self, callback: Callable[[], None] | None) -> None:
        if callback is not None:
            callback()

    def _connected(self) -> tuple[Channel, LoopThread]:
        channel, thread = self._channel, self._thread
        if channel is None or thread is None:
            raise NotConnected("This AgentConnection has no channel: call connect() first.")
        return channel, thread

    def _stop(self) -> None:
        channel, self._channel = self._channel, None
        thread, self._thread = self._thread, None
        if thread is None:
            return
        if thread.is_current:
            self._channel, self._thread = channel, thread
            raise RuntimeError("disconnect() cannot be called from a callback")
        if channel is not None:
            with contextlib.suppress(TimeoutError):
                thread.run(channel.close(), CLOSE_TIMEOUT_S)
        thread.stop()


def _receive_config(config: object) -> dict[str, Any]:
    """The known fields of a mapping or an object. Raises `ValueError` for a mapping with others."""
    if config is None:
        return {}
    if isinstance(config, Mapping):
        unknown = [str(name) for name in config if name not in _RECEIVE_FIELDS]
        if unknown:
            raise ValueError(
                f"receive() knows {', '.join(_RECEIVE_FIELDS)}; config has {', '.join(unknown)} too"
            )
        found = dict(config)
    else:
        found = {name: getattr(config, name) for name in _RECEIVE_FIELDS if hasattr(config, name)}
    return {name: value for name, value in found.items() if value is not None}
