"""The security log of a station (1.6 whitepaper, A04; 2.0.1: A04)."""

from collections import deque
from collections.abc import Iterator

from simulator.context import Context
from simulator.dialect import Dialect
from simulator.events import SecurityEventHappened
from simulator.maintenance import SecurityEvent, SecurityEventType
from simulator.notices import Notices

#: A04.FR.04 recommends a rolling log.
_MOST = 200

#: Kept in the log, but not critical, so that the CSMS is not told.
_ONLY_LOGGED = frozenset({SecurityEventType.PARAMETERS_CHANGED})


class SecurityLog:
    """Keeps security events, and tells the CSMS of those that are critical."""

    __slots__ = ("_context", "_dialect", "_events", "_notices")

    def __init__(self, context: Context, dialect: Dialect, notices: Notices) -> None:
        self._context = context
        self._dialect = dialect
        self._notices = notices
        self._events: deque[SecurityEvent] = deque(maxlen=_MOST)

    def __iter__(self) -> Iterator[SecurityEvent]:
        return iter(self._events)

    def note(self, type_: SecurityEventType, info: str) -> None:
        """Take note that something has happened now.

        Args:
            type_: What.
            info: For people.
        """
        event = SecurityEvent(self._context.now, type_, info)
        self._events.append(event)
        self._context.report(SecurityEventHappened(type=type_.value, info=info))
        if type_ not in _ONLY_LOGGED:
            self._notices.tell(self._dialect.security_event(event))
