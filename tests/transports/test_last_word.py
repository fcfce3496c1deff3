"""Over UDP the last sequenced message arrives: the server's to a client, shared or not, and the client's."""

from __future__ import annotations

import pytest
from messaging_agent.datagram_link import DatagramLink

from messaging.lanes import TO_CLIENT_SEQUENCED
from netcore.delivery import Delivery
from netcore.shared import SharedBlock, SharedMessage
from tests.netcore.linked import CLIENT, SERVER, LinkedPair
from transports.udp import UdpLink

SEQUENCED = Delivery.SEQUENCED


def quiet_pair() -> LinkedPair:
    pair = LinkedPair()
    pair.run(1.0)
    pair.world.outage(CLIENT, SERVER, 0.01)
    return pair


@pytest.mark.parametrize("shared", [False, True])
def test_the_servers_last_word_survives_an_outage(shared: bool) -> None:
    pair = quiet_pair()
    link = UdpLink(pair.server)
    if shared:
        message = SharedMessage(TO_CLIENT_SEQUENCED, 9, 1, b"at rest", [0] * 9 + [1])
        link.shared_sender(TO_CLIENT_SEQUENCED)(SharedBlock([message]))
    else:
        link.send(TO_CLIENT_SEQUENCED, SEQUENCED, b"at rest", 9)
    link.flush()
    pair.run(2.0)
    assert pair.at_client.messages == [(TO_CLIENT_SEQUENCED, SEQUENCED, 9, b"at rest")]


@pytest.mark.parametrize("lane", [8, 10, 63])
def test_a_clients_last_word_survives_an_outage_on_any_application_lane(lane: int) -> None:
    pair = quiet_pair()
    link = DatagramLink(lambda link: None)
    link.connected(pair.client)
    link.send(lane, SEQUENCED, b"moving", 9)
    link.flush()
    pair.run(0.001)
    link.send(lane, SEQUENCED, b"at rest", 9)
    link.flush()
    pair.run(2.0)
    assert pair.at_server.messages == [(lane, SEQUENCED, 9, b"at rest")]


@pytest.mark.parametrize(("lane", "rides"), [(8, True), (0, False)])
def test_a_clients_small_ordered_messages_ride_again_but_not_its_control_messages(
    lane: int, rides: bool
) -> None:
    pair = quiet_pair()
    link = DatagramLink(lambda link: None)
    link.connected(pair.client)
    for number in range(6):
        link.send(lane, Delivery.ORDERED, b"%d" % number)
        link.flush()
        pair.run(0.005)
    assert (pair.client.stats.repeated_ahead > 0) == rides
    pair.run(2.0)
    assert pair.at_server.texts() == [b"%d" % number for number in range(6)]
