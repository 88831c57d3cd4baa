"""Databases that tests use one after another.

To make one from the template and to drop it costs Postgres ten times as much processor time as to
empty it: the schema has several hundred relations. So it is emptied and lent again, and dropped
only if a test has changed more than rows.
"""

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from uuid import uuid4

import asyncpg

from tests.support.local_servers import PostgresServer

# Beyond that, making a new one costs less, and plans are no longer those of an empty database. What
# was deleted counts, as nothing is vacuumed, so that this bounds how often one is lent as well.
_MOST_BYTES = 2_000_000
_END_TIMEOUT_MS = 5_000

# What a test that changes the schema, or settings and statistics of the database, leaves behind.
_CATALOGS = (
    *("pg_class", "pg_attribute", "pg_attrdef", "pg_constraint", "pg_index", "pg_trigger"),
    *("pg_proc", "pg_type", "pg_namespace", "pg_policy", "pg_rewrite", "pg_inherits"),
    *("pg_extension", "pg_statistic", "pg_default_acl", "pg_largeobject_metadata"),
)
_FINGERPRINT = " UNION ALL ".join(
    f"SELECT '{name}', count(*), max(xmin::text::bigint) FROM pg_catalog.{name}"  # noqa: S608
    for name in _CATALOGS
)
_SETTINGS = """
    SELECT setdatabase, setrole, setconfig FROM pg_db_role_setting
    WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
# Tables without partitions, as far as anything was ever written to them.
_TABLES = """
    SELECT oid::regclass::text, size FROM (
        SELECT oid, pg_relation_size(oid) AS size FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
    ) WHERE size > 0 ORDER BY 1
"""
# A sequence that was never asked has no last value.
_ASKED = "FROM pg_sequence WHERE pg_sequence_last_value(seqrelid) IS NOT NULL"
_RESTART_SEQUENCES = (
    f"SELECT setval(seqrelid, seqstart, false) {_ASKED} AND NOT seqrelid = ANY ($1)"
)
_END_OTHERS = """
    SELECT pg_terminate_backend(pid, $1) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


class LentDatabases:
    """Lends databases with the current schema and no rows but those that migrations make.

    Args:
        server: where they are.
        template: the database that they are copied from; nobody may be connected to it.
    """

    def __init__(self, server: PostgresServer, template: str) -> None:
        self._server = server
        self._template = template
        self._clean: deque[str] = deque()
        self._kept: _Kept | None = None

    @asynccontextmanager
    async def lend(self) -> AsyncIterator[str]:
        """Lend the URL of one; whoever is still connected to it afterwards is ended."""
        if self._clean:
            name = self._clean.popleft()
        else:
            name = f"test_{uuid4().hex}"
            await self._server.create_database(name, template=self._template)
            self._kept = self._kept or await _look(self._server.url(name))
        yield self._server.url(name)
        assert self._kept is not None, "was looked at when the first one was made"
        if await _empty(self._server.url(name), self._kept):
            self._clean.append(name)
        else:
            await self._server.drop_database(name)


@dataclass(frozen=True)
class _Kept:
    """What a new database holds: fingerprints of its catalogs, and its rows.

    `contents` are of tables, in Postgres' binary form; `sequences` are the oids of those that were
    asked, which are the same in every copy.
    """

    fingerprint: list[asyncpg.Record]
    contents: dict[str, bytes]
    sequences: list[int]


async def _look(url: str) -> _Kept:
    connection = await asyncpg.connect(url)
    try:
        return _Kept(
            fingerprint=await _fingerprint(connection),
            contents={
                name: await _read(connection, name) for name, _ in await connection.fetch(_TABLES)
            },
            sequences=[
                sequence for (sequence,) in await connection.fetch(f"SELECT seqrelid {_ASKED}")
            ],
        )
    finally:
        await connection.close()


async def _read(connection: asyncpg.Connection, table: str) -> bytes:
    content = BytesIO()
    await connection.copy_from_table(table, output=content, format="binary")
    return content.getvalue()


async def _fingerprint(connection: asyncpg.Connection) -> list[asyncpg.Record]:
    return [*await connection.fetch(_FINGERPRINT), *await connection.fetch(_SETTINGS)]


async def _empty(url: str, kept: _Kept) -> bool:
    """Give a database back the rows that it had when it was new, unless more was changed."""
    connection = await asyncpg.connect(url)
    try:
        await connection.fetch(_END_OTHERS, _END_TIMEOUT_MS)
        if await _fingerprint(connection) != kept.fingerprint:
            return False
        written = dict(await connection.fetch(_TABLES))
        if sum(written.values()) > _MOST_BYTES:
            return False
        changed = [
            name
            for name in written
            if name not in kept.contents or await _read(connection, name) != kept.contents[name]
        ]
        # Without triggers and foreign keys, which would ask for an order.
        deletions = "".join(f"; DELETE FROM {name}" for name in (*changed, "audit.entries"))  # noqa: S608
        await connection.execute(f"SET session_replication_role = replica{deletions}")
        for name in kept.contents.keys() & set(changed):
            await connection.copy_to_table(
                name, source=BytesIO(kept.contents[name]), format="binary"
            )
        await connection.fetch(_RESTART_SEQUENCES, kept.sequences)
    finally:
        await connection.close()
    return True
