"""What a request says to Postgres, and for how long it holds."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from control.settings import ControlSettings
from shared.domain.accounts.principals import ROOT
from shared.domain.errors import ConflictError
from shared.store.pool import Database, open_database
from shared.store.request_database import RequestDatabases, Scope
from tests.integration.control.conftest import MakeSettings

WHO = "SELECT current_setting('voltaro.principal', true)"
WHICH = "SELECT current_setting('voltaro.request_id', true)"


def scope(*, changes: bool = True) -> Scope:
    return Scope(principal=ROOT, request_id="request-1", changes=changes)


@pytest.fixture
async def db(make_settings: MakeSettings) -> AsyncIterator[Database]:
    """A pool of one connection, so that whatever stays on it is seen by who comes next."""
    settings: ControlSettings = make_settings(database_pool_size=1)
    async with open_database(settings) as database:
        yield database


async def fail_after(database: Database, statement: str) -> None:
    with suppress(ConflictError):
        async with database.acquire() as connection:
            await connection.execute(statement)
            raise ConflictError("something went wrong")


async def test_a_request_that_changes_something_says_who_it_is(db: Database) -> None:
    of_request = RequestDatabases(db).of(scope())

    assert json.loads(await of_request.fetchval(WHO)) == {
        "kind": "root_key",
        "principal_id": "root",
        "name": "api",
        "organization_id": "default",
    }
    assert await of_request.fetchval(WHICH) == "request-1"


async def test_nothing_of_it_reaches_who_takes_the_connection_next(db: Database) -> None:
    of_request = RequestDatabases(db).of(scope())
    await of_request.fetchval(WHO)
    assert not await db.fetchval(WHO)

    await fail_after(of_request, WHO)
    assert not await db.fetchval(WHO)

    entered = asyncio.Event()

    async def use() -> None:
        async with of_request.acquire():
            entered.set()
            await asyncio.Event().wait()

    given_up = asyncio.create_task(use())
    await entered.wait()
    given_up.cancel()
    await asyncio.wait([given_up])
    assert not await db.fetchval(WHO)


async def test_who_sees_everything_and_changes_nothing_has_the_pool_itself(db: Database) -> None:
    assert RequestDatabases(db).of(scope(changes=False)) is db


async def test_what_fails_within_a_use_is_not_kept(db: Database) -> None:
    of_request = RequestDatabases(db).of(scope())
    await fail_after(of_request, "UPDATE organizations SET name = 'Other'")

    assert await db.fetchval("SELECT name FROM organizations") == "Default"


async def test_a_savepoint_that_fails_leaves_the_rest(db: Database) -> None:
    of_request = RequestDatabases(db).of(scope())
    async with of_request.acquire() as connection:
        await connection.execute("UPDATE organizations SET name = 'Kept'")
        with suppress(ConflictError):
            async with connection.transaction():
                await connection.execute("UPDATE organizations SET name = 'Lost'")
                raise ConflictError("something went wrong")
        assert await connection.fetchval(WHICH) == "request-1"

    assert await db.fetchval("SELECT name FROM organizations") == "Kept"
