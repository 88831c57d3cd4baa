"""What can be exported: of each resource its columns, and who reads its rows."""

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from control.exports import audit_log as audit_log_columns
from control.exports import events as event_columns
from control.exports import meter_values as meter_value_columns
from control.exports import ocpp_log as ocpp_log_columns
from control.exports import sessions as session_columns
from control.exports.columns import Column
from shared.store.accounts import audit_log
from shared.store.exporting import PageSize
from shared.store.notices import exported_events
from shared.store.pool import Database
from shared.store.sessions import exported_meter_values, exported_sessions
from shared.store.stations import ocpp_log

Pages: TypeAlias = Callable[[Database, Any, PageSize], AsyncGenerator[Sequence[Any], None]]
"""Reads the rows of a filter, page by page."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of rows.

    Attributes:
        name: as in the paths of the API, and in the names of files.
        columns: all that there are, in their order.
        pages: reads the rows.
    """

    name: str
    columns: tuple[Column, ...]
    pages: Pages


SESSIONS = Resource("sessions", session_columns.COLUMNS, exported_sessions.pages)
METER_VALUES = Resource("meter-values", meter_value_columns.COLUMNS, exported_meter_values.pages)
OCPP_LOG = Resource("ocpp-log", ocpp_log_columns.COLUMNS, ocpp_log.pages)
AUDIT_LOG = Resource("audit-log", audit_log_columns.COLUMNS, audit_log.pages)
EVENTS = Resource("events", event_columns.COLUMNS, exported_events.pages)
