"""What handlers look up now and then, each time in Postgres: nothing here is on a usual way."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from gateway.authorization.lookup import hold
from shared.domain.access.local_list_limits import ToldLimits
from shared.domain.charging.charging_profiles import InstalledProfile
from shared.store.access import local_list_limits
from shared.store.access.local_list_limits import HeldEntries
from shared.store.charging import charging_profiles
from shared.store.pool import Database
from shared.store.sessions import transactions
from shared.store.stations import configuration, device_model


class Lookups:
    """What is kept of a station.

    Args:
        db: where it is kept.
        hold_s: how long to try while Postgres is away.
    """

    def __init__(self, db: Database, *, hold_s: float) -> None:
        self._db = db
        self._hold_s = hold_s

    async def find_open_start(
        self,
        station_id: str,
        *,
        evse_id: int,
        id_token: str,
        meter_start_wh: Decimal,
        within: timedelta,
    ) -> datetime | None:
        """Return the start time of the open session that began like this, if there is one.

        Args:
            station_id: of which station.
            evse_id: where.
            id_token: whose charge it is.
            meter_start_wh: the register at its start.
            within: how long ago it may have been told.

        Raises:
            StoreAwayError: Postgres is away.
        """
        return await hold(
            lambda: transactions.find_open_start(
                self._db,
                station_id=station_id,
                evse_id=evse_id,
                id_token=id_token,
                meter_start_wh=meter_start_wh,
                within=within,
            ),
            hold_s=self._hold_s,
        )

    async def find_configuration(self, station_id: str, keys: Sequence[str]) -> dict[str, str]:
        """Return the values of those of these keys that the station has told.

        Raises:
            StoreAwayError: Postgres is away.
        """
        return await hold(
            lambda: configuration.find_values(self._db, station_id, keys), hold_s=self._hold_s
        )

    async def find_variables(self, station_id: str, component: str) -> dict[str, str]:
        """Return what the station has told of a component of its own, by variable.

        Raises:
            StoreAwayError: Postgres is away.
        """
        return await hold(
            lambda: device_model.find_values(self._db, station_id, component), hold_s=self._hold_s
        )

    async def list_charging_profiles(self, station_id: str) -> list[InstalledProfile]:
        """Return the charging profiles that the station has accepted, but for those that ended.

        Raises:
            StoreAwayError: Postgres is away.
        """
        return await hold(
            lambda: charging_profiles.list_after(self._db, station_id=station_id),
            hold_s=self._hold_s,
        )

    async def find_local_list_limits(self, station_id: str) -> ToldLimits:
        """Return what the station has told that its local authorization list takes.

        Raises:
            StoreAwayError: Postgres is away.
        """
        return await hold(
            lambda: local_list_limits.find_told(self._db, station_id), hold_s=self._hold_s
        )

    async def count_local_list(self, station_id: str, keys: Sequence[str]) -> HeldEntries:
        """Return how full a local authorization list is, but for what an update speaks of.

        Raises:
            StoreAwayError: Postgres is away.
        """
        return await hold(
            lambda: local_list_limits.count_held(self._db, station_id, keys), hold_s=self._hold_s
        )
