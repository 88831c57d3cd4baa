"""What alerts say, in words: one sentence, and the facts that it stands on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any

from shared.domain.errors import InvalidInputError
from shared.domain.notices.alerts import Alert, AlertKind
from shared.domain.time_zones import time_zone_of

_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86_400
_UNITS = ((_DAY_S, "day"), (_HOUR_S, "hour"), (_MINUTE_S, "minute"), (1, "second"))
_BYTES = (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3))


@dataclass(frozen=True, slots=True)
class Words:
    """What an alert says.

    Attributes:
        headline: what is amiss, in one sentence.
        facts: what else is known of it, by what that is called.
    """

    headline: str
    facts: Mapping[str, str]


def duration(seconds: float) -> str:
    """Return a duration as people say it, to two units: 1 day 2 hours."""
    left = max(0, round(seconds))
    said = []
    for unit_s, name in _UNITS:
        count, left = divmod(left, unit_s)
        if count:
            said.append(f"{count} {name}{'' if count == 1 else 's'}")
    return " ".join(said[:2]) or "0 seconds"


def zone(*names: str | None) -> tzinfo:
    """Return the first time zone that is named and known here; else UTC."""
    for name in names:
        if name is not None:
            try:
                return time_zone_of(name)
            except InvalidInputError:  # it was known where it was set
                continue
    return UTC


def time(at: datetime, where: tzinfo) -> str:
    """Return a time by the clock of a place: 2026-12-01 05:10 CET."""
    return f"{at.astimezone(where):%Y-%m-%d %H:%M %Z}"


def size(size_bytes: float) -> str:
    """Return a size as people say it."""
    for unit, factor in _BYTES:
        if size_bytes >= factor:
            return f"{size_bytes / factor:.1f} {unit}"
    return f"{size_bytes:.0f} bytes"


def words_of(alert: Alert, where: tzinfo) -> Words:
    """Return what an alert says, with times of a place."""
    headline, facts = _WORDS[alert.kind](alert, alert.evidence, where)
    if alert.since is not None:
        facts = {"Since": time(alert.since, where)} | facts
    if alert.occurrences > 1:
        facts["Came"] = f"{alert.occurrences} times"
    return Words(headline, {name: value for name, value in facts.items() if value})


_Facts = dict[str, str]
_Evidence = Mapping[str, Any]


def _place(alert: Alert) -> str:
    if not alert.evse_id:
        return f"{alert.station_id}"
    connector = f", connector {alert.connector_id}" if alert.connector_id else ""
    return f"{alert.station_id}, EVSE {alert.evse_id}{connector}"


def _told(evidence: _Evidence, name: str) -> str:
    value = evidence.get(name)
    return "" if value is None else str(value)


def _offline(alert: Alert, _: _Evidence, __: tzinfo) -> tuple[str, _Facts]:
    return f"{alert.station_id} is offline", {}


def _faulted(alert: Alert, seen: _Evidence, _: tzinfo) -> tuple[str, _Facts]:
    return f"{_place(alert)} is faulted", {
        "Error": _told(seen, "error_code"),
        "Vendor's error": _told(seen, "vendor_error_code"),
        "Told": _told(seen, "info"),
    }


def _stuck(alert: Alert, seen: _Evidence, _: tzinfo) -> tuple[str, _Facts]:
    return f"A session at {_place(alert)} does not end, or takes no energy", {
        "Session": alert.session_id or "",
        "Transaction": _told(seen, "transaction_id"),
    }


def _no_start(alert: Alert, _: _Evidence, __: tzinfo) -> tuple[str, _Facts]:
    return f"Nobody has started a charge at {alert.station_id}", {}


def _call_errors(alert: Alert, seen: _Evidence, _: tzinfo) -> tuple[str, _Facts]:
    told = f"{_told(seen, 'failures')} of {_told(seen, 'calls')} messages"
    return f"{told} of {alert.station_id} went wrong", {"Last outcome": _told(seen, "last_outcome")}


def _expiring(alert: Alert, seen: _Evidence, where: tzinfo) -> tuple[str, _Facts]:
    expires = time(datetime.fromisoformat(seen["not_after"]), where)
    return f"The certificate of {alert.station_id} expires at {expires}", {
        "Common name": _told(seen, "common_name"),
    }


def _flapping(alert: Alert, seen: _Evidence, _: tzinfo) -> tuple[str, _Facts]:
    return f"{alert.station_id} has connected {_told(seen, 'connections')} times", {}


def _unknown(alert: Alert, seen: _Evidence, _: tzinfo) -> tuple[str, _Facts]:
    return f"Nobody knows what became of {_told(seen, 'type')} at {alert.station_id}", {
        "Command": _told(seen, "command_id"),
        "Reason": _told(seen, "error_description"),
    }


def _disk(_: Alert, seen: _Evidence, __: tzinfo) -> tuple[str, _Facts]:
    free = seen.get("free_bytes")
    return f"The disk of {_told(seen, 'path')} has {_told(seen, 'free_percent')} % free", {
        "Free": "" if free is None else size(free),
        "Error": _told(seen, "error"),
    }


def _partitions(_: Alert, seen: _Evidence, __: tzinfo) -> tuple[str, _Facts]:
    days = seen["days_ahead"]
    told = f"{days} day{'' if days == 1 else 's'}, today included"
    return f"The table {_told(seen, 'table')} has partitions for {told}", {}


_WORDS: Mapping[AlertKind, Callable[[Alert, _Evidence, tzinfo], tuple[str, _Facts]]] = {
    AlertKind.STATION_OFFLINE: _offline,
    AlertKind.CONNECTOR_FAULTED: _faulted,
    AlertKind.STUCK_SESSION: _stuck,
    AlertKind.NO_SUCCESSFUL_START: _no_start,
    AlertKind.CALL_ERRORS: _call_errors,
    AlertKind.CERTIFICATE_EXPIRING: _expiring,
    AlertKind.FLAPPING: _flapping,
    AlertKind.UNKNOWN_COMMAND_OUTCOME: _unknown,
    AlertKind.DISK_SPACE: _disk,
    AlertKind.PARTITIONS: _partitions,
}
