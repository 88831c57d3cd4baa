"""Whom the audit log belongs to: a role that nobody can be, so that nobody can take entries away.

What belongs to the application's own login it can always change, whatever was revoked: an owner may
grant itself its privileges again, and drop what is its own. Only a superuser can give the log to
somebody else for good, so that this is done beside the migrations.
"""

import asyncpg

_TIMEOUT_S = 30.0

_NEW_ROLE = "SELECT ('voltaro_audit_' || current_database())::name::text"
OWNER = "SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = 'audit'"
"""SQL: the role that the log belongs to."""

_THINGS = """
    SELECT format('ALTER TABLE %s OWNER TO %I', pg_class.oid::regclass, $1::text) AS statement
    FROM pg_class WHERE relnamespace = 'audit'::regnamespace AND relkind IN ('r', 'p')
    UNION ALL
    SELECT format('ALTER ROUTINE %s OWNER TO %I', pg_proc.oid::regprocedure, $1::text)
    FROM pg_proc WHERE pronamespace = 'audit'::regnamespace
    UNION ALL
    SELECT format('ALTER SCHEMA audit OWNER TO %I', $1::text)
"""
# What the application still does: it reads, adds, and makes and drops whole months.
_GRANTS = """
    GRANT USAGE ON SCHEMA audit TO {login} WITH GRANT OPTION;
    GRANT SELECT ON audit.entries TO {login} WITH GRANT OPTION;
    GRANT EXECUTE ON FUNCTION audit.record TO {login} WITH GRANT OPTION;
    GRANT EXECUTE ON FUNCTION audit.make_months, audit.drop_months_before TO {login}
"""


async def statements(connection: asyncpg.Connection, *, login: str) -> list[str]:
    """Return what a superuser has to run so that the log is out of the reach of `login`.

    Nothing if it is already, or if there is no log yet.
    """
    role: str = await connection.fetchval(_NEW_ROLE)
    owner = await connection.fetchval(OWNER)
    quoted = await connection.fetchval("SELECT quote_ident($1)", role)
    if owner is None or owner == quoted:
        return []
    known = await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", role)
    return [
        *([] if known else [f"CREATE ROLE {quoted} NOLOGIN"]),
        *(each["statement"] for each in await connection.fetch(_THINGS, role)),
        *_GRANTS.format(login=await connection.fetchval("SELECT quote_ident($1)", login)).split(
            ";"
        ),
    ]


async def give_away(superuser_url: str, *, login: str) -> None:
    """Give the log to a role of its own. Done again it changes nothing.

    Args:
        superuser_url: of the database, after its migrations, as its superuser.
        login: the application's.
    """
    connection = await asyncpg.connect(
        superuser_url, timeout=_TIMEOUT_S, command_timeout=_TIMEOUT_S
    )
    try:
        async with connection.transaction():
            for statement in await statements(connection, login=login):
                await connection.execute(statement.strip())
    finally:
        await connection.close()
