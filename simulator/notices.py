"""What has to reach the CSMS although it is not about a transaction: kept while offline, in order.

It waits for everything else, so that it holds up no transaction-related message.
Security events are to be delivered whatever happens (1.6 whitepaper, A04.FR.02). How far an update
of the firmware has come is told after the restart that is part of it.
"""

from collections import deque

from simulator.context import Context
from simulator.dialect import Clearance, Failure, Request
from simulator.link import Link
from simulator.rpc import Payload

#: As the memory of a station: of more, the oldest are forgotten.
_MOST = 100
#: From a request that was not answered in time to the next attempt.
_RETRY_S = 30.0


class Notices:
    """The notices of one station."""

    __slots__ = ("_context", "_link", "_queue", "_retry_at", "_under_way")

    def __init__(self, context: Context, link: Link) -> None:
        self._context = context
        self._link = link
        self._queue: deque[Request] = deque(maxlen=_MOST)
        self._under_way: Request | None = None
        self._retry_at = 0.0
        link.on_idle = self._say_next

    def tell(self, request: Request) -> None:
        """Deliver a request when it can be; its own `on_result` and `on_failure` are not used."""
        request.on_result = self._delivered
        request.on_failure = self._not_delivered
        self._queue.append(request)
        self._link.pump()

    def _say_next(self) -> None:
        """Go on: the station has nothing else to say."""
        if self._under_way is not None or not self._queue or self._pausing:
            return
        self._under_way = self._queue[0]
        self._under_way.clearance = Clearance.NORMAL
        self._link.call(self._under_way)

    def _delivered(self, payload: Payload) -> None:
        del payload
        self._done()

    def _not_delivered(self, failure: Failure) -> None:
        if failure is Failure.REFUSED:
            self._done()  # Said again it would be refused again.
            return
        self._under_way = None
        if failure is Failure.TIMED_OUT:
            self._retry_at = self._context.now + _RETRY_S
            self._context.timers.set("notices", self._retry_at, self._link.pump)

    @property
    def _pausing(self) -> bool:
        return self._context.now < self._retry_at

    def _done(self) -> None:
        delivered, self._under_way = self._under_way, None
        # With a full queue it may have been forgotten while it was on its way.
        if self._queue and self._queue[0] is delivered:
            self._queue.popleft()
