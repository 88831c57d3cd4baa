import os
import subprocess
import sys

import asyncpg

from cli.up import servers
from tests.support.local_servers import PostgresServer


def migrate(database_url: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (sys.executable, "-P", "-m", "cli", "migrate"),
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


def test_a_wrong_password_is_one_sentence(postgres_server: PostgresServer) -> None:
    result = migrate(servers.postgres_url(postgres_server.port, "wrong", "postgres"))
    assert result.returncode == 1
    assert "password authentication failed" in result.stderr
    assert result.stderr.count("\n") == 1
