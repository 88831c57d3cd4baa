"""Dead letters in the words of the API."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from control.api.schemas.types import FREE_TEXT, Number
from shared.domain.dead_letters import DeadLetterStatus

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
    fact: str = Field(description="all that was said, for people to read")
    status: DeadLetterStatus = Field(
        description="`open`: waits for a person; `matched`: can only be one session's, which has "
        "it; `assigned`, `dismissed`: decided by an operator"
    )
    transaction_end: StrayTransactionEnd | None = Field(
        description="what can be given to a session, if it is an end"
    )
    session_id: str | None = Field(description="the session that has it")
    decided_at: datetime | None
    decided_by: str | None
    note: str | None
    received_at: datetime


class DeadLetterAssignment(BaseModel):
    """Which session an end is given to."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"session_id": "0197278e-7e02-7d1c-a6d5-5a3f0f6b7a11", "note": None}]
        },
    )

    session_id: UUID
    note: Note | None = None


class DeadLetterDismissal(BaseModel):
    """Why a dead letter means nothing."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"note": "test of the installer"}]}
    )

    note: Note | None = None
