"""Which sessions are asked for, and in which order they are listed."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class SessionOrder(StrEnum):
    """By what sessions are listed, and what a list of them goes on behind.

    A list that is asked for by a time is in the order of that time, as no other reads only what
    it shows.
    """

    NEWEST = "newest"
    """Those that came to be last first."""
    STARTED_AT = "started_at"
    """Those that started last first."""
    ENDED_AT = "ended_at"
    """Those that ended last first."""
    UPDATED_AT = "updated_at"
    """Those that changed last come last, so that who changes meanwhile is met again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFilter:
    """What of the sessions is asked for; None is no condition.

    A time `since` is included, a time `until` is not. `id_token` is compared without its letter
    case (OCPP 1.6 §7.28, OCPP 2.0.1 part 2 §2.28).
    """

    station_id: str | None = None
    id_token: str | None = None
    transaction_id: str | None = None
    organization_id: str | None = None
    active: bool | None = None
    billable: bool | None = None
    needs_review: bool | None = None
    started_since: datetime | None = None
    started_until: datetime | None = None
    ended_since: datetime | None = None
    ended_until: datetime | None = None
    updated_since: datetime | None = None

    @property
    def order(self) -> SessionOrder:
        """In which order they are listed."""
        if self.updated_since is not None:
            return SessionOrder.UPDATED_AT
        if self.ended_since is not None or self.ended_until is not None:
            return SessionOrder.ENDED_AT
        if self.started_since is not None or self.started_until is not None:
            return SessionOrder.STARTED_AT
        return SessionOrder.NEWEST
