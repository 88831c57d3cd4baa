"""What a handler raises to be answered with a CALLERROR, whatever the version calls it."""

from enum import StrEnum


class ErrorCode(StrEnum):
    """CALLERROR codes in the spelling of OCPP 2.0.1 (part 4 §4.3).

    OCPP-J 1.6 §4.2.3 spells two of them otherwise; its version maps them.
    """

    NOT_IMPLEMENTED = "NotImplemented"
    NOT_SUPPORTED = "NotSupported"
    INTERNAL_ERROR = "InternalError"
    PROTOCOL_ERROR = "ProtocolError"
    SECURITY_ERROR = "SecurityError"
    FORMAT_VIOLATION = "FormatViolation"
    PROPERTY_CONSTRAINT_VIOLATION = "PropertyConstraintViolation"
    OCCURRENCE_CONSTRAINT_VIOLATION = "OccurrenceConstraintViolation"
    TYPE_CONSTRAINT_VIOLATION = "TypeConstraintViolation"
    GENERIC_ERROR = "GenericError"
    MESSAGE_TYPE_NOT_SUPPORTED = "MessageTypeNotSupported"
    RPC_FRAMEWORK_ERROR = "RpcFrameworkError"


class CallRefusedError(Exception):
    """A CALL that is answered with a CALLERROR; `str()` of it is the error's description.

    `member` is where in the payload the fault is, without positions in lists.
    """

    def __init__(self, code: ErrorCode, description: str, *, member: str = "") -> None:
        super().__init__(description)
        self.code = code
        self.member = member


class CannotBeSaidError(Exception):
    """A command that this version of OCPP has no words for, or not with these values."""


class StoreAwayError(Exception):
    """Nothing can be committed now, so the station must not be answered at all.

    It would count an error, and a time-out on an open socket too, as a failed attempt and after a
    few of them throw the message away (OCPP 1.6 §3.7.1, OCPP 2.0.1 E13). Only offline does it
    keep them.
    """


class ConnectionLostError(Exception):
    """The connection ended before the station answered our CALL."""


class TooLateError(Exception):
    """The time to send a CALL was over before it was sent."""
