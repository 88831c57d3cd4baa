"""The audit log is only added to, whoever has the application's login."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import asyncpg
import pytest

from shared.store.accounts.audit_ownership import OWNER, give_away, statements
from shared.store.migrate import migrate
from shared.store.pool import Database
from tests.integration.control.accounts.test_audit_triggers import change, entries
from tests.integration.control.accounts.test_scopes import owner
from tests.support.local_servers import PostgresServer

TAKING_AWAY = (
    "DELETE FROM audit.entries",
    "UPDATE audit.entries SET principal_name = 'somebody else'",
    "TRUNCATE audit.entries",
    "DELETE FROM audit.entries_{month}",
    "UPDATE audit.entries_{month} SET principal_name = 'somebody else'",
    "TRUNCATE audit.entries_{month}",
)
BY_ITS_OWNER = (
    "DROP TABLE audit.entries CASCADE",
    "DROP TABLE audit.entries_{month}",
    "DROP SCHEMA audit CASCADE",
    "ALTER TABLE audit.entries DISABLE TRIGGER ALL",
    "ALTER TABLE audit.entries DETACH PARTITION audit.entries_{month}",
    "GRANT ALL ON audit.entries TO CURRENT_USER",
    "ALTER TABLE audit.entries OWNER TO CURRENT_USER",
    (
        "CREATE OR REPLACE FUNCTION audit.refuse_change() RETURNS trigger LANGUAGE plpgsql"
        " AS $$ BEGIN RETURN OLD; END $$"
    ),
    "INSERT INTO audit.entries SELECT * FROM audit.entries",
    "SET ROLE {owner}",
    "SET session_replication_role = replica",
    "SELECT audit.drop_months_before(((now() AT TIME ZONE 'UTC')::date - 29))",
)


def month() -> str:
    return datetime.now(UTC).strftime("%Y%m")


async def refused(connection: asyncpg.Connection, statement: str) -> None:
    role = await connection.fetchval(OWNER)
    try:
        async with connection.transaction():
            await connection.execute(statement.format(month=month(), owner=role))
            granted = await connection.fetchval(
                "SELECT has_table_privilege('audit.entries', 'UPDATE')"
            )
            assert not granted, statement
            if not statement.startswith("GRANT"):
                pytest.fail(f"was let through: {statement}")
    except asyncpg.InsufficientPrivilegeError:
        pass


@asynccontextmanager
async def login(server: PostgresServer, *, given_away: bool) -> AsyncIterator[asyncpg.Connection]:
    """Hold a connection of an application's login, in a database of its own with one entry."""
    async with owner(server, "CREATEROLE") as (url, name):
        await migrate(url, connect_timeout_s=5)
        if given_away:
            superuser = server.url(urlsplit(url).path.removeprefix("/"))
            await give_away(superuser, login=name)
            await give_away(superuser, login=name)
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(
                "SELECT audit.record('created', 'things', '1', 'default', NULL, '{}',"
                """ '{"kind": "user", "principal_id": "1", "name": "Ada","""
                """ "organization_id": "default"}', NULL, NULL)"""
            )
            yield connection
        finally:
            await connection.close()


async def test_the_login_that_owns_the_database_cannot_touch_what_was_given_away(
    postgres_server: PostgresServer,
) -> None:
    async with login(postgres_server, given_away=True) as connection:
        for statement in (*TAKING_AWAY, *BY_ITS_OWNER):
            await refused(connection, statement)
        assert await connection.fetchval("SELECT count(*) FROM audit.entries") == 1
        assert await connection.fetchval("SELECT audit.make_months(current_date, 3)")
        assert await connection.fetchval("SELECT audit.drop_months_before(current_date - 400)") == 0
        assert await statements(connection, login="anybody") == []


async def test_migrations_go_on_after_it_was_given_away(postgres_server: PostgresServer) -> None:
    async with owner(postgres_server, "CREATEROLE") as (url, name):
        await migrate(url, connect_timeout_s=5)
        await give_away(postgres_server.url(urlsplit(url).path.removeprefix("/")), login=name)
        await migrate(url, connect_timeout_s=5)


async def test_until_then_what_was_revoked_and_a_trigger_stand_before_it(
    postgres_server: PostgresServer,
) -> None:
    async with login(postgres_server, given_away=False) as connection:
        for statement in TAKING_AWAY:
            await refused(connection, statement)
        # An owner may grant itself what it likes; then the trigger is what is left.
        await connection.execute("GRANT ALL ON audit.entries TO CURRENT_USER")
        for statement in TAKING_AWAY[:3]:
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="only added to"):
                await connection.execute(statement)
        assert await statements(connection, login="anybody") != []


async def test_not_even_a_superuser_takes_anything_away_by_mistake(db: Database) -> None:
    await change(db, "INSERT INTO locations (location_id, name) VALUES ('a', 'A')")
    for statement in TAKING_AWAY:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="only added to"):
            await db.execute(statement.format(month=month()))
    assert len(await entries(db)) == 1


async def test_months_that_are_too_old_go_as_a_whole(db: Database) -> None:
    old = (datetime.now(UTC) - timedelta(days=500)).date()
    assert await db.fetchval("SELECT audit.make_months($1, 1)", old)
    assert await db.fetchval("SELECT audit.drop_months_before(current_date - 400)") == 1
    assert await db.fetchval("SELECT audit.drop_months_before(current_date - 400)") == 0


async def test_a_month_that_nobody_has_made_is_made_by_its_first_entry(db: Database) -> None:
    await db.execute(f"DROP TABLE audit.entries_{month()}")
    await change(db, "INSERT INTO locations (location_id, name) VALUES ('a', 'A')")
    assert len(await entries(db)) == 1
