"""Security events as they are listed; `device_model` writes them."""

from dataclasses import dataclass
from datetime import datetime

from shared.store.pool import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityEvent:
    """Something that concerned a station's security (A04)."""

    security_event_id: str
    station_id: str
    type: str
    occurred_at: datetime
    tech_info: str | None
    received_at: datetime


async def list_before(
    db: Database, *, before: str | None, limit: int, station_id: str | None = None
) -> list[SecurityEvent]:
    """Return up to `limit` events, the last received first, from behind `before` on."""
    records = await db.fetch(
        """
        SELECT security_event_id::text, station_id, type, occurred_at, tech_info, received_at
        FROM security_events
        WHERE ($1::uuid IS NULL OR security_event_id < $1)
          AND ($2::text IS NULL OR station_id = $2)
        ORDER BY security_events.security_event_id DESC LIMIT $3
        """,
        before,
        station_id,
        limit,
    )
    return [SecurityEvent(**record) for record in records]
