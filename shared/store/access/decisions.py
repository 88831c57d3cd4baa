"""Decisions about tokens: written in bulk, searched newest first, dropped by the day."""

from collections.abc import Iterable
from dataclasses import fields
from datetime import date

import asyncpg

from shared.domain.access.decisions import (
    ANY_REFUSAL,
    Decision,
    DecisionFilter,
    DecisionPosition,
    DecisionSource,
    Purpose,
)
from shared.domain.access.tokens import AuthorizationStatus
from shared.domain.errors import InvalidInputError
from shared.store.conditions import Conditions
from shared.store.conditions import count as count_rows
from shared.store.partitions import DailyTable, drop_before
from shared.store.pool import Database, Pool

_NOT_WRITTEN = frozenset({"decision_id", "session_id"})
WRITTEN_COLUMNS = tuple(field.name for field in fields(Decision) if field.name not in _NOT_WRITTEN)
"""What a row of `write` is made of, in this order."""
_READ_COLUMNS = ", ".join(("decision_id", *WRITTEN_COLUMNS))
_ACCEPTED = AuthorizationStatus.ACCEPTED


async def write(db: Pool, rows: Iterable[tuple[object, ...]], *, timeout_s: float) -> None:
    """Add rows. They are not waited for to reach the disk: a crash may cost the last second.

    Args:
        db: the pool.
        rows: the values of `WRITTEN_COLUMNS`.
        timeout_s: of the whole.
    """
    async with db.acquire(timeout=timeout_s) as connection, connection.transaction():
        await connection.execute("SET LOCAL synchronous_commit = off")
        await connection.copy_records_to_table(
            DailyTable.AUTHORIZATIONS, records=rows, columns=WRITTEN_COLUMNS, timeout=timeout_s
        )


async def list_before(
    db: Database,
    found: DecisionFilter,
    *,
    before: DecisionPosition | None,
    limit: int,
    timeout_s: float,
    goes_down: bool = True,
) -> list[Decision]:
    """Return up to `limit` decisions, newest first.

    Args:
        db: the pool.
        found: which.
        before: the list begins behind it.
        limit: how many at most.
        timeout_s: how long the search may take.
        goes_down: whether the newest comes first.

    Raises:
        InvalidInputError: the search took too long.
    """
    conditions = _conditions(found, limit)
    behind = None if before is None else (before.decided_at, before.decision_id)
    order = conditions.in_order("decided_at", "decision_id", behind=behind, goes_down=goes_down)
    if before is not None:  # partitions are left out by their own column only
        conditions.compare(f"decided_at {'<=' if goes_down else '>='}", before.decided_at)
    # A session is looked up for what is shown, and not for what is searched.
    query = f"""
        SELECT decisions.*, session.session_id::text
        FROM (
            SELECT {_READ_COLUMNS} FROM {_table(found)} WHERE {conditions}
            ORDER BY {order} LIMIT $1
        ) AS decisions
        LEFT JOIN sessions AS session
            ON session.station_id = decisions.station_id
            AND session.transaction_id = decisions.transaction_id
        ORDER BY {order}
        """  # noqa: S608 - column names of a dataclass; the values are parameters
    try:
        records = await db.fetch(query, *conditions.parameters, timeout=timeout_s)
    except TimeoutError:
        raise _too_broad(timeout_s) from None
    return [_decision(record) for record in records]


async def count(db: Database, found: DecisionFilter, *, up_to: int, timeout_s: float) -> int:
    """Return how many decisions a list has, counting no further than `up_to`.

    Raises:
        InvalidInputError: the search took too long.
    """
    try:
        return await count_rows(db, _table(found), _conditions(found, up_to), timeout_s=timeout_s)
    except TimeoutError:
        raise _too_broad(timeout_s) from None


async def drop_days_before(db: Database, day: date) -> int:
    """Drop every day before this one.

    Returns:
        How many partitions went; one that is in use now goes the next time.
    """
    return await drop_before(db, DailyTable.AUTHORIZATIONS, day, time="decided_at")


def _table(found: DecisionFilter) -> str:
    # By a token in a view, whose index no policy bars (`scopes.py`).
    return "authorizations" if found.id_token is None else "searched_authorizations"


def _conditions(found: DecisionFilter, limit: int) -> Conditions:
    conditions = Conditions(limit)
    conditions.compare("decided_at >=", found.since)
    conditions.compare("decided_at <", found.until)
    conditions.compare("station_id =", found.station_id)
    conditions.compare("reason =", found.reason)
    conditions.compare("source =", found.source)
    conditions.compare("transaction_id =", found.transaction_id)
    if found.id_token is not None:
        conditions.add(f"id_token_key = lower({conditions.parameter(found.id_token)})")
    if found.status == ANY_REFUSAL:
        conditions.add(f"status <> '{_ACCEPTED}'")
    elif found.status is not None:
        conditions.compare("status =", found.status)
        if found.status != _ACCEPTED:
            conditions.add(f"status <> '{_ACCEPTED}'")  # says that the partial index serves
    return conditions


def _decision(record: asyncpg.Record) -> Decision:
    return Decision(
        **{
            **record,
            "purpose": Purpose(record["purpose"]),
            "status": AuthorizationStatus(record["status"]),
            "source": DecisionSource(record["source"]),
        }
    )


def _too_broad(timeout_s: float) -> InvalidInputError:
    return InvalidInputError(
        f"the search took longer than {timeout_s:g} s: name a token, a station or a shorter time"
    )
