"""Whose events somebody sees: what row-level security says of a read, for events in memory.

Where organizations stand is read behind each read of events, so that it is at least as new as they
are: who was given an organization misses none of its events, and who lost it sees none.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from shared.domain.accounts.organizations import DEFAULT_ORGANIZATION_ID
from shared.domain.notices.events import EventFilter
from shared.store.accounts import organizations
from shared.store.pool import Database


class Visibility:
    """Knows what stands below each organization.

    Args:
        db: what sees all of the installation.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._parents: Mapping[str, str | None] = {}
        self._below: dict[str, frozenset[str]] = {}
        self._reading = asyncio.Lock()
        self.version = 0
        """Another one after each change."""

    async def read(self) -> None:
        """Read where organizations stand now.

        Raises:
            Exception: as the store does, as when Postgres is away.
        """
        async with self._reading:  # an older answer must not replace a newer one
            parents = await organizations.read_parents(self._db)
            if parents != self._parents:
                self._parents = parents
                self._below.clear()
                self.version += 1

    def narrow(self, asked: EventFilter, organization_id: str) -> EventFilter:
        """Return what of a filter is in sight of an organization: its own, and that of those below.

        Args:
            asked: by whoever follows.
            organization_id: whose request it is.
        """
        if organization_id == DEFAULT_ORGANIZATION_ID:
            return asked
        seen = self._seen_by(organization_id)
        if asked.organization_ids is not None:
            seen &= asked.organization_ids
        return replace(asked, organization_ids=seen)

    def _seen_by(self, organization_id: str) -> frozenset[str]:
        known = self._below.get(organization_id)
        if known is None:
            known = self._below[organization_id] = frozenset(
                each for each in self._parents if self._stands_below(each, organization_id)
            )
        return known

    def _stands_below(self, organization_id: str, above: str) -> bool:
        at: str | None = organization_id
        while at is not None and at != above:
            at = self._parents.get(at)
        return at is not None
