"""The OCPP log as it is exported: what its list shows, secrets hidden in the same way."""

from collections.abc import Callable

from control.api.stations.ocpp_log_schemas import shown
from control.exports.columns import Column, Kind, member, members
from shared.domain.stations.ocpp_log import LogEntry


def _latency_ms(entry: LogEntry) -> float | None:
    return None if entry.latency_us is None else entry.latency_us / 1000


def _frame(name: str) -> Callable[[LogEntry], str | None]:
    def of(entry: LogEntry) -> str | None:
        return shown(entry, getattr(entry, name))

    return of


COLUMNS: tuple[Column, ...] = (
    *members(
        called_at=Kind.TIME,
        station_id=Kind.TEXT,
        ocpp_version=Kind.TEXT,
        direction=Kind.TEXT,
        action=Kind.TEXT,
        message_id=Kind.TEXT,
        outcome=Kind.TEXT,
        detail=Kind.TEXT,
    ),
    Column("latency_ms", Kind.REAL, _latency_ms),
    Column("request", Kind.TEXT, _frame("request")),
    Column("response", Kind.TEXT, _frame("response")),
    member("truncated", Kind.BOOLEAN),
    *members(pod_id=Kind.TEXT, trace_id=Kind.TEXT),
)
