"""The audit log: read, newest first, and dropped by the month. Triggers write it.

See `audited_tables.py` for what they write, and `audit_ownership.py` for why nobody changes it.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import fields
from datetime import date
from typing import Any

from shared.domain.accounts.audit_log import Action, AuditEntry, AuditFilter
from shared.domain.accounts.principals import Principal
from shared.domain.error_codes import NotFoundCode
from shared.domain.errors import InvalidInputError, NotFoundError
from shared.store.conditions import Conditions, Position
from shared.store.conditions import count as count_rows
from shared.store.exporting import PageSize
from shared.store.pool import Database
from shared.store.request_database import as_told

_COLUMNS = ", ".join(
    f"{field.name}::text" if field.name == "entry_id" else field.name
    for field in fields(AuditEntry)
)


async def record(
    db: Database,
    *,
    principal: Principal,
    action: Action,
    resource: str,
    resource_id: str,
    organization_id: str,
    request_id: str | None,
    address: str | None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Write down what is no change of a row, such as that somebody has signed in.

    Args:
        db: the pool.
        principal: who.
        action: what was done.
        resource: to which kind of thing, in the API's words.
        resource_id: to which one.
        organization_id: whose.
        request_id: in which request.
        address: from where.
        before: members as they were. Secrets are left out by whoever calls this.
        after: members as they are.
    """
    await db.execute(
        "SELECT audit.record($1, $2, $3, $4, $5::jsonb, $6::jsonb, $7::text::jsonb, $8, $9)",
        action,
        resource,
        resource_id,
        organization_id,
        before,
        after,
        as_told(principal),
        request_id,
        address,
    )


async def list_before(
    db: Database,
    found: AuditFilter,
    *,
    before: Position | None,
    limit: int,
    timeout_s: float,
    goes_down: bool = True,
) -> list[AuditEntry]:
    """Return up to `limit` entries, newest first.

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
    query, parameters = _select(found, before, limit, goes_down=goes_down)
    try:
        records = await db.fetch(query, *parameters, timeout=timeout_s)
    except TimeoutError:
        raise _too_broad(timeout_s) from None
    return [AuditEntry(**record) for record in records]


async def count(db: Database, found: AuditFilter, *, up_to: int, timeout_s: float) -> int:
    """Return how many entries a list has, counting no further than `up_to`.

    Raises:
        InvalidInputError: the search took too long.
    """
    try:
        return await count_rows(db, "audit.entries", _conditions(found, up_to), timeout_s=timeout_s)
    except TimeoutError:
        raise _too_broad(timeout_s) from None


def _conditions(found: AuditFilter, limit: int) -> Conditions:
    conditions = Conditions(limit)
    conditions.compare("occurred_at >=", found.since)
    conditions.compare("occurred_at <", found.until)
    conditions.compare("principal_id =", found.principal_id)
    conditions.compare("resource =", found.resource)
    conditions.compare("resource_id =", found.resource_id)
    conditions.compare("action =", found.action)
    conditions.compare("request_id =", found.request_id)
    return conditions


def _too_broad(timeout_s: float) -> InvalidInputError:
    return InvalidInputError(
        f"the search took longer than {timeout_s:g} s: name a resource, a principal or a shorter "
        "time"
    )


async def pages(
    db: Database, found: AuditFilter, size: PageSize
) -> AsyncGenerator[Sequence[AuditEntry], None]:
    """Give all entries of a filter page by page, newest first.

    Args:
        db: of `exporting`, which says how long a search may take.
        found: which.
        size: how many at a time.
    """
    before: Position | None = None
    while True:
        limit = size.rows
        query, parameters = _select(found, before, limit)
        page = [AuditEntry(**record) for record in await db.fetch(query, *parameters)]
        if page:
            yield page
        if len(page) < limit:
            return
        before = Position(page[-1].entry_id, page[-1].occurred_at)


async def get(db: Database, entry_id: str) -> AuditEntry:
    """Return one entry.

    Raises:
        NotFoundError: there is none of this id.
    """
    record = await db.fetchrow(
        f"SELECT {_COLUMNS} FROM audit.entries WHERE entry_id = $1",  # noqa: S608 - as above
        entry_id,
    )
    if record is None:
        raise NotFoundError(
            f"there is no entry {entry_id!r} in the audit log", code=NotFoundCode.AUDIT_ENTRY
        )
    return AuditEntry(**record)


async def make_months_ahead(db: Database, *, months: int) -> bool:
    """Make the partitions of this month and those ahead; False if a lock is in the way."""
    made: bool = await db.fetchval(
        "SELECT audit.make_months((now() AT TIME ZONE 'UTC')::date, $1)", months
    )
    return made


async def drop_months_before(db: Database, day: date) -> int:
    """Drop every month that ended before a day; return how many went.

    Raises:
        asyncpg.InsufficientPrivilegeError: the day lies within the last thirty, which Postgres
            keeps whoever asks.
    """
    return int(await db.fetchval("SELECT audit.drop_months_before($1)", day))


def _select(
    found: AuditFilter, before: Position | None, limit: int, *, goes_down: bool = True
) -> tuple[str, Sequence[object]]:
    conditions = _conditions(found, limit)
    if before is not None:  # partitions are left out by their own column only
        conditions.compare(f"occurred_at {'<=' if goes_down else '>='}", before.at)
    # Named with their table: `entry_id` alone would be the text that is returned.
    order = conditions.page(
        "entries.entry_id", time="entries.occurred_at", behind=before, goes_down=goes_down
    )
    query = f"""
        SELECT {_COLUMNS} FROM audit.entries WHERE {conditions} ORDER BY {order} LIMIT $1
        """  # noqa: S608 - column names of a dataclass; the values are parameters
    return query, conditions.parameters
