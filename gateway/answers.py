"""What a CALL of a station is answered with."""

from typing import Any, TypeAlias

import structlog

from gateway import rpc
from gateway.errors import CallRefusedError, ErrorCode
from gateway.routing import to_payload

log = structlog.get_logger()

Answer: TypeAlias = tuple[str, bytes]
"""What metrics call it ("CallResult", or the code of the CALLERROR), and its frame."""


def encode_result(call: rpc.Call, result: Any) -> Answer:  # noqa: ANN401 - any `call_result` dataclass
    """Return the CALLRESULT that a handler's result is."""
    return "CallResult", rpc.encode_call_result(call.message_id, to_payload(result))


def refuse(peer: rpc.Peer, call: rpc.Call, error: Exception, station_id: str) -> Answer:
    """Return the CALLERROR that an error of a handler is; one that is our fault is logged."""
    action = call.route.action
    if isinstance(error, CallRefusedError):
        code, description = error.code, str(error)
    else:
        log.error("a handler failed", station_id=station_id, action=action, exc_info=error)
        code, description = ErrorCode.INTERNAL_ERROR, "our fault; it has been logged"
    return code, peer.refuse(call.message_id, action, code, description).frame


def refuse_unaccepted(peer: rpc.Peer, call: rpc.Call, station_id: str) -> Answer:
    """Return the CALLERROR of what a station says before it may (2.0.1 B01.FR.10)."""
    refusal = CallRefusedError(
        ErrorCode.SECURITY_ERROR,
        "only BootNotification, and what we ask for, before it was answered with Accepted",
    )
    return refuse(peer, call, refusal, station_id)
