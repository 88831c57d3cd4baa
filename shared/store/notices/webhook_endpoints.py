"""Webhook endpoints, as people make and change them."""

from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg

from shared.domain.error_codes import NotFoundCode
from shared.domain.errors import NotFoundError
from shared.domain.notices.webhooks import (
    WAITING_COUNTED,
    ApiVersion,
    DisabledReason,
    WebhookEndpoint,
)
from shared.store import organization_scope
from shared.store.conditions import Conditions
from shared.store.conditions import count as count_rows
from shared.store.pool import Connection, Database

SECRETS_MAX = 5
"""How many sign side by side: each is a signature in a header. Of more, the oldest end."""
_UPDATABLE = frozenset(
    {
        *("url", "description", "types", "station_ids", "location_ids", "organization_ids"),
        *("api_version", "enabled"),
    }
)
_LISTS = ("types", "station_ids", "location_ids", "organization_ids")
_COLUMNS = f"""
    webhook_endpoint_id, organization_id, url, description, types, station_ids, location_ids,
    organization_ids, api_version, enabled, disabled_reason, disabled_at, failing_since,
    number::text AS last_event_id, created_at, updated_at,
    (SELECT count(*) FROM (
        SELECT FROM webhook_deliveries AS delivery
        WHERE delivery.webhook_endpoint_id = webhook_endpoints.webhook_endpoint_id
          AND state = 'waiting'
        LIMIT {WAITING_COUNTED}) AS counted) AS waiting
"""  # noqa: S608 - a constant
_FROM = "webhook_endpoints JOIN webhook_progress USING (webhook_endpoint_id)"


def _endpoint(record: asyncpg.Record) -> WebhookEndpoint:
    reason = record["disabled_reason"]
    return WebhookEndpoint(
        **{
            **record,
            **{name: tuple(record[name]) for name in _LISTS},
            "webhook_endpoint_id": str(record["webhook_endpoint_id"]),
            "api_version": ApiVersion(record["api_version"]),
            "disabled_reason": None if reason is None else DisabledReason(reason),
        }
    )


def not_found(webhook_endpoint_id: str) -> NotFoundError:
    """Return the error for an endpoint that there is not."""
    return NotFoundError(
        f"there is no webhook endpoint {webhook_endpoint_id}", code=NotFoundCode.WEBHOOK_ENDPOINT
    )


async def create(
    db: Database,
    *,
    organization_id: str | None,
    url: str,
    description: str | None,
    types: Sequence[str],
    station_ids: Sequence[str],
    location_ids: Sequence[str],
    organization_ids: Sequence[str],
    api_version: ApiVersion,
    secret: str,
) -> WebhookEndpoint:
    """Make an endpoint, which is told of what happens from now on.

    Args:
        db: where; without an organization it belongs to that of the caller.
        organization_id: whose it is.
        url: where to.
        description: for people.
        types: which events; empty is all, as in the three lists that follow.
        station_ids: of which stations.
        location_ids: at which locations.
        organization_ids: of which organizations.
        api_version: how bodies are written.
        secret: what they are signed with, encrypted.

    Raises:
        InvalidInputError: there is no such organization.
    """
    await organization_scope.require(db, organization_id)
    async with db.acquire() as connection, connection.transaction():
        webhook_endpoint_id = await connection.fetchval(
            """
            INSERT INTO webhook_endpoints (organization_id, url, description, types, station_ids,
                                           location_ids, organization_ids, api_version)
            VALUES (coalesce($1, own_organization()), $2, $3, $4, $5, $6, $7, $8)
            RETURNING webhook_endpoint_id
            """,
            organization_id,
            url,
            description,
            types,
            station_ids,
            location_ids,
            organization_ids,
            api_version,
        )
        await _add_secret(connection, webhook_endpoint_id, secret)
        await connection.execute(
            """
            INSERT INTO webhook_progress (webhook_endpoint_id, number)
            SELECT $1, coalesce(max(last_number), 0) FROM event_days
            """,
            webhook_endpoint_id,
        )
        made = await _find(connection, webhook_endpoint_id)
    assert made is not None  # noqa: S101 - it was inserted, or an error was raised
    return made


async def _add_secret(connection: Connection, webhook_endpoint_id: str, secret: str) -> None:
    await connection.execute(
        """
        INSERT INTO webhook_secrets (webhook_endpoint_id, organization_id, secret)
        SELECT webhook_endpoint_id, organization_id, $2 FROM webhook_endpoints
        WHERE webhook_endpoint_id = $1
        """,
        webhook_endpoint_id,
        secret,
    )


async def _find(db: "Database | Connection", webhook_endpoint_id: str) -> WebhookEndpoint | None:
    record = await db.fetchrow(
        f"SELECT {_COLUMNS} FROM {_FROM} WHERE webhook_endpoint_id = $1",  # noqa: S608 - constants
        webhook_endpoint_id,
    )
    return None if record is None else _endpoint(record)


async def _get(db: "Database | Connection", webhook_endpoint_id: str) -> WebhookEndpoint:
    endpoint = await _find(db, webhook_endpoint_id)
    if endpoint is None:
        raise not_found(webhook_endpoint_id)
    return endpoint


async def get(db: Database, webhook_endpoint_id: str) -> WebhookEndpoint:
    """Return one endpoint.

    Raises:
        NotFoundError: there is none.
    """
    return await _get(db, webhook_endpoint_id)


