"""Whose rows a request sees: policies of row-level security, kept as they stand here.

A request of the default organization, the gateway and the worker are the owner of the tables, whom
no policy concerns. All others take a role without any rights but those on the tables below, and see
of each what its condition lets through (`request_database.py`). So scope is in one place, and no
statement can forget it: a table that is not named here is out of their reach.

They are provided after the migrations, one table at a time: all at once would lock out whoever uses
two of them in another order.
"""

import hashlib

import asyncpg

from shared.domain.errors import UnavailableError
from shared.store.hosts import Server
from shared.store.pool import Database

_POLICY_NAME = "scope"
# Any number will do, as long as nothing else in the database locks on it.
_LOCK = 6_801_600_203

_OWN = "organization_id = ANY (organizations_in_scope())"


def _of_station(table: str, since: str | None = None) -> str:
    """Return what holds for a row of a station that is in sight.

    Args:
        table: whose row.
        since: the column that says when it came. What came before the station belonged to its
            organization stays out of sight, also where another one had a station of that id.
    """
    period = "" if since is None else f" AND organization_since <= {table}.{since}"
    return f"EXISTS (SELECT FROM stations WHERE station_id = {table}.station_id{period})"


def _of_transaction(table: str, since: str) -> str:
    """Return the same for what tells of a transaction, which also goes with its session.

    OFFSET keeps Postgres from reading all sessions that are in sight to find a few among them.
    """
    return f"""{_of_station(table, since)} OR EXISTS (
        SELECT FROM sessions
        WHERE station_id = {table}.station_id AND transaction_id = {table}.transaction_id
        OFFSET 0)"""


SCOPES: dict[str, str] = {
    "account_links": _OWN,
    "api_keys": _OWN,
    "users": _OWN,
    "user_sessions": _OWN,
    "stations": _OWN,
    "locations": _OWN,
    "id_tokens": _OWN,
    "id_token_groups": _OWN,
    "files": _OWN,
    "command_batches": _OWN,
    "sessions": _OWN,
    "alert_rules": _OWN,
    "alerts": _OWN,
    "alert_notifications": _OWN,
    "alert_steps": _OWN,
    "event_outbox": _OWN,
    "events": _OWN,
    "jobs": _OWN,
    # Of the queue a request sees, stops and puts back what is its own. It makes none here: that is
    # what `defer_job` is for.
    "procrastinate_jobs": "EXISTS (SELECT FROM jobs WHERE queue_id = procrastinate_jobs.id)",
    "procrastinate_events": "EXISTS ("
    "SELECT FROM jobs WHERE queue_id = procrastinate_events.job_id)",
    "reports": _OWN,
    "report_contents": _OWN,
    "report_runs": "EXISTS (SELECT FROM reports WHERE report_id = report_runs.report_id)",
    "webhook_endpoints": _OWN,
    "webhook_requests": _OWN,
    "webhook_secrets": _OWN,
    **{
        table: "EXISTS (SELECT FROM webhook_endpoints"
        f" WHERE webhook_endpoint_id = {table}.webhook_endpoint_id)"
        for table in ("webhook_deliveries", "webhook_progress")
    },
    "webhook_attempts": "EXISTS (SELECT FROM webhook_deliveries"
    " WHERE webhook_delivery_id = webhook_attempts.webhook_delivery_id)",
    "session_history": "EXISTS ("
    "SELECT FROM sessions WHERE session_id = session_history.session_id)",
    # What a station is and has now goes with it.
    **{
        table: _of_station(table)
        for table in (
            "agreed_security_profiles",
            "charging_profiles",
            "client_certificates",
            "composite_schedules",
            "configuration_keys",
            "connector_status_changes",
            "connectors",
            "installed_certificates",
            "local_list_entries",
            "local_lists",
            "maintenance_windows",
            "reservations",
            "station_connections",
            "station_variables",
            "wanted_settings",
        )
    },
    # What it once said and was asked stays with whom it belonged to then.
    **{
        table: _of_station(table, since)
        for table, since in {
            "authorizations": "decided_at",
            "certificate_signing_requests": "requested_at",
            "commands": "created_at",
            "dead_letters": "received_at",
            "firmware_updates": "created_at",
            "log_requests": "created_at",
            "ocpp_log": "called_at",
            "security_events": "received_at",
            "station_events": "received_at",
        }.items()
    },
    "firmware_statuses": "EXISTS (SELECT FROM firmware_updates"
    " WHERE firmware_update_id = firmware_statuses.firmware_update_id)",
    "log_statuses": "EXISTS (SELECT FROM log_requests"
    " WHERE log_request_id = log_statuses.log_request_id)",
    **{
        table: _of_transaction(table, "received_at")
        for table in (
            "meter_values",
            "meter_values_default",  # asked by itself for what a station's clock has misplaced
            "transaction_ends",
            "transaction_events",
            "transaction_events_of_same_number",
        )
    },
    # Whoever connects without being registered belongs to nobody yet, and what a make does wrong is
    # shown by a message of any station: both are for who runs the installation.
    "unknown_stations": "false",
    "quirks": "false",
    # The organizations below are those that stood there when the transaction began, so that a new
    # one is known by where it stands.
    "organizations": f"{_OWN} OR parent_id = ANY (organizations_in_scope())",
}
"""By table, what holds for the rows that a request sees, makes and leaves behind."""

