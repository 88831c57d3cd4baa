"""What an error from the database says, and what it does not.

Only Postgres' own word on what a statement says is a verdict on it. Whatever else comes up, from
the driver, from the wire or from a server that is stopping, is no reason to give a row up: the
statement may be right, and is tried again on a fresh connection.
"""

from enum import Enum, auto

import asyncpg

# Classes of SQLSTATE (PostgreSQL documentation, appendix A).
#
# 08 lost connection, 25006 a server that became a standby, 28 and 3D a server that does not let us
# in now, 40 a deadlock that a second try resolves, 53 a lack of resources, 57 an operator's
# intervention (shutdown, crash recovery), 58 an error of the system around Postgres.
_AWAY = ("08", "25006", "28", "3D", "40", "53", "57", "58")
# 0A not supported, 21 and 22 what a value is, 23 constraints, 42 what a statement is, 44 the check
# of a view, 54 more than Postgres can hold, P0 raised by a function of the database's own.
_REFUSED = ("0A", "21", "22", "23", "42", "44", "54", "P0")
_LOCK_NOT_AVAILABLE = "55P03"
# By a `statement_timeout` or by somebody: of the class of interventions, but of one statement.
_QUERY_CANCELED = "57014"


class Judgement(Enum):
    """Whose fault an error is."""

    REFUSED = auto()
    """Postgres, or the driver before it, will not have what the statement says: again is in vain.
    """
    LOCKED = auto()
    """Somebody holds a lock for longer than `lock_timeout`. It says nothing of anything else."""
    AWAY = auto()
    """Postgres is away, or refuses everybody."""
    UNCLEAR = auto()
    """Something else: a connection that ends, as asyncpg tells it for some turns of the event loop,
    or a fault in Postgres, in the driver or in ours. A fresh connection tells them apart."""


def judge(error: BaseException) -> Judgement:
    """Tell what an error of a statement means."""
    if isinstance(error, asyncpg.PostgresError):
        return _judge_sqlstate(error)
    if isinstance(error, asyncpg.InterfaceError):
        # One that is a ValueError as well is raised for an argument that cannot be encoded. All
        # others are about the connection, or about how it is used.
        refused = isinstance(error, ValueError)
        return Judgement.REFUSED if refused else Judgement.UNCLEAR
    if isinstance(error, OSError | TimeoutError | asyncpg.TargetServerAttributeNotMatched):
        return Judgement.AWAY
    return Judgement.UNCLEAR


def _judge_sqlstate(error: asyncpg.PostgresError) -> Judgement:
    sqlstate = error.sqlstate or ""
    if sqlstate == _LOCK_NOT_AVAILABLE:
        return Judgement.LOCKED
    if sqlstate.startswith(_AWAY) and sqlstate != _QUERY_CANCELED:
        return Judgement.AWAY
    # That a statement was prepared before its table changed is no fault of what it says.
    if isinstance(error, asyncpg.InvalidCachedStatementError):
        return Judgement.UNCLEAR
    return Judgement.REFUSED if sqlstate.startswith(_REFUSED) else Judgement.UNCLEAR


def is_refused(error: BaseException) -> bool:
    """Tell whether the statement is wrong, so that trying again is in vain."""
    return judge(error) is Judgement.REFUSED


def is_locked(error: BaseException) -> bool:
    """Tell whether somebody held a lock for longer than a statement may wait."""
    return judge(error) is Judgement.LOCKED


def took_too_long(error: BaseException) -> bool:
    """Tell whether a statement was given up: it is too slow, or Postgres is away."""
    return isinstance(error, TimeoutError | asyncpg.QueryCanceledError)


def is_away(error: BaseException) -> bool:
    """Tell whether Postgres cannot be used now, rather than that something is wrong.

    A lock that somebody holds counts as well, and so does every error by which asyncpg says that a
    connection has ended. An error that is not the database's does not.
    """
    judgement = judge(error)
    if judgement is Judgement.UNCLEAR:
        return isinstance(
            error, asyncpg.PostgresError | asyncpg.InterfaceError | asyncpg.InternalClientError
        )
    return judgement is not Judgement.REFUSED
