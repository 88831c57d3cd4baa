"""A word on every column, and what the triggers make of it."""

import json
from typing import Any

import asyncpg
import pytest

from shared.domain.secret_names import is_secret
from shared.store.audited import Audited
from shared.store.audited_tables import AUDITED, NOT_AUDITED
from shared.store.migrate import migrate
from shared.store.pool import Database
from tests.integration.control.players import register

WHO = {"kind": "user", "principal_id": "u-1", "name": "Ada", "organization_id": "default"}
_BY_WHOM = """
    SELECT set_config('voltaro.principal', $1, true),
           set_config('voltaro.request_id', 'request-1', true),
           set_config('voltaro.address', '192.0.2.7', true)
"""


async def change(db: Database, *statements: str) -> None:
    """Run statements as a request does."""
    async with db.acquire() as connection, connection.transaction():
        await connection.execute(_BY_WHOM, json.dumps(WHO))
        for statement in statements:
            await connection.execute(statement)


async def entries(db: Database) -> list[dict[str, Any]]:
    return [dict(each) for each in await db.fetch("SELECT * FROM audit.entries ORDER BY entry_id")]


async def test_every_column_is_shown_or_masked_or_left_out_for_a_reason(db: Database) -> None:
    columns: dict[str, set[str]] = {}
    for table, column in await db.fetch(
        """
        SELECT relname, attname FROM pg_class
        JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
          AND NOT relispartition
        """
    ):
        columns.setdefault(table, set()).add(column)
    assert columns.keys() == {*AUDITED, *NOT_AUDITED}, "each table is audited, or says why not"
    for table, audited in AUDITED.items():
        said = [*audited.shown, *audited.secret, *audited.left_out]
        assert len(said) == len(set(said)), table
        assert set(said) == columns[table], table
        assert set(audited.key) <= columns[table], table


@pytest.mark.parametrize("table", AUDITED)
def test_nothing_is_shown_that_is_called_like_a_secret(table: str) -> None:
    for column in set(AUDITED[table].shown) - {
        "tokens",  # of local_lists: which ones, as `all` or `groups`, and none of them
        "totp_confirmed",  # of users: whether
    }:
        assert not is_secret(column), column
        assert not column.endswith(("_hash", "_key", "location")), column


async def test_what_is_done_is_not_done_again(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        before = await connection.fetchval("SELECT max(oid::bigint) FROM pg_trigger")
        await migrate(database_url, connect_timeout_s=5)
        assert await connection.fetchval("SELECT max(oid::bigint) FROM pg_trigger") == before
    finally:
        await connection.close()


async def test_a_new_word_on_a_table_makes_its_triggers_anew(
    database_url: str, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = Audited(resource="quirks", key=("quirk_id",), shown=("kind",))
    monkeypatch.setitem(AUDITED, "quirks", silent)
    await migrate(database_url, connect_timeout_s=5)
    assert (
        await db.fetchval(
            "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'quirks'::regclass"
            " AND tgname LIKE 'note_change%'"
        )
        == 3
    )


async def test_before_and_after_of_what_was_changed_and_nothing_of_a_secret(db: Database) -> None:
    await register(db, "CS-1", name="Depot", password_hash="$argon2id$one")
    await change(
        db, "UPDATE stations SET name = 'North', password_hash = '$argon2id$two', booted_at = now()"
    )

    (entry,) = await entries(db)
    assert entry["before"] == {"name": "Depot", "password_hash": "(redacted)"}
    assert entry["after"] == {"name": "North", "password_hash": "(redacted)"}
    assert (entry["action"], entry["resource"], entry["resource_id"], entry["organization_id"]) == (
        *("changed", "stations", "CS-1", "default"),
    )
    assert (entry["principal_kind"], entry["principal_id"], entry["principal_name"]) == (
        *("user", "u-1", "Ada"),
    )
    assert (entry["request_id"], entry["address"]) == ("request-1", "192.0.2.7")


async def test_a_thing_that_comes_and_one_that_goes(db: Database) -> None:
    await change(
        db,
        "INSERT INTO locations (location_id, name) VALUES ('depot', 'Depot')",
        "DELETE FROM locations",
    )
    created, deleted = await entries(db)
    assert (created["action"], created["before"]) == ("created", None)
    assert created["after"]["name"] == "Depot"
    assert (deleted["action"], deleted["after"]) == ("deleted", None)
    assert deleted["before"] == created["after"]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE stations SET name = name, updated_at = now()",
        "UPDATE stations SET booted_at = now(), online = true",
        "UPDATE stations SET name = 'other' WHERE false",
        "SELECT 1",
    ],
)
async def test_what_changes_nothing_leaves_nothing(db: Database, statement: str) -> None:
    await register(db, "CS-1")
    await change(db, statement)
    assert await entries(db) == []


async def test_what_nobody_has_asked_for_leaves_nothing(db: Database) -> None:
    await register(db, "CS-1")
    await db.execute("UPDATE stations SET name = 'other'")
    assert await entries(db) == []


async def test_what_is_rolled_back_leaves_nothing(db: Database) -> None:
    with pytest.raises(asyncpg.DivisionByZeroError):
        await change(
            db, "INSERT INTO locations (location_id, name) VALUES ('a', 'A')", "SELECT 1/0"
        )
    assert await entries(db) == []


async def test_what_a_change_brings_about_is_told_by_its_own_entry(db: Database) -> None:
    await register(db, "CS-1")
    await db.execute(
        "INSERT INTO maintenance_windows (station_id, starts_at, ends_at)"
        " VALUES ('CS-1', now(), now() + interval '1 hour')"
    )
    await change(db, "DELETE FROM stations")
    assert [(each["resource"], each["action"]) for each in await entries(db)] == [
        ("stations", "deleted")
    ]


async def test_a_command_is_told_without_what_it_hides(db: Database) -> None:
    await register(db, "CS-1")
    await change(
        db,
        """
        INSERT INTO commands (station_id, type, params, redacted_params, password_hash, expires_at)
        VALUES ('CS-1', 'ChangeConfiguration', '{"key": "AuthorizationKey", "value": "hunter2"}',
                '{"key": "AuthorizationKey", "value": "(redacted)"}', 'a-hash', now())
        """,
    )
    (entry,) = await entries(db)
    assert entry["action"] == "asked"
    assert entry["after"]["params"] == {"key": "AuthorizationKey", "value": "(redacted)"}
    assert entry["after"]["password_hash"] == "(redacted)"
    assert "hunter2" not in repr(entry)


async def test_what_is_very_long_is_told_by_its_length(db: Database) -> None:
    await change(
        db,
        "INSERT INTO locations (location_id, name) VALUES ('a', repeat('x', 20000))",
    )
    (entry,) = await entries(db)
    assert entry["after"]["name"] == "(20002 bytes)"
