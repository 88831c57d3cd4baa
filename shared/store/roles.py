"""The role that owns the application's database, for whoever runs a Postgres of their own.

It can make, change and drop what is in its database, which migrations need, and nothing beside:
neither read the server's files, nor run programs, nor see other databases or change roles.
"""

import asyncpg

from shared.store.scopes import provide_role

_TIMEOUT_S = 30.0

# What a superuser has made in the database, apart from what came with Postgres or an extension. A
# sequence of a column goes with its table, and a type of a table as well.
_NOT_OURS = """
    WITH place AS (
        SELECT oid, nspname, nspowner FROM pg_namespace
        WHERE nspname <> 'information_schema' AND nspname NOT LIKE 'pg\\_%'
    ),
    belongs AS (
        SELECT classid, objid FROM pg_depend
        WHERE deptype = 'e'
           OR deptype IN ('a', 'i') AND classid = 'pg_class'::regclass
              AND refclassid = 'pg_class'::regclass
    )
    SELECT format('ALTER TABLE %I.%I OWNER TO %I', nspname, relname, $1::text)
    FROM pg_class AS thing JOIN place ON place.oid = relnamespace
    WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND relowner = current_user::regrole
      AND (relkind <> 'S' OR NOT EXISTS (
          SELECT FROM belongs WHERE classid = 'pg_class'::regclass AND objid = thing.oid))
      AND NOT EXISTS (
          SELECT FROM pg_depend WHERE deptype = 'e' AND classid = 'pg_class'::regclass
          AND objid = thing.oid)
    UNION ALL
    SELECT format('ALTER ROUTINE %I.%I(%s) OWNER TO %I', nspname, proname,
                  pg_get_function_identity_arguments(thing.oid), $1::text)
    FROM pg_proc AS thing JOIN place ON place.oid = pronamespace
    WHERE proowner = current_user::regrole AND NOT EXISTS (
        SELECT FROM belongs WHERE classid = 'pg_proc'::regclass AND objid = thing.oid)
    UNION ALL
    SELECT format('ALTER TYPE %I.%I OWNER TO %I', nspname, typname, $1::text)
    FROM pg_type AS thing JOIN place ON place.oid = typnamespace
    WHERE typowner = current_user::regrole AND (
        typtype IN ('e', 'd', 'r')
        OR typtype = 'c' AND EXISTS (  -- no table's
            SELECT FROM pg_class WHERE pg_class.oid = typrelid AND relkind = 'c')
    ) AND NOT EXISTS (
        SELECT FROM belongs WHERE classid = 'pg_type'::regclass AND objid = thing.oid)
    UNION ALL
    SELECT format('ALTER SCHEMA %I OWNER TO %I', nspname, $1::text)
    FROM place WHERE nspowner = current_user::regrole
    UNION ALL
    SELECT format('ALTER DATABASE %I OWNER TO %I', datname, $1::text)
    FROM pg_database WHERE datname = current_database() AND datdba = current_user::regrole
"""


async def provide_owner(superuser_url: str, *, role: str, password: str) -> None:
    """Make a role, and give it the database and all that a superuser has made there.

    Done again it changes nothing; interrupted, it goes on where it was.

    Args:
        superuser_url: of the database, as its superuser.
        role: its name.
        password: its password from now on.
    """
    connection = await asyncpg.connect(
        superuser_url, timeout=_TIMEOUT_S, command_timeout=_TIMEOUT_S
    )
    try:
        # The statements below hold the password: should one fail, it is not to be in the log.
        await connection.execute("SET log_min_error_statement = panic")
        known = await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", role)
        statement = await connection.fetchval(
            """
            SELECT format('%s ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION '
                          'NOBYPASSRLS PASSWORD %L', $1::text, $2::text, $3::text)
            """,
            "ALTER" if known else "CREATE",
            role,
            password,
        )
        await connection.execute(statement)
        # One by one, because a table of many partitions would need more locks than there are.
        for (statement,) in await connection.fetch(_NOT_OURS, role):
            await connection.execute(statement)
        # It could not make this one by itself.
        await provide_role(connection, member=role)
    finally:
        await connection.close()
