"""One session that cannot be worked out, among a thousand, costs only itself."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg

from cli.up.ports import free_ports
from tests.faults.table import Finding, invariant, scaled
from tests.support.eventually import eventually

SESSIONS = scaled(200, 1000)
VALUES = scaled(150_000, 1_000_000)
GROWTH_MAX_MB = scaled(60, 150)
SETTLED_IN_S = 30.0
# The first has very many values. Reading the second's few takes long, as those of the third, which
# is on the same EVSE, are passed over.
HEAVY, SLOW, BESIDE_SLOW = "1", "2", "3"
BEGIN = datetime.now(UTC).replace(microsecond=0) - timedelta(days=20)
END = BEGIN + timedelta(days=19)
BOUNDS = {
    "VOLTARO_SETTLE_MAX_SAMPLES": str(scaled(2_000, 5_000)),
    "VOLTARO_SETTLE_TIMEOUT_S": str(scaled(0.1, 0.5)),
    "VOLTARO_SETTLE_RETRY_S": "0.2",
    "VOLTARO_SETTLE_MAX_FAILURES": "3",
}
NO_BOUNDS = {
    "VOLTARO_SETTLE_MAX_SAMPLES": "100000000",
    "VOLTARO_SETTLE_TIMEOUT_S": "600",
    "VOLTARO_DATABASE_COMMAND_TIMEOUT_S": "600",
}


@dataclass
class Settled:
    """What a worker made of the sessions."""

    good: int = 0
    seconds: float = 0.0
    growth_mb: float = 0.0
    reasons: dict[str, list[str]] = field(default_factory=dict)


async def write_sessions(db: asyncpg.Connection) -> None:
    """Have sessions that are over, with a few meter values each and two with a great many."""
    await db.execute(
        """
        INSERT INTO sessions (station_id, evse_id, connector_id, transaction_id,
                              transaction_id_issuer, ocpp_version, id_token, started_at,
                              meter_start_wh, settle_at)
        SELECT 'CS-' || CASE n::text WHEN $4 THEN $3 ELSE n::text END, 1, 1, n::text, 'csms', '1.6',
               'TAG', CASE n::text WHEN $4 THEN $5 ELSE $1::timestamptz END, 0, NULL
        FROM generate_series(1, $2) AS n
        """,
        BEGIN,
        SESSIONS,
        SLOW,
        BESIDE_SLOW,
        BEGIN + timedelta(seconds=1),
    )
    await db.execute(
        """
        INSERT INTO transaction_ends (station_id, transaction_id, ended_at, meter_stop_wh,
                                      stopped_reason)
        SELECT station_id, transaction_id, $1, 100000, 'Local' FROM sessions
        """,
        END,
    )
    await db.execute(
        """
        INSERT INTO meter_values (station_id, evse_id, sampled_at, fingerprint, transaction_id,
                                  samples)
        SELECT station_id, 1, started_at + value * interval '1 second', value, transaction_id,
               jsonb_build_array(jsonb_build_object(
                   'value', (value / 20)::text, 'measurand', 'Energy.Active.Import.Register',
                   'context', 'Sample.Periodic', 'location', 'Outlet', 'unit', 'Wh'))
        FROM sessions, generate_series(1, CASE WHEN transaction_id = ANY ($1) THEN $2 ELSE 5 END)
             AS value
        """,
        [HEAVY, BESIDE_SLOW],
        VALUES,
    )
    await db.execute("ANALYZE")


@asynccontextmanager
async def running_worker(
    database_url: str, redis_url: str, log: Path, **settings: str
) -> AsyncIterator[int]:
    """Run a worker as a process of its own; yield its pid once it has started."""
    (port,) = free_ports(1)
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "control.jobs"),
            env={
                **os.environ,
                "VOLTARO_DATABASE_URL": database_url,
                "VOLTARO_REDIS_URL": redis_url,
                "VOLTARO_MANAGEMENT_HOST": "127.0.0.1",
                "VOLTARO_MANAGEMENT_PORT": str(port),
                "VOLTARO_SETTLE_INTERVAL_S": "0.1",
                **settings,
            },
            stdout=output,
            stderr=output,
        )
        try:
            await eventually(
                lambda: asyncio.to_thread(log.read_text, encoding="utf-8"),
                lambda text: "the worker runs" in text,
            )
            yield process.pid
        finally:
            process.terminate()
            await process.wait()


def _rss_mb(pid: int, which: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{which}:"):
            return int(line.split()[1]) / 1024
    raise AssertionError(f"process {pid} has no {which}")


async def settle_all(database_url: str, redis_url: str, log: Path, **settings: str) -> Settled:
    """Have a worker settle sessions, until those with very many values are done too."""
    settled = Settled()
    db = await asyncpg.connect(database_url)
    poisoned = [HEAVY, SLOW, BESIDE_SLOW]

    async def count(condition: str) -> int:
        query = f"SELECT count(*) FROM sessions WHERE settled_at IS NOT NULL AND {condition}"  # noqa: S608
        return int(await db.fetchval(query, poisoned))

    try:
        await write_sessions(db)
        async with running_worker(database_url, redis_url, log, **settings) as pid:
            before_mb, began = _rss_mb(pid, "VmRSS"), time.monotonic()
            await db.execute("UPDATE sessions SET settle_at = now()")
            others = SESSIONS - len(poisoned)
            await eventually(
                lambda: count("transaction_id <> ALL ($1)"), others.__eq__, timeout_s=300
            )
            settled.seconds = time.monotonic() - began
            await eventually(
                lambda: count("transaction_id = ANY ($1)"), len(poisoned).__eq__, timeout_s=300
            )
            settled.growth_mb = _rss_mb(pid, "VmHWM") - before_mb
        settled.good = await count(
            "NOT needs_review AND energy_wh = 100000 AND transaction_id <> ALL ($1)"
        )
        rows = await db.fetch("SELECT transaction_id, review_reasons FROM sessions ORDER BY 1")
        settled.reasons = {row[0]: row[1] for row in rows if row[0] in poisoned}
    finally:
        await db.close()
    return settled


def tell(finding: Finding, settled: Settled) -> None:
    finding.times = SESSIONS
    finding.tell(
        values_of_one=VALUES,
        others_settled=settled.good,
        in_s=settled.seconds,
        memory_grew_by_MB=settled.growth_mb,
    )


@invariant(19, "a session with a million values, and one whose values take too long to read")
async def test_a_poisonous_session_among_a_thousand_costs_only_itself(
    database_url: str, redis_url: str, tmp_path: Path, finding: Finding
) -> None:
    settled = await settle_all(database_url, redis_url, tmp_path / "worker.log", **BOUNDS)
    tell(finding, settled)
    assert settled.good == SESSIONS - 3
    assert settled.seconds < SETTLED_IN_S
    assert settled.growth_mb < GROWTH_MAX_MB
    assert settled.reasons[HEAVY] == ["meter_values_too_many"]
    if settled.reasons[SLOW]:  # else this machine has read them within the time that is given
        assert settled.reasons[SLOW] == ["meter_values_unreadable"]


@invariant(19, "the same, without bounds", control=True)
async def test_without_bounds_memory_grows_with_what_a_station_said(
    database_url: str, redis_url: str, tmp_path: Path, finding: Finding
) -> None:
    settled = await settle_all(database_url, redis_url, tmp_path / "worker.log", **NO_BOUNDS)
    tell(finding, settled)
    assert settled.growth_mb > GROWTH_MAX_MB
    assert settled.reasons[HEAVY] == []
