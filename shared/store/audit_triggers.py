"""What writes the audit log: row triggers, kept as they stand in `audited_tables.py`.

Every change that a request makes is written down within its transaction, so that no route can
forget it and nothing is told that did not happen. Triggers fire where `voltaro.principal` says who
it is (`request_database.py`); the gateway and the worker say nothing, and pay no more than the
question. What a change brings about by itself, as deleting a station deletes its reservations, is
told by the entry of the change.

They are provided after the migrations, one table at a time, as policies are (`scopes.py`).
"""

import hashlib

from shared.store.audited import Audited
from shared.store.audited_tables import AUDITED
from shared.store.hosts import Server
from shared.store.pool import Database
from shared.store.scopes import ROLE

# Any number will do, as long as nothing else in the database locks on it.
_LOCK = 6_801_600_204
_CHANGED_BY_A_REQUEST = (
    "current_setting('voltaro.principal', true) <> '' AND pg_trigger_depth() = 0"
)
_PREFIX = "note_change_"


def _array(names: tuple[str, ...]) -> str:
    return f"'{{{','.join(names)}}}'"


def _statements(table: str, audited: Audited) -> list[str]:
    told = ", ".join(
        (
            f"'{audited.resource}'",
            f"'{audited.created or ''}'",
            _array(audited.key),
            _array(audited.shown),
            _array(audited.secret),
        )
    )
    columns = ", ".join((*audited.shown, *audited.secret))
    events = (
        ("of_new_rows", "INSERT", "NEW", audited.created is not None),
        # One that sets other columns alone, as the gateway's do, is not even asked who it is.
        ("of_rows", f"UPDATE OF {columns}", "NEW", audited.changes),
        ("of_deleted_rows", "DELETE", "OLD", audited.deletes),
    )
    statements = []
    for name, event, row, wanted in events:
        statements.append(f"DROP TRIGGER IF EXISTS {_PREFIX}{name} ON {table}")
        if wanted:
            condition = _CHANGED_BY_A_REQUEST
            if audited.rows is not None:
                condition += f" AND {audited.rows.format(row=row)}"
            statements.append(
                f"CREATE TRIGGER {_PREFIX}{name} AFTER {event} ON {table} FOR EACH ROW"
                f" WHEN ({condition}) EXECUTE FUNCTION note_change({told})"
            )
    return statements


async def provide(connection: Server) -> bool:
    """Give every table the triggers that stand here, and requests the right to be written down.

    Args:
        connection: the owner's, outside of any transaction, after the policies.

    Returns:
        False if somebody else does it now.

    Raises:
        asyncpg.LockNotAvailableError: somebody holds a lock on a table; what was done stays.
    """
    if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):
        return False
    done = {tuple(record) for record in await connection.fetch(_DONE)}
    for table, audited in AUDITED.items():
        statements = _statements(table, audited)
        digest = _digest(statements)
        if (table, digest) not in done:
            last = [each for each in statements if each.startswith("CREATE")][-1].split()[2]
            statements.append(f"COMMENT ON TRIGGER {last} ON {table} IS '{digest}'")
            async with connection.transaction():
                for statement in statements:
                    await connection.execute(statement)
    role = await connection.fetchval(ROLE)
    if not await connection.fetchval(_MAY_READ, role):
        quoted = await connection.fetchval("SELECT quote_ident($1)", role)
        await connection.execute(
            f"GRANT USAGE ON SCHEMA audit TO {quoted};"
            f"GRANT SELECT ON audit.entries TO {quoted};"
            f"GRANT EXECUTE ON FUNCTION audit.record TO {quoted}"
        )
    await connection.execute("SELECT pg_advisory_unlock($1)", _LOCK)
    return True


async def are_provided(db: Database) -> bool:
    """Tell whether every table has the triggers that stand here, behind policies that are there."""
    done = {tuple(record) for record in await db.fetch(_DONE)}
    wanted = {(table, _digest(_statements(table, audited))) for table, audited in AUDITED.items()}
    return wanted <= done and bool(await db.fetchval(_MAY_READ, await db.fetchval(ROLE)))


def _digest(statements: list[str]) -> str:
    return hashlib.sha256("\n".join(statements).encode()).hexdigest()


_DONE = f"""
    SELECT relname, obj_description(pg_trigger.oid, 'pg_trigger')
    FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
    WHERE relnamespace = 'public'::regnamespace AND starts_with(tgname, '{_PREFIX}')
"""  # noqa: S608 - a name of our own
_MAY_READ = """
    SELECT has_schema_privilege($1::name, 'audit', 'USAGE')
       AND has_table_privilege($1::name, 'audit.entries', 'SELECT')
       AND has_function_privilege($1::name, proc.oid, 'EXECUTE')
    FROM pg_proc AS proc WHERE pronamespace = 'audit'::regnamespace AND proname = 'record'
"""
