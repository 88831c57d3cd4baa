"""Claims stations for this pod's connections, and lets go of them: many in one round trip.

In Postgres a claim raises the station's epoch and puts it online; in Redis it says where commands
go. Whatever comes late is fenced by the epoch. Where Redis, or this pod, knows a higher epoch than
Postgres gave, Postgres was restored: it is asked again, whether this connection is the newest and
for an epoch above that one.
"""

import asyncio
from functools import partial

from shared.batching import Batcher
from shared.bus.ownership import Claim, OwnershipRegistry
from shared.domain.stations.availability import Disconnection
from shared.domain.stations.stations import Connection, Ownership
from shared.store import epochs
from shared.store.pool import Database
from shared.store.retrying import try_again
from shared.store.stations import connections

# Scripts that Redis runs in one go hold up everybody else there.
_MAX_SCRIPTS = 200


class Claims:
    """Claims and releases, batched.

    Args:
        db: where epochs are.
        registry: where ownership is announced.
    """

    def __init__(self, db: Database, registry: OwnershipRegistry) -> None:
        self._claims: Batcher[Connection, Ownership | None] = Batcher(
            lambda claimed: try_again(partial(connections.claim, db, claimed))
        )
        self._releases: Batcher[Disconnection, None] = Batcher(
            lambda disconnections: try_again(partial(connections.release, db, disconnections))
        )
        self._risers: Batcher[tuple[Ownership, int], Ownership | None] = Batcher(
            lambda refused: try_again(partial(epochs.rise, db, refused))
        )
        self._announcements: Batcher[Ownership, Claim] = Batcher(
            registry.claim, max_items=_MAX_SCRIPTS
        )
        self._withdrawals: Batcher[Ownership, bool] = Batcher(
            registry.release, max_items=_MAX_SCRIPTS
        )

    async def run(self) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for batcher in (
                self._claims,
                self._releases,
                self._risers,
                self._announcements,
                self._withdrawals,
            ):
                tasks.create_task(batcher.run())

    async def claim(self, connection: Connection) -> Ownership | None:
        """Raise the station's epoch: this connection speaks for it now.

        Returns:
            None if the station is not registered any more.
        """
        return await self._claims.submit(connection)

    async def rise(self, ownership: Ownership, *, above: int) -> Ownership | None:
        """Raise a connection above an epoch that it has met, which Postgres has forgotten.

        Returns:
            None if another connection speaks for the station now.
        """
        return await self._risers.submit((ownership, above))

    async def announce(self, ownership: Ownership) -> Claim:
        """Say in Redis that commands for the station go to this connection.

        Raises:
            UnavailableError: Redis did not answer.
        """
        return await self._announcements.submit(ownership)

    async def withdraw(self, ownership: Ownership) -> None:
        """Take the announcement back, unless a newer connection has taken over.

        Raises:
            UnavailableError: Redis did not answer.
        """
        await self._withdrawals.submit(ownership)

    async def release(self, disconnection: Disconnection) -> None:
        """Put the station offline and withdraw, unless a newer connection has taken over.

        Raises:
            UnavailableError: Redis did not answer.
        """
        await self._releases.submit(disconnection)
        await self.withdraw(disconnection.ownership)
