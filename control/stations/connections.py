"""The live connections of stations, as far as the API tells about them and closes them."""

from collections.abc import Sequence

import structlog

from shared.bus.ownership import OwnershipRegistry, Route
from shared.bus.streams import CloseConnection, PodRequestSender
from shared.domain.errors import UnavailableError
from shared.domain.stations.stations import Ownership

log = structlog.get_logger()


class LiveConnections:
    """Who holds a station's connection now, and how to make them let go."""

    def __init__(self, registry: OwnershipRegistry, sender: PodRequestSender) -> None:
        self._registry = registry
        self._sender = sender

    async def owners(self, station_ids: Sequence[str]) -> dict[str, Route]:
        """Return who holds each station's connection; nobody, while Redis is away.

        It decorates an answer that Postgres gives, so it never fails it.
        """
        try:
            return await self._registry.find_routes(station_ids)
        except UnavailableError as error:
            log.warning("the owners of stations are unknown", error=str(error))
            return {}

    async def require_reachable(self, station_id: str) -> None:
        """Make sure that `close` will work, before a change that needs it is made.

        Raises:
            UnavailableError: Redis does not answer, or takes no writes; nothing has been changed
                yet.
        """
        route = (await self._registry.find_routes([station_id])).get(station_id)
        if route is not None:
            await self._sender.require_writable(route.pod_id)

    async def close_deleted(self, station_id: str, owner: Ownership | None) -> None:
        """Have the connection of a station closed that was deleted.

        While Redis is away that waits until its pod finds out by itself, within a minute by
        default.

        Args:
            station_id: whose.
            owner: who held it, as Postgres knows; Redis may know of another.
        """
        try:
            route = (await self._registry.find_routes([station_id])).get(station_id)
            await self._sender.send_many(
                [
                    (
                        each.pod_id,
                        CloseConnection(station_id, each.epoch, "the station was deleted"),
                    )
                    for each in (owner, route)
                    if each is not None
                ]
            )
        except UnavailableError as error:
            log.warning(
                "a deleted station's connection is closed when its pod looks",
                station_id=station_id,
                error=str(error),
            )

    async def close(self, station_id: str) -> None:
        """Have the station's connection closed, if it has one; it has to authenticate again.

        Raises:
            UnavailableError: Redis went away since the change was made.
        """
        try:
            route = (await self._registry.find_routes([station_id])).get(station_id)
            if route is not None:
                await self._sender.send(route.pod_id, CloseConnection(station_id, route.epoch))
        except UnavailableError as error:
            raise UnavailableError(
                f"station {station_id!r} was changed, but its live connection could not be "
                f"closed ({error}): make the change again to close it"
            ) from error
