"""How a connection ended, as far as its WebSocket tells."""

import time
from datetime import UTC, datetime

from websockets.exceptions import PayloadTooBig
from websockets.frames import Close, CloseCode

from gateway.connection import StationConnection
from gateway.pinged_socket import PING_TIMEOUT_REASON
from gateway.security_reports import SecurityReports
from gateway.station_socket import StationSocket
from shared.domain.stations.availability import Disconnection, DisconnectReason

MESSAGE_TOO_LONG = "MessageTooLong"
"""Security event of ours: a station sent what is longer than any message may be."""

_PING_TIMEOUT = Close(CloseCode.INTERNAL_ERROR, PING_TIMEOUT_REASON)
_OURS: dict[int, DisconnectReason] = {
    CloseCode.SERVICE_RESTART: DisconnectReason.DRAINED,
    CloseCode.GOING_AWAY: DisconnectReason.DRAINED,
    CloseCode.TRY_AGAIN_LATER: DisconnectReason.DATABASE_AWAY,
}


def disconnection(connection: StationConnection, socket: StationSocket) -> Disconnection:
    """Return how a connection ended that has ended now."""
    protocol = socket.protocol
    reason, close = find_reason(
        protocol.close_sent, protocol.close_rcvd, received_first=protocol.close_rcvd_then_sent
    )
    silent_s = time.monotonic() - connection.heard_at_s
    return Disconnection(
        ownership=connection.station.ownership,
        reason=reason,
        close_code=None if close is None else close.code,
        # A station's may hold anything that is UTF-8, and Postgres keeps no NUL.
        close_reason=close.reason.replace("\0", "") if close and close.reason else None,
        last_heard_at=datetime.fromtimestamp(time.time() - silent_s, UTC),
    )


def find_reason(
    sent: Close | None, received: Close | None, *, received_first: bool | None
) -> tuple[DisconnectReason, Close | None]:
    """Return why a connection ended, and the close frame that says so.

    Args:
        sent: our close frame.
        received: the station's.
        received_first: whether the station's came first; None unless there are both.
    """
    if received is not None and received_first is not False:
        return DisconnectReason.CLOSED_BY_STATION, received
    if sent is None:
        return DisconnectReason.CONNECTION_LOST, None
    if sent == _PING_TIMEOUT:
        return DisconnectReason.PING_TIMEOUT, sent
    return _OURS.get(sent.code, DisconnectReason.CLOSED_BY_GATEWAY), sent


def report_if_too_long(reports: SecurityReports, station_id: str, socket: StationSocket) -> None:
    """Tell the operator if a connection ended because of a message that was too long.

    Nothing of it was read: the station sends it again, and nothing of what stands behind it.
    """
    error = socket.protocol.parser_exc
    if isinstance(error, PayloadTooBig):
        # What is compressed is not inflated any further than to the limit.
        size = "more" if error.size is None else f"{error.size + (error.current_size or 0)} bytes"
        reports.report(
            station_id,
            MESSAGE_TOO_LONG,
            f"this station sent a message of {size}; at most {error.max_size} bytes are taken, so "
            "its connection was closed with 1009, and it will send the message again. If it is the "
            "end of a long charge, raise VOLTARO_MAX_TRANSACTION_MESSAGE_BYTES of the gateways, or "
            "have the station keep fewer samples (StopTxnSampledData, "
            "SampledDataTxEndedMeasurands)",
        )