OPEN: dict[str, tuple[str, str]] = {
    "all_transaction_events": ("SELECT", "a view, which has the rights of whoever asks it"),
    "authorization_revision": ("SELECT, UPDATE", "a number that any change of a token raises"),
    "event_days": ("SELECT", "which numbers events have; a number tells nothing of its event"),
    "pods": ("SELECT", "the processes of the installation: whose lease says who is online"),
}
"""Tables and views that requests may use as a whole: how, and why that shows nothing of others."""

CALLED: dict[str, str] = {
    "defer_job": "makes a job of an organization in sight, and nothing else",
}
"""Functions with the rights of their owner that requests, and nobody else, may call: and why."""

SEARCHED = frozenset({"searched_sessions", "searched_authorizations"})
"""Views of the owner's rights with a scope of their own, for searches by what is not leakproof.

Behind a policy Postgres uses no index for a condition on `lower()`. No request brings SQL of its
own, so that nothing can be told by the order in which conditions are tried.
"""

CLOSED: dict[str, str] = {
    "alembic_version": "is the migrations' own",
    "session_updates": "is how the worker knows what it has told of sessions",
    "login_attempts": "counts who guesses, before anybody knows who they are",
    "procrastinate_periodic_defers": "is the queue's own",
    "procrastinate_workers": "are the queue's own: which workers live",
    "write_probes": "is how a pod learns that Postgres takes writes again",
}
"""Tables that no request needs."""

ROLE = """
    SELECT rolname::text FROM pg_policy JOIN pg_roles ON pg_roles.oid = polroles[1]
    WHERE polrelid = to_regclass('public.organizations') AND polname = 'scope'
"""
"""SQL: the role that the policies are for, whatever the database was called when it was made."""
_NEW_ROLE = "SELECT ('voltaro_requests_' || current_database())::name::text"


async def provide_role(connection: Server, *, member: str) -> str:
    """Make the role of requests unless it is there, let `member` take it, and return its name.

    It is of the whole server, so each database has its own: no other installation of the same
    server is let in by it. A database that was copied or renamed keeps the one it had.

    Raises:
        UnavailableError: whoever is connected may not make it; the message says what to do.
    """
    known = await connection.fetchval(ROLE)
    role: str = known or await connection.fetchval(_NEW_ROLE)
    create = await connection.fetchval("SELECT format('CREATE ROLE %I NOLOGIN', $1::text)", role)
    grant = await connection.fetchval(
        "SELECT format('GRANT %I TO %I WITH INHERIT FALSE, SET TRUE', $1::text, $2::text)",
        role,
        member,
    )
    missing = []
    if not await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", role):
        missing.append(create)
        missing.append(grant)
    elif not await connection.fetchval(
        "SELECT pg_has_role($1::name, $2::name, 'SET')", member, role
    ):
        missing.append(grant)
    try:
        for statement in missing:
            await connection.execute(statement)
    except asyncpg.InsufficientPrivilegeError as error:
        raise UnavailableError(
            f"the database needs a role for requests of organizations, and {member} may not make "
            f"it ({error}): have a superuser run this once, then migrate again: "
            f"{'; '.join(missing)};"
        ) from error
    return role


