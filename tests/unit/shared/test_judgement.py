"""What an error of the database says about a statement."""

import asyncpg
import pytest

from shared.domain.errors import NotFoundError
from shared.store.judgement import Judgement, is_away, is_locked, is_refused, judge
from shared.store.server_connection import leaves_usable


class EncodingFailedError(asyncpg.InterfaceError, ValueError):
    """What asyncpg raises for an argument that it cannot encode has these two bases."""


@pytest.mark.parametrize(
    ("error", "judgement"),
    [
        (asyncpg.CharacterNotInRepertoireError("x"), Judgement.REFUSED),
        (asyncpg.UniqueViolationError("x"), Judgement.REFUSED),
        (asyncpg.UndefinedTableError("x"), Judgement.REFUSED),
        (asyncpg.ProgramLimitExceededError("x"), Judgement.REFUSED),
        (asyncpg.RaiseError("x"), Judgement.REFUSED),
        (EncodingFailedError("x"), Judgement.REFUSED),
        (asyncpg.LockNotAvailableError("x"), Judgement.LOCKED),
        (asyncpg.AdminShutdownError("x"), Judgement.AWAY),
        (asyncpg.CannotConnectNowError("x"), Judgement.AWAY),
        (asyncpg.ConnectionDoesNotExistError("x"), Judgement.AWAY),
        (asyncpg.DiskFullError("x"), Judgement.AWAY),
        (asyncpg.ReadOnlySQLTransactionError("x"), Judgement.AWAY),
        (asyncpg.DeadlockDetectedError("x"), Judgement.AWAY),
        (asyncpg.InvalidPasswordError("x"), Judgement.AWAY),
        (asyncpg.TargetServerAttributeNotMatched("x"), Judgement.AWAY),
        (ConnectionRefusedError(), Judgement.AWAY),
        (TimeoutError(), Judgement.AWAY),
        (asyncpg.InternalClientError("x"), Judgement.UNCLEAR),
        (asyncpg.InterfaceError("connection is closed"), Judgement.UNCLEAR),
        (asyncpg.OutdatedSchemaCacheError("x"), Judgement.UNCLEAR),
        (asyncpg.InvalidCachedStatementError("x"), Judgement.UNCLEAR),
        (asyncpg.InternalServerError("x"), Judgement.UNCLEAR),
        (asyncpg.QueryCanceledError("x"), Judgement.UNCLEAR),
    ],
)
def test_only_postgres_own_word_about_a_statement_is_a_verdict(
    error: Exception, judgement: Judgement
) -> None:
    assert judge(error) is judgement
    assert is_refused(error) is (judgement is Judgement.REFUSED)
    assert is_locked(error) is (judgement is Judgement.LOCKED)
    assert is_away(error) is (judgement is not Judgement.REFUSED)


def test_what_is_not_the_databases_is_neither_a_verdict_nor_an_outage() -> None:
    for error in (KeyError("x"), NotFoundError("x")):
        assert judge(error) is Judgement.UNCLEAR
        assert not is_away(error)


def test_a_connection_is_used_on_only_after_an_answer() -> None:
    assert leaves_usable(asyncpg.UniqueViolationError("x"))
    assert leaves_usable(asyncpg.LockNotAvailableError("x"))
    assert leaves_usable(NotFoundError("x"))
    assert not leaves_usable(asyncpg.AdminShutdownError("x"))
    assert not leaves_usable(asyncpg.InternalClientError("x"))
    assert not leaves_usable(TimeoutError())
    assert not leaves_usable(KeyError("x"))
