"""The link contract over UDP: on real sockets, and in virtual time over links with delay, jitter and loss."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from netcore.delivery import Delivery
from simnet.link import LinkProfile
from tests.transports.contract import LinkContract, Remote
from tests.transports.udp_harness import UdpClient, UdpHarness, VirtualUdpHarness


class UdpLinkContract(LinkContract):
    def force_kind(self, remote: Remote, lane: int, kind: Delivery) -> None:
        assert isinstance(remote, UdpClient)
        remote.forget_lane(lane)
        remote.send(lane, kind, b"x")

    def force_key(self, remote: Remote, lane: int, key: int) -> None:
        assert isinstance(remote, UdpClient)
        remote.forget_keys(lane)
        remote.send(lane, Delivery.SEQUENCED, b"x", key)


class TestUdpLink(UdpLinkContract):
    # These wait for real seconds to pass; in virtual time they pass at once.
    test_a_token_works_once = None
    test_an_expired_token_is_refused = None
    test_a_forged_token_is_refused = None
    test_a_client_that_vanishes_ends_its_link_as_idle = None

    @pytest_asyncio.fixture
    async def harness(self) -> AsyncIterator[UdpHarness]:
        made = UdpHarness()
        await made.start()
        yield made
        await made.stop()


class TestUdpLinkOnUvloop(TestUdpLink):
    pass


class TestUdpLinkInVirtualTime(UdpLinkContract):
    @pytest.fixture
    def harness(self) -> VirtualUdpHarness:
        return VirtualUdpHarness(1, LinkProfile(delay_s=0.02, jitter_s=0.003))


class TestReliableLanesOverALossyLink:
    """What must hold whatever the link loses."""

    test_ordered = LinkContract.test_ordered_messages_arrive_in_order_both_ways
    test_reliable = LinkContract.test_reliable_messages_all_arrive_once
    test_largest = LinkContract.test_the_largest_message_passes_both_ways
    test_queued_before_close = LinkContract.test_what_was_queued_arrives_before_the_close

    @pytest.fixture(params=range(3))
    def harness(self, request: pytest.FixtureRequest) -> VirtualUdpHarness:
        profile = LinkProfile(delay_s=0.02, jitter_s=0.01, loss=0.05, duplicate=0.02, corrupt=0.01)
        return VirtualUdpHarness(request.param, profile)
