"""Events in the words of the API."""

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from shared.domain.notices import events as domain
from shared.domain.notices.catalogue import CATALOGUE
from shared.domain.notices.events import EventType, public_form


class Event(BaseModel):
    """Something that has happened."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "4711",
                    "type": EventType.SESSION_ENDED,
                    "occurred_at": "2026-06-01T10:30:02.104000Z",
                    "organization_id": "default",
                    "location_id": "depot-north",
                    "station_id": "CS-0042",
                    "data": dict(CATALOGUE[EventType.SESSION_ENDED].example),
                }
            ]
        }
    )

    id: str = Field(description="a number as text; higher ones came later")
    type: EventType | str = Field(description="docs/reference/events.md; newer ones may come")
    occurred_at: datetime = Field(description="by our clock")
    organization_id: str = Field(description="whose it is")
    location_id: str | None = Field(description="where it happened")
    station_id: str | None = Field(description="at which station")
    data: dict[str, Any] = Field(description="what is told of it, by its type")

    @classmethod
    def of(cls, event: domain.Event) -> Self:
        """Translate an event."""
        return cls.model_validate(public_form(event))
