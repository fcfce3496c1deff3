"""Lane numbers: lanes are per hop, so a member's lanes never become another member's lanes.

docs/protocol/messaging.md, section "Lanes".
"""

from __future__ import annotations

from typing import Final

from netcore.delivery import Delivery
from netcore.lane import LaneOptions

CONTROL: Final = 0
"""Both directions, ordered: control messages."""
TIME: Final = 6
"""Both directions, unreliable: clock requests and answers."""

TO_CLIENT_ORDERED: Final = 1
TO_CLIENT_RELIABLE: Final = 2
TO_CLIENT_SEQUENCED: Final = 3
TO_CLIENT_UNRELIABLE: Final = 4

APPLICATION_FIRST: Final = 8
APPLICATION_LAST: Final = 63

TO_CLIENT: Final[dict[Delivery, int]] = {
    Delivery.ORDERED: TO_CLIENT_ORDERED,
    Delivery.RELIABLE: TO_CLIENT_RELIABLE,
    Delivery.SEQUENCED: TO_CLIENT_SEQUENCED,
    Delivery.UNRELIABLE: TO_CLIENT_UNRELIABLE,
}
"""The one lane of each kind on which a server sends application messages to a client."""

DEFAULT_APPLICATION_LANE: Final[dict[Delivery, int]] = {
    Delivery.ORDERED: 8,
    Delivery.RELIABLE: 9,
    Delivery.SEQUENCED: 10,
    Delivery.UNRELIABLE: 11,
}
"""The lane a client uses where the application names none."""

TO_CLIENT_OPTIONS: Final[dict[int, LaneOptions]] = {
    TO_CLIENT_SEQUENCED: LaneOptions(Delivery.SEQUENCED, settle=True),
}
"""How a server sends on a datagram link, where that is not the plain way."""

TO_SERVER_OPTIONS: Final[dict[Delivery, LaneOptions]] = {
    Delivery.SEQUENCED: LaneOptions(Delivery.SEQUENCED, settle=True),
    Delivery.RELIABLE: LaneOptions(Delivery.RELIABLE, redundancy=2),
    Delivery.ORDERED: LaneOptions(Delivery.ORDERED, redundancy=2),
}
"""How a client sends on the application lanes of a datagram link. An input or a call that is lost costs its player
a round trip; up to 512 bytes more upstream spare it (docs/adr/0008-the-last-word-arrives.md)."""
