"""Why a connection ended, from its close frames."""

import pytest
from websockets.frames import Close, CloseCode

from gateway.disconnection import find_reason
from shared.domain.stations.availability import DisconnectReason

BYE = Close(CloseCode.NORMAL_CLOSURE, "bye")


@pytest.mark.parametrize(
    ("sent", "received", "received_first", "reason", "close"),
    [
        (None, None, None, DisconnectReason.CONNECTION_LOST, None),
        (BYE, BYE, True, DisconnectReason.CLOSED_BY_STATION, BYE),
        (None, BYE, None, DisconnectReason.CLOSED_BY_STATION, BYE),
        *(
            (ours, answer, first, reason, ours)
            for answer, first in ((None, None), (BYE, False))
            for ours, reason in (
                (Close(1011, "keepalive ping timeout"), DisconnectReason.PING_TIMEOUT),
                (Close(1011, "our fault"), DisconnectReason.CLOSED_BY_GATEWAY),
                (Close(1008, "too many CALLs"), DisconnectReason.CLOSED_BY_GATEWAY),
                (Close(1009, ""), DisconnectReason.CLOSED_BY_GATEWAY),
                (Close(1012, "stopping"), DisconnectReason.DRAINED),
                (Close(1001, "stopping"), DisconnectReason.DRAINED),
                (Close(1013, "the database is away"), DisconnectReason.DATABASE_AWAY),
                (Close(4000, "x"), DisconnectReason.CLOSED_BY_GATEWAY),
            )
        ),
    ],
)
def test_why_a_connection_ended(
    *,
    sent: Close | None,
    received: Close | None,
    received_first: bool | None,
    reason: DisconnectReason,
    close: Close | None,
) -> None:
    assert find_reason(sent, received, received_first=received_first) == (reason, close)
