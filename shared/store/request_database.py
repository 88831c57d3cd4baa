"""The database as one request may use it: whose rows it sees, and in whose name it changes them.

Both are said to Postgres, for each transaction anew, and hold within that transaction alone: so
nothing of it reaches who takes the connection next, whether from our pool or from one in between
(PgBouncer in transaction mode). The rest stands in the schema: policies of row-level security go by
the role and `voltaro.organizations`, triggers of the audit log by `voltaro.principal`.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg

from shared.domain.accounts.organizations import DEFAULT_ORGANIZATION_ID
from shared.domain.accounts.principals import Principal
from shared.store.pool import Connection, Database
from shared.store.scopes import ROLE
from shared.store.server_connection import IsolationLevel

# A role that is set for no longer than the transaction, and what the scope is. The organizations
# below are looked up in each transaction: one that is moved elsewhere is out of sight at once.
_SCOPE = """
    WITH RECURSIVE below AS (
        SELECT organization_id FROM organizations WHERE organization_id = $4
        UNION ALL
        SELECT organizations.organization_id
        FROM organizations JOIN below ON organizations.parent_id = below.organization_id
    )
    SELECT set_config('voltaro.principal', $1, true),
           set_config('voltaro.request_id', $2, true),
           set_config('voltaro.address', $5, true),
           set_config('voltaro.organization', $4, true),
           set_config('voltaro.organizations',
                      (SELECT array_agg(organization_id)::text FROM below), true),
           set_config('role', $3, true)
"""
# The function of Postgres that refuses a row for a policy: its words are in the server's language.
_CHECKS_POLICIES = "ExecWithCheckOptions"
_WHO = """
    SELECT set_config('voltaro.principal', $1, true), set_config('voltaro.request_id', $2, true),
           set_config('voltaro.address', $3, true)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What one request says to Postgres.

    Attributes:
        principal: who sent it.
        request_id: which request it is, for the audit log.
        address: where it came from, for the audit log; None if that is not known.
        changes: whether it may change anything; one that reads leaves no name.
    """

    principal: Principal
    request_id: str
    address: str | None = None
    changes: bool

    @property
    def is_whole(self) -> bool:
        """Whether all of the installation is in sight: all others stand below the default one."""
        return self.principal.organization_id == DEFAULT_ORGANIZATION_ID


def as_told(principal: Principal) -> str:
    """Return who somebody is, in JSON, as triggers of the audit log read it."""
    return json.dumps(
        {
            "kind": principal.kind,
            "principal_id": principal.principal_id,
            "name": principal.name,
            "organization_id": principal.organization_id,
        }
    )


async def act_as(
    connection: Connection, principal: Principal, *, request_id: str, address: str | None
) -> None:
    """Have what the rest of a transaction changes stand in the audit log in somebody's name.

    For who changes something before a request has a principal, as an OpenID provider does.
    """
    await connection.execute(_WHO, as_told(principal), request_id, address or "")


@asynccontextmanager
async def unnoticed(connection: Connection) -> AsyncIterator[None]:
    """Have what follows in a transaction leave no entries in the audit log of its own.

    For what a change brings about by itself in other rows, however many: its own entry tells it.
    """
    who = await connection.fetchval("SELECT current_setting('voltaro.principal', true)")
    await connection.execute("SELECT set_config('voltaro.principal', '', true)")
    yield  # if it fails, so does the transaction, and what it has set with it
    await connection.execute("SELECT set_config('voltaro.principal', $1, true)", who or "")


class RequestDatabases:
    """Gives each request its database.

    Args:
        db: the pool.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._role: str | None = None

    @property
    def whole(self) -> Database:
        """What sees all of the installation: for what a decision stands on, behind a check."""
        return self._db

    def of(self, scope: Scope) -> Database:
        """Return the pool itself where there is nothing to say, which costs nothing."""
        if scope.is_whole and not scope.changes:
            return self._db
        return RequestDatabase(self._db, scope, self)

    async def role(self, connection: Connection) -> str:
        """Return the role of requests that do not see everything."""
        if self._role is None:
            self._role = await connection.fetchval(ROLE)
        if self._role is None:
            raise LookupError("the tables have no policies yet: run the migrations")
        return self._role


class RequestDatabase:
    """A pool whose every use is one transaction, in one request's name and scope.

    What a store does within it in transactions of its own are savepoints of that one. It costs
    three round trips more than a single statement of the pool: BEGIN, the scope and COMMIT.

    Args:
        db: the pool.
        scope: of the request.
        databases: know the role.
    """

    def __init__(self, db: Database, scope: Scope, databases: RequestDatabases) -> None:
        self._db = db
        self._scope = scope
        self._databases = databases
        # Savepoints cannot ask for what their transaction has not; reading may ask for one snapshot
        # (a history of several statements), and never waits for anything because of it.
        self._isolation: IsolationLevel | None = None if scope.changes else "repeatable_read"

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Connection]:
        """Hold a connection for one transaction, which is committed at the end of the context.

        Raises:
            asyncpg.ForeignKeyViolationError: also where something out of sight was named: for who
                asks, it is not there.
        """
        async with self._db.acquire() as connection:
            role = None if self._scope.is_whole else await self._databases.role(connection)
            try:
                async with connection.transaction(isolation=self._isolation):
                    await self._enter(connection, role)
                    yield connection
            except asyncpg.InsufficientPrivilegeError as error:
                # Whatever else a role may not do is a fault of ours.
                if getattr(error, "server_source_function", None) != _CHECKS_POLICIES:
                    raise
                raise asyncpg.ForeignKeyViolationError(str(error)) from error

    async def _enter(self, connection: Connection, role: str | None) -> None:
        scope = self._scope
        who, request_id, address = "", "", ""
        if scope.changes:
            who, request_id = as_told(scope.principal), scope.request_id
            address = scope.address or ""
        if role is None:
            await connection.execute(_WHO, who, request_id, address)
        else:
            await connection.execute(
                _SCOPE, who, request_id, role, scope.principal.organization_id, address
            )

    async def fetch(
        self,
        query: str,
        *args: object,
        timeout: float | None = None,  # noqa: ASYNC109 - as asyncpg's
    ) -> list[asyncpg.Record]:
        """Return the rows of a statement, within a time other than that of the settings."""
        async with self.acquire() as connection:
            return await connection.fetch(query, *args, timeout=timeout)

    async def fetchrow(self, query: str, *args: object) -> asyncpg.Record | None:
        """Return the first row of a statement, or None."""
        async with self.acquire() as connection:
            return await connection.fetchrow(query, *args)

    async def fetchval(self, query: str, *args: object) -> Any:  # noqa: ANN401 - as asyncpg's
        """Return the first value of the first row of a statement, or None."""
        async with self.acquire() as connection:
            return await connection.fetchval(query, *args)

    async def execute(self, query: str, *args: object) -> str:
        """Run a statement, and return what Postgres says of it."""
        async with self.acquire() as connection:
            return await connection.execute(query, *args)
