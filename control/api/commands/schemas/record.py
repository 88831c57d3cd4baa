"""A command as it is answered."""

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from shared.domain.commands import CommandRecord, CommandState, QueuedReason
from shared.domain.redaction import find_secrets, hide, redact

_RECORD_EXAMPLE: dict[str, Any] = {
    "command_id": "0197278e-7e02-7d1c-a6d5-5a3f0f6b7a11",
    "station_id": "CS-0001",
    "type": "RemoteStart",
    "params": {"id_token": "04A2B3C4D5E6F7", "evse_id": 1},
    "state": "accepted",
    "status": "Accepted",
    "response": {"status": "Accepted"},
    "error_code": None,
    "error_description": None,
    "idempotency_key": "order-4711",
    "expires_at": "2025-06-01T09:00:30Z",
    "created_at": "2025-06-01T09:00:00Z",
    "sent_at": "2025-06-01T09:00:00.004Z",
    "finished_at": "2025-06-01T09:00:00.131Z",
    "pod_id": "gateway-0-3fa1c2",
    "batch_id": None,
    "queued_reason": None,
}


class Command(BaseModel):
    """A command, from `queued` to its outcome."""

    model_config = ConfigDict(
        from_attributes=True, json_schema_extra={"examples": [_RECORD_EXAMPLE]}
    )

    command_id: str
    station_id: str
    type: str
    params: dict[str, Any] = Field(description="the command's own fields; secrets are left out")
    state: CommandState = Field(
        description=(
            "`queued`: not yet sent. `sent`: no answer yet. "
            "`accepted`, `rejected`: the station said yes or no; yes is not yet the deed. "
            "`answered`: its answer is neither. "
            "`failed`: it answered with an error, or was not asked, because its version has no "
            "word for this or it has told that it cannot take it (`error_code` CannotBeSaid). "
            "`timed_out`: no answer, and asking again is harmless. "
            "`unknown`: no answer, and it may have been carried out all the same. "
            "`expired`, `cancelled`: never sent."
        )
    )
    status: str | None = Field(description="the station's own word, such as Accepted")
    response: dict[str, Any] | None = Field(
        description="the station's whole answer; secrets are left out"
    )
    error_code: str | None = Field(
        description="the station's own, or ours: CannotBeSaid, NoAnswer, MalformedAnswer and so on"
    )
    error_description: str | None = Field(description="what is wrong, in words")
    idempotency_key: str | None
    expires_at: datetime = Field(description="it is not sent later than this")
    created_at: datetime
    sent_at: datetime | None = Field(
        description="when a gateway took it, to send it or to find that it cannot be said"
    )
    finished_at: datetime | None = Field(description="when its outcome was known")
    pod_id: str | None = Field(description="the gateway pod that sent it")
    batch_id: str | None = Field(description="the batch that it belongs to")
    queued_reason: QueuedReason | None = Field(
        description="why it is still queued. `station_offline`: it is sent when the station is "
        "back until then; `batch_pace`: others of its batch go first; `on_its_way`: a pod has it, "
        "or gets it within seconds. null once it has left the queue"
    )

    @classmethod
    def of(cls, record: CommandRecord) -> Self:
        """Return the command as it is answered."""
        answer = cls.model_validate(record)
        # What was sent is also hidden here, in the answers that older pods have kept.
        secrets = find_secrets(record.params)
        answer.params = redact(answer.params)
        answer.status = hide(answer.status, secrets)
        answer.response = hide(redact(answer.response), secrets)
        answer.error_code = hide(answer.error_code, secrets)
        answer.error_description = hide(answer.error_description, secrets)
        return answer
