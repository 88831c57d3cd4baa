"""Who owns which station: the routing hint that commands follow.

Epochs come from Postgres and only grow, so that the scripts here can tell old from new even after
Redis has lost its data.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from redis.asyncio import Redis

from shared.bus import keys
from shared.bus.client import redis_errors_as_unavailable
from shared.domain.stations import Ownership

_LUA = Path(__file__).parent / "lua"


@dataclass(frozen=True, slots=True)
class Claim:
    """What came of announcing a connection.

    `claimed` is False when a newer connection owns the station. `other_pod_id` is the pod that
    owned it before, or still does; None if nobody.
    """

    claimed: bool
    other_pod_id: str | None


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
        self._claim = client.register_script((_LUA / "claim.lua").read_text())
        self._release = client.register_script((_LUA / "release.lua").read_text())

    async def claim(self, ownerships: Sequence[Ownership]) -> list[Claim]:
        """Announce that connections of ours own their stations; one answer each, in order."""
        with redis_errors_as_unavailable("claiming stations"):
            async with self._client.pipeline(transaction=False) as pipeline:
                for ownership in ownerships:
                    await self._claim(
                        keys=[keys.owner(ownership.station_id)],
                        args=[ownership.epoch, ownership.pod_id, ownership.connection_id],
                        client=pipeline,
                    )
                answers = await pipeline.execute()
        return [
            Claim(claimed=bool(claimed), other_pod_id=pod_id or None)
            for claimed, _, pod_id in answers
        ]

    async def release(self, ownerships: Sequence[Ownership]) -> list[bool]:
        """Withdraw announcements, unless newer connections have taken over.

        Returns:
            Whether each was still ours, in order.
        """
        with redis_errors_as_unavailable("releasing stations"):
            async with self._client.pipeline(transaction=False) as pipeline:
                for ownership in ownerships:
                    await self._release(
                        keys=[keys.owner(ownership.station_id)],
                        args=[ownership.epoch, ownership.connection_id],
                        client=pipeline,
                    )
                return [bool(released) for released in await pipeline.execute()]

    async def renew_lease(self, pod_id: str, *, lease_s: float) -> bool:
        """Renew a pod's lease, or take its first one.

        Returns:
            Whether the pod held a lease until now. If not, Redis may have lost everything else too.
        """
        with redis_errors_as_unavailable(f"renewing the lease of pod {pod_id}"):
            before = await self._client.set(
                keys.pod_lease(pod_id), "1", px=int(lease_s * 1000), get=True
            )
        return before is not None

    async def end_lease(self, pod_id: str) -> None:
        """Give the lease back: this pod has stopped in order."""
        with redis_errors_as_unavailable(f"ending the lease of pod {pod_id}"):
            await self._client.delete(keys.pod_lease(pod_id))

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
