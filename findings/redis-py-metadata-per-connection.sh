#!/usr/bin/env bash
# redis 8.1.0 (PyPI, redis-py), sync and asyncio.
#
# Guessed: which version of itself it tells Redis (CLIENT SETINFO) is looked up once per process, or
# once per pool.
#
# Seen: each connection that a pool makes asks importlib.metadata, which looks through the folders of
# sys.path and reads the package's METADATA: one to two milliseconds of a processor, on the event
# loop, per connection, before anything is sent. A pool that is given `driver_info` (or `lib_version`)
# asks once, or never. It shows where many connections are made at once, as after Redis was away.
#
# Output seen (times differ):
#   redis: 50 connections read the metadata 50 times, 2114 us each
#   redis: 50 connections read the metadata 1 times with driver_info, 18 us each
#   redis.asyncio: 50 connections read the metadata 50 times, 1976 us each
#   redis.asyncio: 50 connections read the metadata 1 times with driver_info, 14 us each
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check redis==8.1.0

cat >"$folder/look.py" <<'PYTHON'
import importlib.metadata
import time

import redis
import redis.asyncio

MADE = 50
version = importlib.metadata.version
asked = []


def counted(name):
    asked.append(name)
    return version(name)


importlib.metadata.version = counted
for library in (redis, redis.asyncio):
    for more, expected in (({}, MADE), ({"driver_info": redis.DriverInfo}, 1)):
        options = {name: make() for name, make in more.items()}
        pool = library.ConnectionPool.from_url("redis://127.0.0.1:1", **options)
        began_s = time.perf_counter()
        for _ in range(MADE):
            pool.make_connection()  # makes the object; nothing is connected
        each_us = (time.perf_counter() - began_s) / MADE * 1e6
        how = f" with {', '.join(more)}" if more else ""
        print(
            f"{library.__name__}: {MADE} connections read the metadata {len(asked)} times{how}, "
            f"{each_us:.0f} us each"
        )
        assert len(asked) == expected
        asked.clear()
PYTHON
"$folder/venv/bin/python" "$folder/look.py"
