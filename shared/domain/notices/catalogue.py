"""What each type of event tells, for whoever reads them; docs/reference/events.md is made of this.

Members are only added. Times are texts in UTC, what is not known is null, units stand in the names.
"""

from collections.abc import Mapping

from shared.domain.notices.events import EventType
from shared.domain.notices.kinds import notices, requests, sessions, stations
from shared.domain.notices.kinds.kind import EventKind

_KINDS = {**stations.KINDS, **sessions.KINDS, **requests.KINDS, **notices.KINDS}

CATALOGUE: Mapping[EventType, EventKind] = {type_: _KINDS[type_] for type_ in EventType}
"""By type, in the order of `EventType`."""
