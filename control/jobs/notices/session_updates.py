"""Tells what the meters of sessions that go on show, at a bounded rate."""

from datetime import UTC, datetime
from decimal import Decimal

from shared.domain.decimals import json_number
from shared.domain.notices.events import EventType, NewEvent, told_time
from shared.domain.sessions.going_on import Shown, shown_by
from shared.store.notices import session_updates
from shared.store.notices.session_updates import SessionGoingOn
from shared.store.pool import Database

# A sweep that begins a little early must not skip what it told in the one before.
_EARLY = 0.8


async def tell_updates(db: Database, *, interval_s: float, batch: int) -> int:
    """Tell of each session that goes on what its meter shows, if that is new.

    Args:
        db: the pool.
        interval_s: of each session no more than once in about this time, whoever else sweeps.
        batch: how many sessions are looked at together.

    Returns:
        How many were told.
    """
    count, after = 0, None
    while True:
        page = await session_updates.list_going_on(
            db, after=after, limit=batch, now=datetime.now(UTC)
        )
        updates = {}
        for session in page:
            if session.readings:
                shown = shown_by(session.readings)
                updates[session.session_id] = (shown.sampled_at, _event(session, shown))
        if updates:
            count += await session_updates.tell(db, updates, interval_s=_EARLY * interval_s)
        if len(page) < batch:
            break
        after = page[-1].session_id
    await session_updates.forget_ended(db)
    return count


def _event(session: SessionGoingOn, shown: Shown) -> NewEvent:
    energy_wh = None
    if shown.register_wh is not None and session.meter_start_wh is not None:
        energy_wh = shown.register_wh - session.meter_start_wh
    return NewEvent(
        type=EventType.SESSION_UPDATED,
        organization_id=session.organization_id,
        station_id=session.station_id,
        data={
            "session_id": session.session_id,
            "transaction_id": session.transaction_id,
            "evse_id": session.evse_id,
            "connector_id": session.connector_id,
            "id_token": session.id_token,
            "started_at": None if session.started_at is None else told_time(session.started_at),
            "sampled_at": told_time(shown.sampled_at),
            "energy_wh": _number(energy_wh),
            "register_wh": _number(shown.register_wh),
            "power_w": _number(shown.power_w),
            "soc_percent": _number(shown.soc_percent),
        },
    )


def _number(number: Decimal | None) -> int | float | None:
    return None if number is None else json_number(number)
