from pathlib import Path

import asyncpg
import pytest
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError

from cli.up import servers
from cli.up.errors import UpError
from tests.support.local_servers import PostgresServer, RedisServer, running_postgres


async def test_postgres_is_the_version_we_name(postgres_server: PostgresServer) -> None:
    connection = await asyncpg.connect(postgres_server.url("postgres"))
    try:
        version = await connection.fetchval("SHOW server_version")
        sorted_text = await connection.fetchval(
            "SELECT array_agg(x ORDER BY x) FROM unnest($1::text[]) x", ["b", "B", "ä", "a"]
        )
    finally:
        await connection.close()
    assert version.split(".")[0] == servers.POSTGRES_MAJOR_VERSION
    assert sorted_text == ["B", "a", "b", "ä"]  # by code point, on every machine


async def test_postgres_asks_for_the_password(postgres_server: PostgresServer) -> None:
    url = servers.postgres_url(postgres_server.port, "wrong", "postgres")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(url)


async def test_redis_asks_for_the_password(redis_server: RedisServer) -> None:
    async with Redis.from_url(servers.redis_url(redis_server.port, "wrong")) as client:
        with pytest.raises(AuthenticationError):
            await client.ping()


async def test_a_half_made_cluster_is_made_anew(tmp_path: Path) -> None:
    unfinished = tmp_path / "postgres.unfinished"
    unfinished.mkdir()
    (unfinished / "PG_VERSION").write_text("18\n", encoding="ascii")
    (tmp_path / "postgres.password").touch()

    with running_postgres(tmp_path) as server:
        connection = await asyncpg.connect(server.url(servers.POSTGRES_DATABASE))
        await connection.close()

    assert not unfinished.exists()
    assert not (tmp_path / "postgres.password").exists()


def test_what_initdb_says_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "POSTGRES_SUPERUSER", "pg_reserved")
    with pytest.raises(UpError, match=r"Postgres cannot be set up in .*pg_reserved"):
        servers.create_postgres(tmp_path / "postgres", "password")
    assert not (tmp_path / "postgres").exists()
    assert not (tmp_path / "postgres.password").exists()


@pytest.mark.parametrize("fixture", ["postgres_server", "redis_server"])
def test_the_password_is_not_on_the_command_line(
    request: pytest.FixtureRequest, fixture: str
) -> None:
    server = request.getfixturevalue(fixture)
    command_line = Path(f"/proc/{server.pid}/cmdline").read_text(encoding="utf-8")
    assert fixture.removesuffix("_server") in command_line
    assert "only-for-tests" not in command_line
