"""Policies: every table has one or a reason, and who may provide them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote, urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest

from shared.domain.errors import UnavailableError
from shared.store import scopes
from shared.store.migrate import migrate
from shared.store.pool import Database
from shared.store.roles import provide_owner
from tests.support.local_servers import PostgresServer


async def test_every_table_is_scoped_or_says_why_not(db: Database) -> None:
    relations = await db.fetch(
        """
        SELECT relname, relkind = 'v' AS is_view, relrowsecurity,
               EXISTS (SELECT FROM pg_policy WHERE polrelid = pg_class.oid) AS has_policy,
               coalesce('security_invoker=true' = ANY (reloptions), false) AS asks_as_invoker
        FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f')
          AND (NOT relispartition OR relname = ANY ($1))
        """,
        [*scopes.SCOPES],
    )
    assert {each["relname"] for each in relations} == {
        *scopes.SCOPES,
        *scopes.OPEN,
        *scopes.CLOSED,
        *scopes.SEARCHED,
    }
    for each in relations:
        scoped = each["relname"] in scopes.SCOPES
        assert (each["relrowsecurity"], each["has_policy"]) == (scoped, scoped), each["relname"]
        searched = each["relname"] in scopes.SEARCHED
        assert each["asks_as_invoker"] == (each["is_view"] and not searched), each["relname"]


async def test_the_role_may_use_nothing_but_what_is_named(db: Database) -> None:
    reached = await db.fetch(
        """
        SELECT relname FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f')
          AND has_table_privilege($1::name, pg_class.oid,
                                  'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER')
        """,
        await db.fetchval(scopes.ROLE),
    )
    # Partitions are reached through their tables, whose policies count then.
    assert {each["relname"] for each in reached} == {
        *scopes.SCOPES,
        *scopes.OPEN,
        *scopes.SEARCHED,
    }
    assert not await db.fetchval(
        "SELECT rolcanlogin OR rolbypassrls OR rolsuper FROM pg_roles WHERE rolname = $1",
        await db.fetchval(scopes.ROLE),
    )


async def test_what_acts_with_its_owners_rights_is_called_by_nobody_else(db: Database) -> None:
    role = await db.fetchval(scopes.ROLE)
    for function in scopes.CALLED:
        rights = await db.fetch(
            """
            SELECT grantee::regrole::text AS who FROM pg_proc, aclexplode(proacl)
            WHERE pronamespace = 'public'::regnamespace AND proname = $1 AND grantee <> proowner
            """,
            function,
        )
        assert [each["who"].strip('"') for each in rights] == [role]


async def test_what_is_done_is_not_done_again(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        before = await connection.fetchval("SELECT max(oid::bigint) FROM pg_policy")
        await migrate(database_url, connect_timeout_s=5)
        assert await connection.fetchval("SELECT max(oid::bigint) FROM pg_policy") == before
    finally:
        await connection.close()


@asynccontextmanager
async def owner(server: PostgresServer, options: str) -> AsyncIterator[tuple[str, str]]:
    """Lend a database of a role's own, and the role's name."""
    name = f"owner_{uuid4().hex[:12]}"
    async with server.database() as url:
        superuser = await asyncpg.connect(url)
        try:
            await superuser.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'secret' {options}")
            database = await superuser.fetchval("SELECT current_database()")
            await superuser.execute(f'ALTER DATABASE "{database}" OWNER TO {name}')
        finally:
            await superuser.close()
        yield of_role(url, name), name


def of_role(url: str, name: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{name}:secret@{parts.hostname}:{parts.port}"))


async def sees_nothing(url: str) -> None:
    """Take the role as a request does."""
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            await connection.execute("INSERT INTO stations (station_id) VALUES ('CP-1')")
            await connection.execute(
                "SELECT set_config('role', $1, true),"
                "       set_config('voltaro.organizations', '{other}', true)",
                await connection.fetchval(scopes.ROLE),
            )
            assert await connection.fetchval("SELECT count(*) FROM stations") == 0
    finally:
        await connection.close()


async def test_an_owner_who_may_make_roles_makes_it(postgres_server: PostgresServer) -> None:
    async with owner(postgres_server, "CREATEROLE") as (url, _):
        await migrate(url, connect_timeout_s=5)
        await sees_nothing(url)


async def test_a_database_of_any_name_has_a_role(postgres_server: PostgresServer) -> None:
    name = 'Fleet "north" of a city with a name that is long enough'
    await postgres_server.create_database(name.replace('"', '""'))
    url = postgres_server.url(quote(name))
    try:
        await migrate(url, connect_timeout_s=5)
        await sees_nothing(url)
    finally:
        await postgres_server.drop_database(name.replace('"', '""'))


async def test_one_who_may_not_is_told_what_to_run_once(postgres_server: PostgresServer) -> None:
    async with owner(postgres_server, "NOCREATEROLE") as (url, name):
        with pytest.raises(UnavailableError, match=r"CREATE ROLE .* NOLOGIN; GRANT") as raised:
            await migrate(url, connect_timeout_s=5)
        statements = str(raised.value).partition("migrate again: ")[2]
        assert f"TO {name} WITH" in statements
        database = urlsplit(url).path.strip("/")
        superuser = await asyncpg.connect(postgres_server.url(database))
        await superuser.execute(statements)
        await superuser.close()

        await migrate(url, connect_timeout_s=5)
        await sees_nothing(url)


async def test_whoever_is_given_the_database_is_given_the_role(
    postgres_server: PostgresServer,
) -> None:
    name = f"given_{uuid4().hex[:12]}"
    async with postgres_server.database() as url:
        await migrate(url, connect_timeout_s=5)  # as its superuser, as before there was an owner
        await provide_owner(url, role=name, password="secret")
        await provide_owner(url, role=name, password="secret")
        await migrate(of_role(url, name), connect_timeout_s=5)
        await sees_nothing(of_role(url, name))


async def test_a_database_of_another_installation_is_not_opened_by_it(
    postgres_server: PostgresServer,
) -> None:
    async with (
        owner(postgres_server, "CREATEROLE") as (mine, name),
        owner(postgres_server, "CREATEROLE") as (other, _),
    ):
        await migrate(mine, connect_timeout_s=5)
        await migrate(other, connect_timeout_s=5)
        connection = await asyncpg.connect(other)
        role = await connection.fetchval(scopes.ROLE)
        assert not await connection.fetchval(
            "SELECT pg_has_role($1::name, $2::name, 'SET')", name, role
        )
        await connection.close()
