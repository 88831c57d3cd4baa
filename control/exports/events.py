"""Events as they are exported: in their public form."""

from typing import Any

from control.exports.columns import Column, Kind, members
from shared.domain.notices.events import Event


def _id(event: Event) -> str:
    return str(event.number)


def _data(event: Event) -> dict[str, Any]:
    return dict(event.data)


COLUMNS: tuple[Column, ...] = (
    Column("id", Kind.TEXT, _id),
    *members(
        type=Kind.TEXT,
        occurred_at=Kind.TIME,
        organization_id=Kind.TEXT,
        location_id=Kind.TEXT,
        station_id=Kind.TEXT,
    ),
    Column("data", Kind.JSON, _data),
)
