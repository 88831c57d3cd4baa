"""Sessions and their meter values; stations make them, the API only reads."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from control import problems
from control.api.schemas.sessions import MeterValue, Session
from control.api.schemas.types import StationId
from control.paging import (
    DEFAULT_LIMIT,
    Cursor,
    Limit,
    Page,
    bad_cursor,
    cut_page,
    decode_cursor,
    decode_uuid,
    encode_cursor,
)
from control.services import ServicesDep
from shared.store import sessions
from shared.store.sessions import MeterValuePosition

router = APIRouter(prefix="/v1/sessions", tags=["sessions"])

_SESSIONS = "sessions"
_METER_VALUES = "meter-values"
_METER_VALUE_KEY_PARTS = 2
_BIGINT_MAX = 2**63 - 1


@router.get("")
async def list_sessions(
    services: ServicesDep,
    station_id: Annotated[StationId | None, Query(description="only this station's")] = None,
    active: Annotated[
        bool | None, Query(description="only those that go on, or only those that have ended")
    ] = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[Session]:
    """List the sessions, the newest first."""
    rows, next_cursor = cut_page(
        await sessions.list_before(
            services.db,
            before=decode_uuid(_SESSIONS, cursor),
            limit=limit + 1,
            station_id=station_id,
            active=active,
        ),
        limit=limit,
        cursor_of=lambda session: encode_cursor(_SESSIONS, session.session_id),
    )
    return Page(items=[Session.of(row) for row in rows], next_cursor=next_cursor)


@router.get("/{session_id}", responses=problems.responses(problems.NOT_FOUND))
async def get_session(session_id: UUID, services: ServicesDep) -> Session:
    """Return one session."""
    return Session.of(await sessions.get(services.db, str(session_id)))


@router.get("/{session_id}/meter-values", responses=problems.responses(problems.NOT_FOUND))
async def list_session_meter_values(
    session_id: UUID,
    services: ServicesDep,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[MeterValue]:
    """List what the meter showed during a session, in the order of the station's clock."""
    session = await sessions.get(services.db, str(session_id))
    rows, next_cursor = cut_page(
        await sessions.list_meter_values_after(
            services.db, session, after=_decode_position(cursor), limit=limit + 1
        ),
        limit=limit,
        cursor_of=lambda row: _encode_position(row[0]),
    )
    return Page(
        items=[MeterValue.model_validate(value) for _, value in rows], next_cursor=next_cursor
    )


def _encode_position(position: MeterValuePosition) -> str:
    return encode_cursor(_METER_VALUES, position.sampled_at.isoformat(), str(position.fingerprint))


def _decode_position(cursor: str | None) -> MeterValuePosition | None:
    key = decode_cursor(_METER_VALUES, cursor, parts=_METER_VALUE_KEY_PARTS)
    if key is None:
        return None
    try:
        position = MeterValuePosition(datetime.fromisoformat(key[0]), int(key[1]))
    except ValueError:
        raise bad_cursor() from None
    if position.sampled_at.tzinfo is None or abs(position.fingerprint) > _BIGINT_MAX:
        raise bad_cursor()
    return position
