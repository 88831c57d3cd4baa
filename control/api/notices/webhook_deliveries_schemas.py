"""Deliveries to webhook endpoints in the words of the API."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from control.api.types import RequestBody, UtcTime, members_of
from shared.domain.notices import webhooks as domain
from shared.domain.notices.webhooks import DeliveryState

_ATTEMPT: dict[str, Any] = {
    "attempted_at": "2026-11-30T12:00:00Z",
    "seconds": 0.031,
    "status": 503,
    "error": "it answers 503: only 200 to 299 counts as delivered",
    "answer": "try again later",
}
_EXAMPLE: dict[str, Any] = {
    "webhook_delivery_id": "01975ed3-0000-7000-8000-000000000000",
    "webhook_endpoint_id": "01975ed3-0000-7000-8000-000000000001",
    "event_id": "4711",
    "type": "session.ended",
    "station_id": "CS-0001",
    "state": "waiting",
    "attempts": 1,
    "next_attempt_at": "2026-11-30T12:00:05Z",
    "finished_at": None,
    "created_at": "2026-11-30T12:00:00Z",
    "last_attempt": _ATTEMPT,
}

EventId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=18,
        pattern=r"^[0-9]+$",
        description="id of an event",
        examples=["4711"],
    ),
]


class WebhookAttempt(BaseModel):
    """One request to an endpoint."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_ATTEMPT]})

    attempted_at: datetime
    seconds: float = Field(description="until it was answered, or given up")
    status: int | None = Field(description="of the answer; null: there was none")
    error: str | None = Field(description="why it did not count as delivered; null: it did")
    answer: str | None = Field(description="the first KiB of the answer's body")


class WebhookDelivery(BaseModel):
    """One event on its way to one endpoint."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_EXAMPLE]})

    webhook_delivery_id: str
    webhook_endpoint_id: str
    event_id: str = Field(description="of the event, and the `webhook-id` of every attempt")
    type: str = Field(description="of the event, or `webhook.test`")
    station_id: str | None
    state: DeliveryState = Field(
        description="`failed`: it was tried for three days, or its event is not kept any more"
    )
    attempts: int
    next_attempt_at: datetime | None = Field(
        description="not before then, and behind older ones of its station; null: none"
    )
    finished_at: datetime | None
    created_at: datetime
    last_attempt: WebhookAttempt | None

    @classmethod
    def of(
        cls, delivery: domain.WebhookDelivery, last_attempt: domain.Attempt | None = None
    ) -> Self:
        """Return a delivery as it is shown."""
        return cls.model_validate({**members_of(delivery), "last_attempt": last_attempt})


class WebhookDeliveryWithAttempts(WebhookDelivery):
    """One event on its way to one endpoint, and each attempt."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={"examples": [{**_EXAMPLE, "all_attempts": [_ATTEMPT]}]},
    )

    all_attempts: list[WebhookAttempt] = Field(
        description="the last first, up to a thousand; `attempts` counts them all"
    )

    @classmethod
    def with_attempts(
        cls, delivery: domain.WebhookDelivery, attempts: Sequence[domain.Attempt]
    ) -> Self:
        """Return a delivery as it is shown."""
        last = attempts[0] if attempts else None
        return cls.model_validate(
            {**members_of(delivery), "last_attempt": last, "all_attempts": list(attempts)}
        )


class WebhookReplayRequest(RequestBody):
    """Which events are to be delivered once more: by their ids, their times, or both."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"from_event_id": "4700", "to_event_id": "4711"}]}
    )

    from_event_id: EventId | None = Field(default=None, description="the first")
    to_event_id: EventId | None = Field(default=None, description="the last")
    since: UtcTime | None = Field(default=None, description="only those recorded then or later")
    until: UtcTime | None = Field(default=None, description="only those recorded before")

    @model_validator(mode="after")
    def _check_range(self) -> Self:
        if self.from_event_id is None and self.since is None:
            raise ValueError("say where the range begins: from_event_id or since")
        return self


class WebhookReplay(BaseModel):
    """What was put on its way."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"deliveries": 12, "next_event_id": None}]}
    )

    deliveries: int
    next_event_id: str | None = Field(
        description="where the rest of the range begins; null: all of it is on its way"
    )
