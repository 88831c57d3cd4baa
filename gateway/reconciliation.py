"""Brings what Postgres and Redis say of this pod's stations in line with what it really holds.

A release that fails because Postgres is away leaves a station online that is gone, and so does a
claim whose answer never came. Who would put that right by remembering what failed would forget it
with the next crash, and never be sure whether it was done. So the pod looks, again and again, at
what is written, and compares.
"""

import asyncio
import random
from typing import Protocol

import structlog

from gateway.connection import StationConnection
from gateway.ownership import Claims
from shared.bus.ownership import OwnershipRegistry
from shared.domain.errors import UnavailableError
from shared.domain.stations.availability import Disconnection, DisconnectReason
from shared.domain.stations.stations import Ownership
from shared.store.judgement import is_away
from shared.store.pool import Database
from shared.store.stations import connections
from shared.telemetry import metrics
from shared.telemetry.errors import describe_error

log = structlog.get_logger()

_CHUNK = 500
_JITTER = 0.2


class Connections(Protocol):
    """What the pod holds."""

    def get(self, station_id: str) -> StationConnection | None:
        """Return the connection this pod holds of a station."""

    def all(self) -> list[StationConnection]:
        """Return every connection."""


class Reconciler:
    """Finds stations that are said to be here and are not, and the other way round.

    Whatever it writes carries an epoch, so that it cannot harm a newer connection.

    Args:
        db: where stations are online or not.
        registry: where commands to them go.
        claims: lets go of stations.
        connections: what this pod really holds.
        pod_id: who we are.
        interval_s: how often to look. What is found twice is true: no claim or release takes so
            long.
    """

    def __init__(
        self,
        *,
        db: Database,
        registry: OwnershipRegistry,
        claims: Claims,
        connections: Connections,
        pod_id: str,
        interval_s: float,
    ) -> None:
        self._db = db
        self._registry = registry
        self._claims = claims
        self._connections = connections
        self._pod_id = pod_id
        self._interval_s = interval_s
        self._suspected: set[Ownership] = set()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            # Pods that start together do not look together.
            await asyncio.sleep(self._interval_s * random.uniform(1 - _JITTER, 1 + _JITTER))  # noqa: S311 - no secret
            try:
                await self.reconcile()
            except Exception as error:
                known = is_away(error) or isinstance(error, UnavailableError)
                log.warning(
                    "nobody can tell now which stations are ours",
                    error=describe_error(error),
                    exc_info=None if known else error,
                )

    async def reconcile(self) -> None:
        """Put offline what is said to be here and is not; put online what is here.

        Raises:
            UnavailableError: Redis does not answer. Also raises what tells that Postgres does not.
        """
        held = self._connections.all()
        online = {
            ownership.station_id: ownership
            async for ownership in connections.list_online(self._db, self._pod_id)
        }
        silent = [each for each in held if online.get(_id(each)) != each.station.ownership]
        await self.reassert([each for each in silent if self._connections.get(_id(each)) is each])
        gone = {each for each in online.values() if not self._holds(each)}
        certain, self._suspected = gone & self._suspected, gone
        if certain:
            metrics.reconciled.inc(len(certain))
            log.warning(
                "stations were online that are not here: put offline", stations=len(certain)
            )
            await asyncio.gather(*map(self._release, certain))

    async def reassert(self, held: list[StationConnection]) -> None:
        """Mark these online that are still ours, and give up those that have a newer connection."""
        for start in range(0, len(held), _CHUNK):
            chunk = held[start : start + _CHUNK]
            ours = await connections.reassert(self._db, [each.station.ownership for each in chunk])
            for connection in chunk:
                if _id(connection) not in ours:
                    metrics.claims_lost.inc()
                    connection.give_up()

    async def withdraw(self, station_id: str) -> None:
        """Stop commands from coming here for a station that is not."""
        try:
            owner = await self._registry.find_owner(station_id)
            if owner is not None and owner.pod_id == self._pod_id and not self._holds(owner):
                await self._claims.withdraw(owner)
        except UnavailableError as error:
            log.warning("a station could not be withdrawn", error=str(error))

    def _holds(self, ownership: Ownership) -> bool:
        connection = self._connections.get(ownership.station_id)
        # One with an older epoch is not it: it is given up, and has not closed yet.
        return connection is not None and connection.station.ownership.epoch >= ownership.epoch

    async def _release(self, ownership: Ownership) -> None:
        await self._claims.release(
            Disconnection(
                ownership=ownership,
                reason=DisconnectReason.DATABASE_AWAY,
                close_code=None,
                close_reason=None,
                last_heard_at=None,
            )
        )


def _id(connection: StationConnection) -> str:
    return connection.station.station_id
