"""Dead letters in the words of the API."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from control.api.types import FREE_TEXT, Number, Payload, RequestBody
from shared.domain.sessions.dead_letters import DeadLetterStatus

_EXAMPLE: dict[str, Any] = {
    "dead_letter_id": "0197278e-7e02-7d1c-a6d5-5a3f0f6b7a12",
    "station_id": "CS-0001",
    "kind": "TransactionEnded",
    "reason": "the station has no transaction with this id",
    "fact": "TransactionEnded(station_id='CS-0001', transaction_id='-1', ...)",
    "status": "open",
    "transaction_end": {
        "transaction_id": "-1",
        "ended_at": "2025-06-01T10:30:00Z",
        "meter_stop_wh": 141500,
        "stopped_reason": "EVDisconnected",
        "id_token": "04A2B3C4D5E6F7",
    },
    "session_id": None,
    "decided_at": None,
    "decided_by": None,
    "note": None,
    "received_at": "2025-06-01T10:30:00.085Z",
    "action": None,
    "ocpp_version": None,
    "frame_bytes": None,
    "to_be_delivered": False,
    "delivered_at": None,
}

Note = Annotated[str, Field(max_length=1000), FREE_TEXT]


class StrayTransactionEnd(BaseModel):
    """The end of a transaction that the station does not have, as it was told."""

    model_config = ConfigDict(from_attributes=True)

    transaction_id: str
    ended_at: datetime
    meter_stop_wh: Number
    stopped_reason: str
    id_token: str | None


class DeadLetter(BaseModel):
    """Something that a station said and that could not be kept where it belongs."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_EXAMPLE]})

    dead_letter_id: str
    station_id: str
    kind: str
    reason: str = Field(description="why it is here")
    fact: str = Field(
        description="all that was said, for people to read; of a charge with thousands of readings "
        "only the first ones"
    )
    status: DeadLetterStatus = Field(
        description="`open`: waits for a person; `matched`: can only be one session's, which has "
        "it; `assigned`, `dismissed`: decided by an operator; `delivered`: written where it "
        "belongs after all"
    )
    transaction_end: StrayTransactionEnd | None = Field(
        description="what can be given to a session, if it is an end"
    )
    session_id: str | None = Field(description="the session that has it")
    decided_at: datetime | None
    decided_by: str | None
    note: str | None
    received_at: datetime
    action: str | None = Field(
        description="of a message that was answered with a CALLERROR (`kind` is CallRefused)"
    )
    ocpp_version: str | None = Field(description="which it was said in")
    frame_bytes: int | None = Field(description="the length of its frame")
    to_be_delivered: bool = Field(
        description="it is about to be written where it belongs, by the worker or a gateway"
    )
    delivered_at: datetime | None


class DeadLetterDetails(DeadLetter):
    """A dead letter with the frame that it came in."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **_EXAMPLE,
                    "kind": "CallRefused",
                    "reason": 'TypeConstraintViolation: meterStop: "?" is not of type "integer"',
                    "fact": "StopTransaction of OCPP 1.6, answered with TypeConstraintViolation",
                    "transaction_end": None,
                    "action": "StopTransaction",
                    "ocpp_version": "1.6",
                    "frame_bytes": 105,
                    "frame": '[2,"7","StopTransaction",{"transactionId":1,"meterStop":"?",'
                    '"timestamp":"2025-06-01T10:30:00Z"}]',
                }
            ]
        }
    )

    frame: str | None = Field(
        default=None,
        description="the whole message if it was refused, without secrets; null for what was "
        "understood, and stands in `fact`",
    )


class DeadLetterReplay(RequestBody):
    """How a dead letter is delivered again."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "payload": {
                        "transactionId": 1,
                        "meterStop": 141500,
                        "timestamp": "2025-06-01T10:30:00Z",
                    },
                    "note": "the register was read at the site",
                }
            ]
        },
    )

    payload: Payload | None = Field(
        default=None,
        description="of a refused message, for its own; the gateway looks at it as at any payload. "
        "Left out, the message is handled as it came, which helps once the gateways have learned "
        "to read it",
    )
    note: Note | None = None


class DeadLetterAssignment(RequestBody):
    """Which session a dead letter is given to."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"session_id": "0197278e-7e02-7d1c-a6d5-5a3f0f6b7a11", "note": None}]
        },
    )

    session_id: UUID
    note: Note | None = None


class DeadLetterDismissal(RequestBody):
    """Why a dead letter means nothing."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"note": "test of the installer"}]})

    note: Note | None = None
