"""What the measurements share: the plan, the servers, and stations that may connect."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import httpx

from loadtest.bench.messages import meter_values
from loadtest.bench.plan import Plan
from loadtest.bench.servers import Cluster, Yardstick, yardstick
from loadtest.bench.yardsticks.postgres import RawPostgres, raw_postgres
from loadtest.bench.yardsticks.redis import RawRedis, raw_redis
from loadtest.bench.yardsticks.tutorial_server import DATABASE_URL

PASSWORD = "bench-password-0123456"  # noqa: S105 - of stations that live for one run
_TEMPLATE = "BENCH-TEMPLATE"
_API_TIMEOUT_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Bench:
    """One run.

    Attributes:
        plan: how much is measured.
        cluster: what is measured.
        echo: a raw `websockets` echo.
        tutorial: the tutorial server, on the cluster's Postgres.
        postgres: a connection to that.
        redis: a client of the cluster's Redis.
        api: a client of the cluster's API.
        meter_values: the messages of that kind; one iterator, so that nothing is sent twice.
    """

    plan: Plan
    cluster: Cluster
    echo: Yardstick
    tutorial: Yardstick
    postgres: RawPostgres
    redis: RawRedis
    api: httpx.AsyncClient
    meter_values: Iterator[bytes]

    async def register(self, prefix: str, count: int, *, secured: bool = False) -> list[str]:
        """Register stations and return their ids.

        Args:
            prefix: of the ids; a number follows.
            count: how many.
            secured: whether they need `PASSWORD`; else nobody asks them for one, which spares the
                hashing where connecting is not what is measured.
        """
        # By SQL, as the API takes one at a time; their hash is one that the API has made.
        await self.postgres.execute(
            """
            INSERT INTO stations (station_id, security_profile, password_hash)
            SELECT $1::text || number, $3::integer,
                   CASE WHEN $3::integer = 1 THEN password_hash END
            FROM stations, generate_series(1, $2::integer) AS number
            WHERE station_id = $4
            ON CONFLICT DO NOTHING
            """,
            prefix,
            count,
            int(secured),
            _TEMPLATE,
        )
        return [f"{prefix}{number}" for number in range(1, count + 1)]


@asynccontextmanager
async def open_bench(plan: Plan, cluster: Cluster) -> AsyncIterator[Bench]:
    """Start the yardsticks and hold everything for as long as the context lasts."""
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(
            httpx.AsyncClient(
                base_url=cluster.http_url,
                headers={"Authorization": f"Bearer {cluster.api_key}"},
                timeout=_API_TIMEOUT_S,
                trust_env=False,
            )
        )
        answer = await api.post(
            "/v1/stations", json={"station_id": _TEMPLATE, "password": PASSWORD}
        )
        answer.raise_for_status()
        yield Bench(
            plan=plan,
            cluster=cluster,
            echo=stack.enter_context(yardstick("echo_server")),
            tutorial=stack.enter_context(
                yardstick("tutorial_server", **{DATABASE_URL: cluster.database_url})
            ),
            postgres=await stack.enter_async_context(raw_postgres(cluster.database_url)),
            redis=await stack.enter_async_context(raw_redis(cluster.redis_url)),
            api=api,
            meter_values=meter_values(),
        )
