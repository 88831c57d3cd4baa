"""What local lists are to hold, worked out once for all stations that are to hold the same."""

from collections import OrderedDict
from dataclasses import dataclass

from shared.domain.access.local_lists import LocalList, TokenSelection
from shared.store.access.local_list_steps import WantedEntries, read_wanted
from shared.store.pool import Database

# Of all lists together, a few hundred bytes each; a list that is longer is read whenever needed.
_MAX_KEPT = 100_000


@dataclass(frozen=True, slots=True)
class _Selection:
    """What two lists have in common that are to hold the same, as of one revision."""

    tokens: TokenSelection
    group_id_tokens: tuple[str, ...]
    allowed_id_tokens: tuple[str, ...]
    allowed_group_id_tokens: tuple[str, ...]
    free: bool
    ocpp_version: str
    max_entries: int


class WantedLists:
    """Reads what lists are to hold, and remembers it until tokens, groups or locations change.

    To choose among 200,000 tokens takes a third of a second; whose lists are alike share that.

    Args:
        db: where the tokens are.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._revision: int | None = None
        self._kept: OrderedDict[_Selection, WantedEntries] = OrderedDict()

    async def read(
        self, local_list: LocalList, *, ocpp_version: str, max_entries: int
    ) -> WantedEntries:
        """Return what a station's list is to hold.

        Args:
            local_list: whose, and which tokens.
            ocpp_version: of the station.
            max_entries: how many the station takes.
        """
        revision, id_tokens, groups, free = await self._db.fetchrow(
            """
            SELECT revision, coalesce(allowed_id_tokens, '{}'),
                   coalesce(allowed_group_id_tokens, '{}'),
                   free_since IS NOT NULL AND free_until IS NULL
            FROM authorization_revision
            LEFT JOIN stations ON station_id = $1
            LEFT JOIN locations USING (location_id)
            """,
            local_list.station_id,
        )  # type: ignore[misc]  # there is always one row
        selection = _Selection(
            tokens=local_list.tokens,
            group_id_tokens=local_list.group_id_tokens,
            allowed_id_tokens=tuple(id_tokens),
            allowed_group_id_tokens=tuple(groups),
            free=free,
            ocpp_version=ocpp_version,
            max_entries=max_entries,
        )
        if revision != self._revision:
            self._revision = revision
            self._kept.clear()
        found = self._kept.get(selection)
        if found is None:
            found = await read_wanted(
                self._db, local_list, ocpp_version=ocpp_version, max_entries=max_entries
            )
            if found.revision == revision:
                self._keep(selection, found)
        else:
            self._kept.move_to_end(selection)
        return found

    def _keep(self, selection: _Selection, found: WantedEntries) -> None:
        self._kept[selection] = found
        while sum(1 + len(each.entries) for each in self._kept.values()) > _MAX_KEPT:
            self._kept.popitem(last=False)
