"""What events tell of sessions, each thing once.

A row's `told_as` says what has been told: NULL nothing, 0 that it began, else the fingerprint of
the end that was told last.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import asyncpg

from shared.domain.decimals import json_number
from shared.domain.notices.events import EventType, NewEvent, told_time
from shared.domain.sessions import HistoryKind, Settlement
from shared.store.fingerprints import fingerprint_of

_BEGUN = 0


def told_as(settlement: Settlement, id_token: str | None) -> int:
    """Return what is told of a session when this settlement is."""
    end = settlement.end
    if end is None:
        return _BEGUN
    return (
        fingerprint_of(
            (
                end.ended_at,
                end.source,
                _number(settlement.energy_wh),
                settlement.energy_method,
                settlement.needs_review,
                settlement.billable,
                id_token,
            )
        )
        or 1
    )


def events_of(
    row: asyncpg.Record,
    settlement: Settlement,
    changes: Sequence[tuple[HistoryKind, Mapping[str, Any]]],
    *,
    told_as: int | None,
) -> list[NewEvent]:
    """Return what is new of a session.

    Args:
        row: of the session, as the settlement leaves it.
        settlement: what it came to.
        changes: what the settlement adds to the session's history.
        told_as: what was told before.
    """
    events = []
    if told_as is None:
        events.append(_event(EventType.SESSION_STARTED, row, row["created_at"], _start(row)))
    had_ended, is_over = told_as not in {None, _BEGUN}, row["told_as"] != _BEGUN
    if is_over and not had_ended:
        end = _end(row, settlement)
        events.append(_event(EventType.SESSION_ENDED, row, row["settled_at"], end))
    elif had_ended and row["told_as"] != told_as:
        end = _end(row, settlement)
        events.append(_event(EventType.SESSION_SETTLED_ANEW, row, row["settled_at"], end))
    for kind, detail in changes:
        if kind is HistoryKind.NEEDS_REVIEW:
            events.append(needs_review(row, detail["reasons"]))
    return events


def needs_review(row: asyncpg.Record, reasons: Sequence[str]) -> NewEvent:
    """Return that a person has to look at a session, for reasons that are new."""
    data = {
        "ended_at": _time(row["ended_at"]),
        "energy_wh": _number(row["energy_wh"]),
        "reasons": [str(reason) for reason in reasons],
    }
    return _event(EventType.SESSION_NEEDS_REVIEW, row, row["settled_at"], data)


def _event(
    type_: EventType, row: asyncpg.Record, at: datetime, data: Mapping[str, Any]
) -> NewEvent:
    return NewEvent(
        type=type_,
        occurred_at=at,
        organization_id=row["organization_id"],
        station_id=row["station_id"],
        data={
            "session_id": str(row["session_id"]),
            "transaction_id": row["transaction_id"],
            "evse_id": row["evse_id"],
            "connector_id": row["connector_id"],
            "id_token": row["id_token"],
            "started_at": _time(row["started_at"]),
            **data,
        },
    )


def _start(row: asyncpg.Record) -> dict[str, Any]:
    return {
        "authorization_status": row["authorization_status"],
        "meter_start_wh": _number(row["meter_start_wh"]),
        "reservation_id": row["reservation_id"],
    }


def _end(row: asyncpg.Record, settlement: Settlement) -> dict[str, Any]:
    return {
        "ended_at": _time(row["ended_at"]),
        "ended_by": row["ended_by"],
        "stopped_reason": row["stopped_reason"],
        "energy_wh": _number(row["energy_wh"]) if settlement.end is not None else None,
        "needs_review": row["needs_review"],
        "billable": settlement.billable,
    }


def _time(time: datetime | None) -> str | None:
    return None if time is None else told_time(time)


def _number(number: Decimal | None) -> int | float | None:
    return None if number is None else json_number(number)
