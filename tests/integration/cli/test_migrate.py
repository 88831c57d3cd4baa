import os
import subprocess
import sys

import asyncpg

from cli.up import servers
from tests.support.local_servers import PostgresServer


def migrate(database_url: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (sys.executable, *options, "-P", "-m", "cli", "migrate"),
        env={"PATH": os.defpath, "VOLTARO_DATABASE_URL": database_url},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


async def test_it_makes_the_schema_and_may_be_run_again(empty_database_url: str) -> None:
    for _ in range(2):
        result = migrate(empty_database_url)
        assert (result.returncode, result.stderr) == (0, "The schema is current.\n")
    connection = await asyncpg.connect(empty_database_url)
    try:
        assert await connection.fetchval("SELECT count(*) FROM stations") == 0
    finally:
        await connection.close()


async def test_what_is_current_is_told_without_loading_what_migrates(database_url: str) -> None:
    assert "alembic" not in migrate(database_url, "-X", "importtime").stderr
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute("DROP INDEX sessions_by_start")
        assert "alembic" in migrate(database_url, "-X", "importtime").stderr
        assert await connection.fetchval("SELECT to_regclass('sessions_by_start')") is not None
    finally:
        await connection.close()


async def test_partitions_of_the_days_to_come_are_made_though_the_schema_is_current(
    database_url: str,
) -> None:
    last = """
        SELECT max(inhrelid::regclass::text) FROM pg_inherits
        WHERE inhparent = $1::regclass AND inhrelid <> ($1 || '_default')::regclass
    """
    connection = await asyncpg.connect(database_url)
    try:
        expected = await connection.fetchval(last, "ocpp_log")
        await connection.execute(f"DROP TABLE {expected}")
        assert "alembic" not in migrate(database_url, "-X", "importtime").stderr
        assert await connection.fetchval(last, "ocpp_log") == expected
    finally:
        await connection.close()


def test_a_wrong_password_is_one_sentence(postgres_server: PostgresServer) -> None:
    result = migrate(servers.postgres_url(postgres_server.port, "wrong", "postgres"))
    assert result.returncode == 1
    assert "password authentication failed" in result.stderr
    assert result.stderr.count("\n") == 1
