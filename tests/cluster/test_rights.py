"""What the processes of `voltaro up` may do: on the machine, and in Postgres."""

import json
import os
import pwd
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from cli.up import servers
from cli.up.data import Credentials, open_data_directory
from shared.store.migrate import migrate
from tests.support.local_cluster import Cluster, running_cluster
from tests.support.local_servers import running_postgres

AS_ROOT = os.geteuid() == 0
OURS = {"gateway-1", "gateway-2", "control", "worker"}


def user_of(pid: int) -> tuple[int, int]:
    """Return the effective user and group of a process."""
    words = {
        line.split(":")[0]: line.split()[2]
        for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
        if line.startswith(("Uid:", "Gid:"))
    }
    return int(words["Uid"]), int(words["Gid"])


def test_no_process_is_root_and_no_two_servers_are_one_user(shared_cluster: Cluster) -> None:
    users = {name: user_of(pid) for name, pid in shared_cluster.pids.items()}
    if not AS_ROOT:
        assert set(users.values()) == {(os.geteuid(), os.getegid())}
        return
    ours = {users.pop(name) for name in OURS}
    assert len(ours) == 1
    everybody = [*ours, *users.values()]
    assert len(set(everybody)) == len(everybody) == 4
    for uid, gid in everybody:
        assert uid == gid
        with pytest.raises(KeyError):
            pwd.getpwuid(uid)


@pytest.mark.parametrize("name", ["postgres", "redis", "haproxy", "files"])
def test_the_files_of_a_server_are_its_own(shared_cluster: Cluster, name: str) -> None:
    uid, _ = user_of(shared_cluster.pids.get(name, shared_cluster.pids["control"]))
    for path in (shared_cluster.data / name, *(shared_cluster.data / name).rglob("*")):
        status = path.stat(follow_symlinks=False)
        assert status.st_uid == uid, path
        assert status.st_mode & 0o077 == 0, path


@pytest.mark.parametrize("name", ["credentials.json", "up.json", "logs"])
def test_what_holds_the_secrets_of_all_is_of_none_of_them(
    shared_cluster: Cluster, name: str
) -> None:
    status = (shared_cluster.data / name).stat()
    assert (status.st_uid, status.st_mode & 0o077) == (os.geteuid(), 0)


async def test_a_file_of_the_api_is_kept_without_roots_rights(shared_cluster: Cluster) -> None:
    response = await shared_cluster.api.post(
        "/v1/files", params={"name": "firmware.bin"}, content=b"x" * 100
    )
    assert response.is_success, response.text


@pytest.mark.parametrize(
    "statement",
    [
        "COPY stations TO PROGRAM 'cat'",
        "SELECT pg_read_file('PG_VERSION')",
        "CREATE ROLE another",
        "CREATE DATABASE another",
        "ALTER SYSTEM SET work_mem = '1MB'",
        "ALTER ROLE voltaro_application SUPERUSER",
    ],
)
async def test_the_application_may_nothing_beyond_its_database(
    shared_cluster: Cluster, statement: str
) -> None:
    connection = await asyncpg.connect(shared_cluster.database_url)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    finally:
        await connection.close()


def test_no_process_of_ours_knows_the_superuser(shared_cluster: Cluster) -> None:
    superuser = urlsplit(shared_cluster.superuser_url)
    assert superuser.username
    assert superuser.password
    for name in OURS:
        pid = shared_cluster.pids[name]
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        assert superuser.password.encode() not in environment, name
        assert f"//{superuser.username}:".encode() not in environment, name
    assert superuser.password not in shared_cluster.start.output.read_text(encoding="utf-8")


async def owners(url: str) -> dict[str, int]:
    """Return how many things of the database each role owns."""
    connection = await asyncpg.connect(url)
    try:
        records = await connection.fetch(
            """
            SELECT owner::regrole::text AS owner, count(*) FROM (
                SELECT relowner AS owner FROM pg_class WHERE relnamespace = 'public'::regnamespace
                UNION ALL
                SELECT proowner FROM pg_proc WHERE pronamespace = 'public'::regnamespace
                UNION ALL
                SELECT typowner FROM pg_type WHERE typnamespace = 'public'::regnamespace
                UNION ALL
                SELECT datdba FROM pg_database WHERE datname = current_database()
            ) AS thing GROUP BY 1
            """
        )
    finally:
        await connection.close()
    return {record["owner"]: record["count"] for record in records}


async def make_data_of_the_version_before(data: Path, credentials: dict[str, str]) -> None:
    """Leave what it left: one superuser for all, and files of `nobody`'s and root's."""
    with open_data_directory(data, reset=False):
        pass
    (data / "credentials.json").write_text(json.dumps(credentials), encoding="utf-8")
    (data / "files").mkdir(mode=0o700)
    (data / "files" / "firmware").write_bytes(b"kept")
    with running_postgres(data, durable=True, password=credentials["postgres_password"]) as server:
        url = servers.postgres_url(server.port, credentials["postgres_password"])
        await migrate(url, connect_timeout_s=5)
        connection = await asyncpg.connect(url)
        await connection.execute("INSERT INTO stations (station_id) VALUES ('OLD-1')")
        await connection.execute("CREATE TYPE mood AS ENUM ('good', 'bad')")
        await connection.execute("CREATE VIEW online_now AS SELECT * FROM stations WHERE online")
        await connection.close()
        assert set(await owners(url)) == {"voltaro"}
    (data / "postgres.log").unlink()
    if AS_ROOT:
        nobody = pwd.getpwnam("nobody")
        for path in (data / "postgres", *(data / "postgres").rglob("*")):
            os.chown(path, nobody.pw_uid, nobody.pw_gid)
        for path in (data / "files", data / "files" / "firmware"):
            os.chown(path, 0, 0)


async def test_data_of_the_version_before_is_taken_over_in_place(tmp_path: Path) -> None:
    data = tmp_path / "data"
    credentials = vars(Credentials.random())
    del credentials["application_password"]
    await make_data_of_the_version_before(data, credentials)
    for number in range(2):  # the second start finds it done
        with running_cluster(data, "--gateways", "1") as cluster:
            assert cluster.api_key == credentials["api_key"]
            assert set(await owners(cluster.database_url)) == {"voltaro_application"}
            async with cluster.client() as api:
                assert (await api.get("/v1/stations/OLD-1")).status_code == 200
                body = {"station_id": f"NEW-{number}"}
                assert (await api.post("/v1/stations", json=body)).status_code == 201
            uid, _ = user_of(cluster.pids["control"])
            assert (data / "files" / "firmware").stat().st_uid == uid


async def test_the_application_makes_partitions_of_its_tables(shared_cluster: Cluster) -> None:
    connection = await asyncpg.connect(shared_cluster.database_url)
    try:
        await connection.execute("SELECT ensure_meter_value_partitions(current_date + 400, 1)")
    finally:
        await connection.close()
    assert set(await owners(shared_cluster.database_url)) == {"voltaro_application"}