async def list_after(
    db: Database,
    *,
    after: str | None,
    limit: int,
    goes_down: bool = False,
    organization_id: str | None = None,
) -> list[WebhookEndpoint]:
    """Return up to `limit` endpoints, the oldest first, from behind `after` on.

    Args:
        db: the pool.
        after: id of the one before.
        limit: how many at most.
        goes_down: whether the newest comes first.
        organization_id: only those of this organization; None is all.
    """
    conditions = Conditions(limit)
    conditions.compare("organization_id =", organization_id)
    order = conditions.in_order(
        "webhook_endpoints.webhook_endpoint_id", behind=after and [after], goes_down=goes_down
    )
    records = await db.fetch(
        f"SELECT {_COLUMNS} FROM {_FROM} WHERE {conditions} ORDER BY {order} LIMIT $1",  # noqa: S608 - as above
        *conditions.parameters,
    )
    return [_endpoint(record) for record in records]


async def count(db: Database, *, up_to: int, organization_id: str | None = None) -> int:
    """Return how many endpoints there are, counting no further than `up_to`."""
    conditions = Conditions(up_to)
    conditions.compare("organization_id =", organization_id)
    return await count_rows(db, "webhook_endpoints", conditions)


async def update(
    db: Database, webhook_endpoint_id: str, changes: Mapping[str, Any]
) -> WebhookEndpoint:
    """Change an endpoint.

    One that is switched on again goes on where it was, and what waits has its time anew.

    Raises:
        NotFoundError: there is no such endpoint.
    """
    if unknown := changes.keys() - _UPDATABLE:
        raise KeyError(f"not an operator's to change: {sorted(unknown)}")
    async with db.acquire() as connection, connection.transaction():
        before = await _get(connection, webhook_endpoint_id)
        if not changes:
            return before
        assignments = [f"{column} = ${i}" for i, column in enumerate(changes, start=2)]
        enabled = changes.get("enabled", before.enabled)
        if enabled != before.enabled:
            assignments += (
                ["disabled_reason = NULL", "disabled_at = NULL"]
                if enabled
                else [f"disabled_reason = '{DisabledReason.REQUESTED}'", "disabled_at = now()"]
            )
        await connection.execute(
            f"""
            UPDATE webhook_endpoints SET {", ".join(assignments)}, updated_at = now()
            WHERE webhook_endpoint_id = $1
            """,  # noqa: S608 - the names are checked above, the values are parameters
            webhook_endpoint_id,
            *changes.values(),
        )
        if enabled and not before.enabled:
            await _begin_anew(connection, webhook_endpoint_id)
        return await _get(connection, webhook_endpoint_id)


async def _begin_anew(connection: Connection, webhook_endpoint_id: str) -> None:
    await connection.execute(
        """
        UPDATE webhook_progress
        SET failures = 0, failing_since = NULL, not_before = now(), due_at = now(),
            revision = revision + 1, mail_at = NULL
        WHERE webhook_endpoint_id = $1
        """,
        webhook_endpoint_id,
    )
    await connection.execute(
        """
        UPDATE webhook_deliveries
        SET failures = 0, first_attempt_at = NULL, next_attempt_at = now()
        WHERE webhook_endpoint_id = $1 AND state = 'waiting' AND failures > 0
        """,
        webhook_endpoint_id,
    )


async def rotate_secret(
    db: Database, webhook_endpoint_id: str, secret: str, *, old_ends_after_s: float
) -> WebhookEndpoint:
    """Have another secret sign; those before sign beside it for a while.

    Args:
        db: where.
        webhook_endpoint_id: whose.
        secret: the new one, encrypted.
        old_ends_after_s: for how long the ones before sign as well; those that end sooner anyway
            still do.

    Raises:
        NotFoundError: there is no such endpoint.
    """
    async with db.acquire() as connection, connection.transaction():
        # Two who do so at once do it one after another.
        if not await connection.fetchval(
            "SELECT true FROM webhook_endpoints WHERE webhook_endpoint_id = $1 FOR UPDATE",
            webhook_endpoint_id,
        ):
            raise not_found(webhook_endpoint_id)
        await connection.execute(
            """
            DELETE FROM webhook_secrets AS secret
            WHERE webhook_endpoint_id = $1 AND (expires_at <= now() OR webhook_secret_id NOT IN (
                SELECT each.webhook_secret_id FROM webhook_secrets AS each
                WHERE each.webhook_endpoint_id = $1
                ORDER BY each.webhook_secret_id DESC LIMIT $2))
            """,
            webhook_endpoint_id,
            SECRETS_MAX - 1,
        )
        await connection.execute(
            """
            UPDATE webhook_secrets
            SET expires_at = least(expires_at, now() + make_interval(secs => $2))
            WHERE webhook_endpoint_id = $1
            """,
            webhook_endpoint_id,
            old_ends_after_s,
        )
        await _add_secret(connection, webhook_endpoint_id, secret)
        return await _get(connection, webhook_endpoint_id)


async def delete(db: Database, webhook_endpoint_id: str) -> None:
    """Forget an endpoint; what was to be delivered to it is removed after it.

    Raises:
        NotFoundError: there is no such endpoint.
    """
    deleted = await db.execute(
        "DELETE FROM webhook_endpoints WHERE webhook_endpoint_id = $1", webhook_endpoint_id
    )
    if deleted == "DELETE 0":
        raise not_found(webhook_endpoint_id)