async def provide(connection: Server) -> bool:
    """Give every table the policy that stands here.

    Args:
        connection: the owner's, outside of any transaction.

    Returns:
        False if somebody else does it now.

    Raises:
        UnavailableError: the role is missing and cannot be made.
        asyncpg.LockNotAvailableError: somebody holds a lock on a table; what was done stays.
    """
    if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):
        return False
    role = await provide_role(
        connection, member=await connection.fetchval("SELECT current_user::text")
    )
    quoted = await connection.fetchval("SELECT quote_ident($1)", role)
    done = {tuple(record) for record in await connection.fetch(_DONE, _POLICY_NAME, role)}
    for table, condition in SCOPES.items():
        digest = _digest(condition)
        if (table, digest) not in done:
            async with connection.transaction():
                await connection.execute(
                    _POLICY.format(table=table, role=quoted, condition=condition, digest=digest)
                )
    for table, privileges in _GRANTED.items():
        if not await connection.fetchval(_HAS_PRIVILEGES, role, table, privileges):
            await connection.execute(f"GRANT {privileges} ON {table} TO {quoted}")
    for function in CALLED:
        if not await connection.fetchval(_MAY_CALL, role, function):
            await connection.execute(f"GRANT EXECUTE ON FUNCTION {function} TO {quoted}")
    if await connection.fetchval(_LACKS_SEQUENCES, role):
        await connection.execute(
            f"GRANT USAGE ON SCHEMA public TO {quoted};"
            f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {quoted}"
        )
    await connection.execute("SELECT pg_advisory_unlock($1)", _LOCK)
    return True


async def are_provided(db: Database) -> bool:
    """Tell whether every table has the policy that stands here, and the role its rights."""
    role = await db.fetchval(ROLE)
    if role is None:
        return False
    done = {tuple(record) for record in await db.fetch(_DONE, _POLICY_NAME, role)}
    if not done.issuperset((table, _digest(condition)) for table, condition in SCOPES.items()):
        return False
    for table, privileges in _GRANTED.items():
        if not await db.fetchval(_HAS_PRIVILEGES, role, table, privileges):
            return False
    for function in CALLED:
        if not await db.fetchval(_MAY_CALL, role, function):
            return False
    return not await db.fetchval(_LACKS_SEQUENCES, role)


def _digest(condition: str) -> str:
    return hashlib.sha256(condition.encode()).hexdigest()


_GRANTED = {table: privileges for table, (privileges, _) in OPEN.items()} | dict.fromkeys(
    sorted(SEARCHED), "SELECT"
)
_DONE = """
    SELECT relname, obj_description(pg_policy.oid, 'pg_policy')
    FROM pg_policy JOIN pg_class ON pg_class.oid = polrelid
    WHERE relnamespace = 'public'::regnamespace AND relrowsecurity AND polname = $1
      AND polroles = ARRAY(SELECT oid FROM pg_roles WHERE rolname = $2)
"""
_POLICY = f"""
    DROP POLICY IF EXISTS {_POLICY_NAME} ON {{table}};
    CREATE POLICY {_POLICY_NAME} ON {{table}} TO {{role}} USING ({{condition}});
    COMMENT ON POLICY {_POLICY_NAME} ON {{table}} IS '{{digest}}';
    ALTER TABLE {{table}} ENABLE ROW LEVEL SECURITY;
    GRANT SELECT, INSERT, UPDATE, DELETE ON {{table}} TO {{role}}
"""
# Of several privileges in one word one is enough for Postgres.
_HAS_PRIVILEGES = """
    SELECT bool_and(has_table_privilege($1::name, $2::text, privilege))
    FROM unnest(string_to_array($3, ', ')) AS privilege
"""
_MAY_CALL = """
    SELECT bool_and(has_function_privilege($1::name, oid, 'EXECUTE'))
    FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND proname = $2
"""
_LACKS_SEQUENCES = """
    SELECT EXISTS (
        SELECT FROM pg_sequences
        WHERE schemaname = 'public' AND NOT has_sequence_privilege(
            $1::name, format('%I.%I', schemaname, sequencename), 'USAGE')
    )
"""
