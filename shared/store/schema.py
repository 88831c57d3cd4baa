"""Tells whether the schema is current, without the tools that migrate it.

To load those takes longer than all else that `voltaro migrate` does when there is nothing to do.
"""

from pathlib import Path

import asyncpg

from shared.store import audit_triggers, scopes
from shared.store.indexes import INDEXES
from shared.store.judgement import is_locked
from shared.store.pool import Database

_DAYS_AHEAD = 8
_MONTHS_AHEAD = 2
_TODAY = "(now() AT TIME ZONE 'UTC')::date"
PARTITIONS_AHEAD = (
    f"SELECT ensure_meter_value_partitions({_TODAY}, {_DAYS_AHEAD})",
    f"SELECT ensure_daily_partitions('ocpp_log', {_TODAY}, {_DAYS_AHEAD})",
    f"SELECT ensure_daily_partitions('authorizations', {_TODAY}, {_DAYS_AHEAD})",
    f"SELECT audit.make_months({_TODAY}, {_MONTHS_AHEAD})",
)
"""Make the partitions of the days to come."""
_MIGRATIONS = Path(__file__).parent / "migrations" / "versions"


def newest_revision() -> str:
    """Return the revision of the newest migration: the number that its file begins with."""
    return max(file.name.partition("_")[0] for file in _MIGRATIONS.glob("[0-9]*_*.py"))


async def is_current(db: Database) -> bool:
    """Make the partitions of the days to come if there is nothing else to do to the schema.

    Returns:
        Whether it was so. If not, or if somebody holds a lock, `migrate` does it all.
    """
    try:
        revisions = await db.fetch("SELECT version_num FROM alembic_version")
    except asyncpg.UndefinedTableError:
        return False
    if [revision for (revision,) in revisions] != [newest_revision()]:
        return False
    if not await db.fetchval(
        """
        SELECT bool_and(indisvalid IS TRUE)
        FROM unnest($1::text[]) AS name LEFT JOIN pg_index ON indexrelid = to_regclass(name)
        """,
        list(INDEXES),
    ):
        return False
    if not (await scopes.are_provided(db) and await audit_triggers.are_provided(db)):
        return False
    try:
        for statement in PARTITIONS_AHEAD:
            await db.execute(statement)
    except asyncpg.PostgresError as error:
        if is_locked(error):
            return False
        raise
    return True
