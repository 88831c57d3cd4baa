"""One connection to Postgres, and when it may be used again."""

from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import asyncpg
from asyncpg.pool import PoolAcquireContext
from asyncpg.transaction import Transaction

from shared.domain.errors import VoltaroError
from shared.store.judgement import Judgement, judge

if TYPE_CHECKING:  # they are generic for type checkers only
    _Connection = asyncpg.Connection[asyncpg.Record]
    _Pool = asyncpg.Pool[asyncpg.Record]
    _PoolAcquireContext = PoolAcquireContext[asyncpg.Record]
else:
    _Connection, _Pool, _PoolAcquireContext = (
        asyncpg.Connection,
        asyncpg.Pool,
        PoolAcquireContext,
    )

IsolationLevel: TypeAlias = Literal[
    "read_committed", "read_uncommitted", "serializable", "repeatable_read"
]


def leaves_usable(error: object) -> bool:
    """Tell whether a connection can be used on after an error in its use.

    It can if Postgres has answered and lives on, and if the error is the domain's. Whatever else
    was raised, nobody knows in which state it is: asyncpg gives a connection back to its pool, and
    out again, that has read its end (FATAL) but not the end of the stream.
    """
    if isinstance(error, asyncpg.PostgresError):
        return judge(error) in {Judgement.REFUSED, Judgement.LOCKED}
    return isinstance(error, VoltaroError)


def end_unless_usable(connection: "asyncpg.pool.PoolConnectionProxy[Any]", error: object) -> None:
    """End a pool's connection if nobody knows in which state an error leaves it."""
    if not leaves_usable(error):
        with suppress(asyncpg.InterfaceError):  # the pool saw it end, and has taken it back
            connection.terminate()


class ServerConnection(_Connection):
    """A connection whose transactions end with it, if nobody knows how they stand."""

    def transaction(
        self,
        *,
        isolation: IsolationLevel | None = None,
        readonly: bool = False,
        deferrable: bool = False,
    ) -> "ServerTransaction":
        """Return a transaction, to be entered as an asynchronous context."""
        return ServerTransaction(self, isolation, readonly, deferrable)


class ServerTransaction(Transaction):
    """A transaction that is rolled back where Postgres answers, and else given up at once.

    asyncpg would send ROLLBACK whatever happened. After a time-out it waits until Postgres confirms
    that it gave the statement up, for another time-out; one that hangs never does.
    """

    _connection: ServerConnection

    async def __aexit__(self, kind: object, error: object, traceback: object) -> None:
        """Commit, roll back or give up."""
        if error is None or leaves_usable(error):
            await super().__aexit__(kind, error, traceback)
        else:
            self._connection.terminate()


class ServerPool(_Pool):
    """A pool that never hands out again what may be half dead.

    A statement that is given up ends its connection, and is never cancelled: a commit that waits
    for a standby and is cancelled counts on the primary alone (PostgreSQL documentation,
    Synchronous Replication), and who tells its rows again would be answered with nothing to wait
    for.
    """

    @classmethod
    async def open(
        cls,
        connect: Callable[..., Coroutine[Any, Any, "_Connection"]],
        *,
        max_size: int,
        init: Callable[["_Connection"], Coroutine[Any, Any, None]],
        reset: Callable[["_Connection"], Awaitable[None]],
    ) -> "ServerPool":
        """Return a pool that has one connection already.

        Args:
            connect: makes a connection.
            max_size: how many there are at most.
            init: prepares each.
            reset: called when one comes back.
        """
        pool = cls(
            connect=connect,
            init=init,
            reset=reset,
            min_size=1,
            max_size=max_size,
            max_queries=50_000,  # these two are asyncpg's own defaults
            max_inactive_connection_lifetime=300.0,
            loop=None,
            connection_class=ServerConnection,  # type: ignore[arg-type]  # the stubs want the base
            record_class=asyncpg.Record,
        )
        await pool
        return pool

    def acquire(self, *, timeout: float | None = None) -> "_Use":
        """Return one use of a connection, to be entered as an asynchronous context."""
        return _Use(self, timeout)


class _Use(_PoolAcquireContext):
    async def __aexit__(self, *raised: object) -> None:
        _, error, _ = raised
        if error is not None and self.connection is not None:
            end_unless_usable(self.connection, error)
        await super().__aexit__(*raised)
