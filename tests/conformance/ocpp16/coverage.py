"""What a conformance test of OCPP 1.6 may say it covers; docs/conformance-1.6.md is made of it."""

from dataclasses import dataclass
from enum import StrEnum

import pytest


class Direction(StrEnum):
    """Who sends the CALL."""

    FROM_STATION = "from the station"
    TO_STATION = "to the station"


@dataclass(frozen=True)
class Message:
    """A message of OCPP 1.6 in one direction."""

    action: str
    direction: Direction


def from_station(action: str) -> Message:
    """Name a message that stations send."""
    return Message(action, Direction.FROM_STATION)


def to_station(action: str) -> Message:
    """Name a message that we send."""
    return Message(action, Direction.TO_STATION)


class Row(StrEnum):
    """What has to hold beside the messages: sessions, frames, the handshake, what goes out."""

    START_RETRIED = "StartTransaction retried, with the same or a new message id: one session"
    START_REFUSED = "StartTransaction with a refused idTag: an id, the status, and a flag"
    STOP_TWICE = "StopTransaction twice with other values: the first stands"
    TRANSACTION_UNKNOWN = "a transactionId that is 0, -1, unknown or another station's"
    REGISTER_IMPOSSIBLE = "a register or clock that cannot be: needs review"
    LATE_VALUES = "meter values after the end: kept, nothing reopens"
    VALUES_WITHOUT_TRANSACTION = "MeterValues without a transaction: kept"
    STOP_MISSING = "a StopTransaction that never comes: closed by rule"
    SAMPLE_NO_NUMBER = "one sample that is no number: dropped and counted, the message kept"
    CELCIUS = "Celcius beside Celsius (errata JE 2.1)"
    STOP_WITHOUT_REASON = "StopTransaction without a reason: Local (errata JE 2.6)"
    TIMES = "times without a zone, with an offset, with 7 decimals; the year 222222017 refused"
    NO_BOOT = "a reconnect without BootNotification: works"
    BEFORE_ACCEPTED = "a CALL other than BootNotification before Accepted: refused (errata JE 3.10)"
    UNKNOWN_VENDOR = "DataTransfer of an unknown vendor: UnknownVendorId, whatever it holds"
    FRAME_NOT_JSON = "a frame that is not JSON or not an array: dropped and counted"
    FRAME_UNKNOWN_TYPE = "an unknown message type id: ignored and counted"
    ACTION_UNKNOWN = "an unknown action: NotImplemented"
    ACTION_NOT_OURS = "an action that is not ours to receive: NotSupported"
    PAYLOAD_VIOLATIONS = "a payload against its schema: the four violations, spelt as in 1.6"
    MESSAGE_ID_LONG = "a message id of more than 36 characters: CALLERROR"
    MESSAGE_ID_IN_WORK = "a message id that is still in work: CALLERROR, no second effect"
    ANSWER_UNASKED = "a late, duplicate or unasked answer: ignored and counted"
    FRAME_HOSTILE = "NUL, a lone surrogate, NaN, an integer too wide, arrays nested without end"
    CALLS_QUEUED = "a second CALL before the answer to the first: in order, bounded"
    SUBPROTOCOL_NONE = "no common subprotocol: 101 without the header, then closed"
    UNAUTHORIZED = "unknown station, wrong password, other user name: 401 for all three"
    STATION_ID_BAD = "a station id that cannot be: refused, never stored"
    MESSAGE_TOO_LONG = "a message over the limit: 1009"
    ONE_DECIMAL = "charging limits go out with one decimal, exactly"
    SECRETS = "AuthorizationKey appears in no answer and no log"


def covers(*subjects: Message | Row) -> pytest.MarkDecorator:
    """Say what a test covers."""
    return pytest.mark.covers(*subjects)
