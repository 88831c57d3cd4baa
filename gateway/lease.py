"""The pod's two leases, and telling everybody again what it holds when one of them was lost.

In Postgres a lease says that the pod's stations are really online; in Redis, that its announcements
may be followed.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog

from gateway.connection import StationConnection
from gateway.fence import Fence
from gateway.reconciliation import Reconciler
from gateway.settings import GatewaySettings
from shared.bus.ownership import OwnershipRegistry
from shared.domain.errors import UnavailableError
from shared.store import pods
from shared.store.judgement import is_away
from shared.store.pool import Database
from shared.store.retrying import try_again
from shared.telemetry import metrics
from shared.telemetry.errors import describe_error

log = structlog.get_logger()

_ANNOUNCEMENTS_AT_ONCE = 20
_ANNOUNCEMENT_SPREAD_S = 1.0
_RETRY_INTERVAL_S = 0.5
_REDIS_RETRY_INTERVAL_S = 1.0


class Connections(Protocol):
    """What the pod holds."""

    def all(self) -> list[StationConnection]:
        """Return every connection."""

    async def announce(self, connection: StationConnection) -> None:
        """Announce one connection in Redis.

        Raises:
            UnavailableError: Redis did not answer.
        """


class LeaseKeeper:
    """Renews the pod's leases for as long as it lives.

    Args:
        db: where the lease in Postgres is.
        registry: where the lease in Redis is.
        connections: what to tell again.
        reconciler: finds out which connections still speak for their stations.
        fence: opened when that is known.
        pod_id: who we are.
        settings: the pod's name and how long a lease lasts.
    """

    def __init__(
        self,
        *,
        db: Database,
        registry: OwnershipRegistry,
        connections: Connections,
        reconciler: Reconciler,
        fence: Fence,
        pod_id: str,
        settings: GatewaySettings,
    ) -> None:
        self._db = db
        self._registry = registry
        self._connections = connections
        self._reconciler = reconciler
        self._fence = fence
        self._pod_id = pod_id
        self._settings = settings
        self.redis_trouble: str | None = None
        """Why no commands can come to this pod, if Redis did not take its lease the last time."""

    async def take(self) -> None:
        """Take the first lease in Postgres, before any station comes.

        Redis may be away then; its lease is taken when it is back.
        """
        await self._renew_in_postgres()

    async def run(self) -> None:
        """Renew both leases, three times in the life of one, until cancelled.

        They are renewed apart from each other: one server that is away must not cost both.
        """
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_renewing(self._keep_in_postgres))
            tasks.create_task(self._keep_renewing_in_redis())
            tasks.create_task(self._keep_opening_the_fence())

    async def give_back(self) -> None:
        """End both leases: this pod has stopped in order."""
        try:
            await try_again(lambda: pods.remove(self._db, self._pod_id))
            await self._registry.end_lease(self._pod_id)
        except Exception as error:  # noqa: BLE001 - it runs out by itself
            _tell("a lease could not be given back; it runs out", error)

    async def _keep_renewing(self, renew: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await renew()
            except Exception as error:  # noqa: BLE001 - a pod that ends helps none of its stations
                _tell("a lease could not be renewed", error)
            await asyncio.sleep(self._settings.pod_lease_s / 3)

    async def _keep_renewing_in_redis(self) -> None:
        """Renew the lease in Redis; while that fails, sooner, so that commands come again soon."""
        interval_s = self._settings.pod_lease_s / 3
        while True:
            try:
                await self._keep_in_redis()
            except Exception as error:  # noqa: BLE001 - a pod that ends helps none of its stations
                if self.redis_trouble is None:
                    _tell("no commands come here for now, stations and what they say do", error)
                known = isinstance(error, UnavailableError)
                self.redis_trouble = str(error) if known else describe_error(error)
                await asyncio.sleep(min(_REDIS_RETRY_INTERVAL_S, interval_s))
                continue
            if self.redis_trouble is not None:
                log.info("Redis does its work again: commands come here")
                self.redis_trouble = None
            await asyncio.sleep(interval_s)

    async def _renew_in_postgres(self) -> bool:
        return await try_again(
            lambda: pods.renew_lease(
                self._db,
                pod_id=self._pod_id,
                pod_name=self._settings.pod_name,
                lease_s=self._settings.pod_lease_s,
            )
        )

    async def _keep_in_postgres(self) -> None:
        if await self._renew_in_postgres():
            return
        # We were taken for dead: stopped for a while, or cut off. Others may have our stations now.
        metrics.reannouncements.labels("lease in Postgres lost").inc()
        log.warning("the lease in Postgres had run out: stations are marked online again")
        await self._reconciler.reassert(self._connections.all())

    async def _keep_opening_the_fence(self) -> None:
        """After the process stood still, find out what is still ours; then let it speak again."""
        while True:
            await self._fence.suspected.wait()
            try:
                await self._renew_in_postgres()
                await self._reconciler.reassert(self._connections.all())
            except Exception as error:  # noqa: BLE001 - the fence stays closed until it is known
                _tell("nobody can tell which stations are still ours", error)
                await asyncio.sleep(_RETRY_INTERVAL_S)
                continue
            await asyncio.sleep(0)  # what was given up begins to close, so that it says no more
            self._fence.open()
            for connection in self._connections.all():
                connection.resume()

    async def _keep_in_redis(self) -> None:
        held = await self._registry.renew_lease(self._pod_id, lease_s=self._settings.pod_lease_s)
        connections = self._connections.all()
        if not held and any(connection.announced for connection in connections):
            metrics.reannouncements.labels("lease in Redis lost").inc()
            log.warning("Redis has lost this pod's lease: all stations are announced again")
            for connection in connections:
                connection.announced = False
        await self._announce([c for c in connections if not c.announced])

    async def _announce(self, connections: list[StationConnection]) -> None:
        """Announce these, spread over a while, so that pods do not all come at once."""
        slots = asyncio.Semaphore(_ANNOUNCEMENTS_AT_ONCE)

        async def announce(connection: StationConnection) -> None:
            async with slots:
                await self._connections.announce(connection)

        if len(connections) > _ANNOUNCEMENTS_AT_ONCE:
            await asyncio.sleep(random.uniform(0, _ANNOUNCEMENT_SPREAD_S))  # noqa: S311 - no secret
        await asyncio.gather(*map(announce, connections))


def _tell(what: str, error: Exception) -> None:
    known = is_away(error) or isinstance(error, UnavailableError)
    log.warning(what, error=describe_error(error), exc_info=None if known else error)
