"""Keeps updates of local authorization lists within what their station can take, in every version.

What a station has told that it cannot take is not sent, whoever asks: the API, a batch or the
worker.
"""

from collections.abc import Callable

from gateway.errors import CannotBeSaidError
from gateway.handlers import Handlers
from shared.domain import commands
from shared.domain.access.local_list_limits import UpdateSize, find_problems
from shared.domain.access.local_lists import LocalListEntry
from shared.domain.access.tokens import id_token_key
from shared.store.access.local_list_limits import HeldEntries


async def check_update(
    handlers: Handlers,
    command: commands.SendLocalList,
    *,
    ocpp_version: str,
    measure_bytes: Callable[[], int] | None = None,
) -> None:
    """Make sure that the station has not told that it cannot take an update.

    Args:
        handlers: of the connection.
        command: the update.
        ocpp_version: the station's, whose words tell the limit.
        measure_bytes: how long the message is, where that is bounded.

    Raises:
        CannotBeSaidError: it is too much; the message tells the limit.
        StoreAwayError: Postgres is away.
    """
    lookups, station_id = handlers.services.lookups, handlers.station.station_id
    told = await lookups.find_local_list_limits(station_id)
    entries = [LocalListEntry.from_params(entry) for entry in command.entries]
    held = HeldEntries()
    replaces = command.update_type == commands.LocalListUpdateType.FULL
    if told.max_entries is not None:
        keys = [
            id_token_key(entry.id_token) if ocpp_version == "1.6" else entry.key
            for entry in entries
        ]
        held = await lookups.count_local_list(station_id, keys)
    present = sum(entry.status is not None for entry in entries)
    size = UpdateSize(
        entries=len(entries),
        held=held.all,
        held_afterwards=present if replaces else held.others + present,
        size_bytes=None
        if told.max_bytes_per_message is None or measure_bytes is None
        else measure_bytes(),
    )
    for problem in find_problems(size, told, ocpp_version=ocpp_version):
        raise CannotBeSaidError(problem)
