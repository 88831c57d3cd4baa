"""Who owns which station: the routing hint that commands follow.

Epochs come from Postgres, so that the scripts here can tell old from new even after Redis has lost
its data. Where they fell back, because Postgres was restored, a claim is refused that names an
epoch which is not above the one known here, and Postgres is asked for one that is.
"""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from redis.asyncio import Redis

from shared.bus import keys
from shared.bus.client import redis_errors_as_unavailable
from shared.bus.cluster import keys_on_masters
from shared.domain.errors import UnavailableError
from shared.domain.stations.stations import Ownership

_LUA = Path(__file__).parent / "lua"


@dataclass(frozen=True, slots=True)
class Claim:
    """What came of announcing a connection.

    `claimed` is False when another connection owns the station, whose epoch is as high or higher.
    `other_pod_id` is the pod that owned it before, or still does, and `other_epoch` the epoch of
    its connection; None if nobody.
    """

    claimed: bool
    other_pod_id: str | None
    other_epoch: int | None


@dataclass(frozen=True, slots=True)
class Route:
    """Where a station's commands go: a pod whose lease is alive."""

    pod_id: str
    epoch: int


class OwnershipRegistry:
    """Reads and writes ownership and pod leases.

    Every method raises `UnavailableError` when Redis does not answer.
    """

    def __init__(self, client: Redis) -> None:
        self._client = client
        # Sent with every use: which scripts a node knows is lost with the node, and a claim is made
        # once per connection.
        self._claim = (_LUA / "claim.lua").read_text()
        self._release = (_LUA / "release.lua").read_text()

    async def claim(self, ownerships: Sequence[Ownership]) -> list[Claim]:
        """Announce that connections of ours own their stations; one answer each, in order."""
        with redis_errors_as_unavailable("claiming stations"):
            async with self._client.pipeline(transaction=False) as pipeline:
                for ownership in ownerships:
                    pipeline.eval(
                        self._claim,
                        1,
                        keys.owner(ownership.station_id),
                        ownership.epoch,
                        ownership.pod_id,
                        ownership.connection_id,
                    )
                answers = await pipeline.execute()
        return [
            Claim(
                claimed=bool(claimed),
                other_pod_id=pod_id or None,
                other_epoch=int(epoch) if epoch.isdecimal() else None,
            )
            for claimed, epoch, pod_id in answers
        ]

    async def release(self, ownerships: Sequence[Ownership]) -> list[bool]:
        """Withdraw announcements, unless newer connections have taken over.

        Returns:
            Whether each was still ours, in order.
        """
        with redis_errors_as_unavailable("releasing stations"):
            async with self._client.pipeline(transaction=False) as pipeline:
                for ownership in ownerships:
                    pipeline.eval(
                        self._release,
                        1,
                        keys.owner(ownership.station_id),
                        ownership.epoch,
                        ownership.connection_id,
                    )
                return [bool(released) for released in await pipeline.execute()]

    async def renew_lease(self, pod_id: str, *, lease_s: float) -> bool:
        """Renew a pod's lease, or take its first one.

        Returns:
            Whether the pod held a lease until now. If not, Redis may have lost everything else too,
            or one master of a cluster what it held.
        """
        lease_ms = int(lease_s * 1000)
        # The client may send this twice. Who finds what it wrote just now cannot tell what was
        # there before, and takes it for lost.
        renewal = secrets.token_hex(4)
        with redis_errors_as_unavailable(f"renewing the lease of pod {pod_id}"):
            before = await self._client.set(keys.pod_lease(pod_id), renewal, px=lease_ms, get=True)
        # A master may come back empty, or as a replica that had not everything, while the lease
        # stands on another.
        marks = keys_on_masters(self._client, partial(keys.mark, pod_id))
        held = await asyncio.gather(*(self._renew_mark(mark, renewal, lease_ms) for mark in marks))
        return before not in {None, renewal} and all(held)

    async def end_lease(self, pod_id: str) -> None:
        """Give the lease back: this pod has stopped in order."""
        with redis_errors_as_unavailable(f"ending the lease of pod {pod_id}"):
            await self._client.delete(keys.pod_lease(pod_id))

    async def _renew_mark(self, mark: str, renewal: str, lease_ms: int) -> bool:
        try:
            with redis_errors_as_unavailable("finding out what a node of the cluster still has"):
                before = await self._client.set(mark, renewal, px=lease_ms, get=True)
                return before not in {None, renewal}
        except UnavailableError:
            return True  # It runs out, unless its node comes back soon, with all it had.

    async def find_owner(self, station_id: str) -> Ownership | None:
        """Return who is announced as a station's owner, with a lease or without."""
        with redis_errors_as_unavailable(f"looking up the owner of station {station_id}"):
            epoch, pod_id, connection_id = await self._client.hmget(
                keys.owner(station_id), ["epoch", "pod_id", "connection_id"]
            )
        if epoch is None or pod_id is None or connection_id is None:
            return None
        return Ownership(
            station_id=station_id,
            epoch=int(epoch),
            pod_id=str(pod_id),
            connection_id=str(connection_id),
        )

    async def find_routes(self, station_ids: Sequence[str]) -> dict[str, Route]:
        """Return where each station's commands go.

        A station that nobody owns, or whose owner holds no lease, is not in the answer.
        """
        with redis_errors_as_unavailable("looking up the owners of stations"):
            async with self._client.pipeline(transaction=False) as pipeline:
                for station_id in station_ids:
                    pipeline.hmget(keys.owner(station_id), ["epoch", "pod_id"])
                owners = await pipeline.execute()
            routes = {
                station_id: Route(pod_id=pod_id, epoch=int(epoch))
                for station_id, (epoch, pod_id) in zip(station_ids, owners, strict=True)
                if epoch is not None
            }
            pod_ids = sorted({route.pod_id for route in routes.values()})
            async with self._client.pipeline(transaction=False) as pipeline:
                for pod_id in pod_ids:
                    pipeline.exists(keys.pod_lease(pod_id))
                alive = dict(zip(pod_ids, await pipeline.execute(), strict=True))
        return {station_id: route for station_id, route in routes.items() if alive[route.pod_id]}
