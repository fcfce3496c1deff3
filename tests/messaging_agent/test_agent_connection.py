"""The synchronous layer, from ordinary threads, as the platform's description prints it."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from messaging_agent import AgentConnection, Message
from messaging_agent.errors import BadApiKey, NotConnected
from messaging_agent.loop_thread import LoopThread

from tests.messaging_agent.loopback import serving


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """(address, key) of a server that runs in a thread of its own."""
    thread = LoopThread("test server")
    context = serving(tmp_path)
    loopback = thread.run(context.__aenter__())
    yield loopback.url, loopback.key
    thread.run(context.__aexit__(None, None, None))
    thread.stop()


def until_seen(connection: AgentConnection, name: str) -> None:
    """Wait until the server has told `connection` of the agent `name`."""
    deadline = time.monotonic() + 5.0
    while name not in [agent.name for agent in connection.agents]:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_published_snippet_runs_as_printed(server: tuple[str, str]) -> None:
    url, key = server
    agent = AgentConnection(api_url=url, api_key=key)
    agent.connect("my-game-lobby", "player-1", "secure-password")
    agent.send_message("Hello, World!", wait_s=5.0)
    page = agent.receive(agent.session_id, {"after": 0})
    assert [message.content for message in page.messages] == ["Hello, World!"]
    assert page.served_by == "memory"
    agent.disconnect()
    agent.connect(
        channel_name="game-room", channel_password="secret", agent_name="Player-1", poll_source="CACHE"
    )
    assert [one.name for one in agent.agents] == ["Player-1"]
    agent.disconnect()
    assert not agent.is_connected


def test_callbacks_hear_messages_and_the_life_of_the_connection(server: tuple[str, str]) -> None:
    url, key = server
    heard: queue.Queue[Message] = queue.Queue()
    life: list[str] = []
    first, second = AgentConnection(url, key, transports=["websocket"]), AgentConnection(url, key)
    second.on_message = heard.put
    second.on_connect = lambda: life.append("connect")
    second.on_disconnect = lambda: life.append("disconnect")
    with first.connect("lobby", "a", "pw"), second.connect("lobby", "b", "pw"):
        assert (first.transport, second.transport) == ("websocket", "udp")
        until_seen(first, "b")
        first.send_message({"n": 1}, to="b", type="move")
        message = heard.get(timeout=5.0)
        assert (message.sender, message.type, message.content, message.to_me) == ("a", "move", {"n": 1}, True)
        assert life == ["connect"]
    assert life == ["connect", "disconnect"]


def test_a_callback_may_answer_and_may_not_wait(server: tuple[str, str]) -> None:
    url, key = server
    answers: queue.Queue[Any] = queue.Queue()
    errors: queue.Queue[str] = queue.Queue()
    first, second = AgentConnection(url, key), AgentConnection(url, key)

    def answer(message: Message) -> None:
        second.send_message(f"heard {message.content}")
        try:
            second.receive()
        except RuntimeError as error:
            errors.put(str(error))

    second.on_message = answer
    first.on_message = lambda message: answers.put(message.content)
    with first.connect("lobby", "a", "pw"), second.connect("lobby", "b", "pw"):
        first.send_message("you")
        assert answers.get(timeout=5.0) == "heard you"
        assert "callback" in errors.get(timeout=5.0)


def test_a_defective_callback_does_not_stop_the_connection(server: tuple[str, str]) -> None:
    url, key = server
    heard: queue.Queue[Any] = queue.Queue()

    def fail_first(message: Message) -> None:
        heard.put(message.content)
        raise ZeroDivisionError

    first, second = AgentConnection(url, key), AgentConnection(url, key)
    second.on_message = fail_first
    with first.connect("lobby", "a", "pw"), second.connect("lobby", "b", "pw"):
        first.send_message("1")
        first.send_message("2")
        assert [heard.get(timeout=5.0) for _ in range(2)] == ["1", "2"]


def test_many_threads_may_send_at_once(server: tuple[str, str]) -> None:
    url, key = server
    heard: queue.Queue[Any] = queue.Queue()
    first, second = AgentConnection(url, key), AgentConnection(url, key)
    second.on_message = lambda message: heard.put(message.content)
    with first.connect("lobby", "a", "pw"), second.connect("lobby", "b", "pw"):

        def send_all(part: int) -> None:
            for number in range(20):
                first.send_message([part, number])

        threads = [threading.Thread(target=send_all, args=(part,)) for part in range(4)]
        for thread in threads:
            thread.start()
        contents = [heard.get(timeout=5.0) for _ in range(80)]
        for thread in threads:
            thread.join()
    assert sorted(contents) == [[part, n] for part in range(4) for n in range(20)]
    for part in range(4):
        assert [n for of, n in contents if of == part] == list(range(20))


def test_receive_takes_an_object_or_a_mapping_and_names_what_it_does_not_know(
    server: tuple[str, str],
) -> None:
    agent = AgentConnection(*server)
    with agent.connect("lobby", "a", "pw"):
        for number in range(3):
            agent.send_message(number, wait_s=5.0)
        config = SimpleNamespace(after=1, limit=1, poll_source="DATABASE", other="ignored")
        assert [message.content for message in agent.receive(agent.session_id, config).messages] == [1]
        with pytest.raises(ValueError, match="offset"):
            agent.receive(agent.session_id, {"offset": 1})


def test_a_refused_connect_leaves_nothing_running(server: tuple[str, str]) -> None:
    url, _ = server
    before = threading.active_count()
    agent = AgentConnection(url, "npk_000000000000_" + "a" * 43)
    with pytest.raises(BadApiKey):
        agent.connect("lobby", "a", "pw")
    assert threading.active_count() <= before + 1  # the executor's thread that derived the key may stay
    with pytest.raises(NotConnected, match="connect"):
        agent.send_message("x")
    agent.disconnect()


def test_a_second_connect_needs_a_disconnect_first(server: tuple[str, str]) -> None:
    agent = AgentConnection(*server)
    with agent.connect("lobby", "a", "pw"):
        with pytest.raises(RuntimeError, match="disconnect"):
            agent.connect("lobby", "b", "pw")
        assert agent.is_connected
