"""Authorization by what is kept in the database."""

from collections.abc import Callable
from datetime import datetime

from gateway.authorization.lookup import hold
from gateway.authorization.tokens import Tokens
from shared.domain.access.authorization import (
    NO_OPEN_SESSIONS,
    Authorization,
    AuthorizationRequest,
    OpenSessions,
    TransactionStart,
    decide,
    needs_open_sessions,
)
from shared.domain.access.tokens import IdToken, IdTokenGroup, find_meant
from shared.store.access.authorization import find_open_sessions
from shared.store.pool import Database
from shared.telemetry import metrics


class DatabaseAuthorizer:
    """Decides by tokens, groups, rules of locations, and the sessions that go on.

    Args:
        db: where sessions are kept.
        tokens: what this pod knows of the rest.
        hold_s: how long to try while Postgres is away.
        now: tells the time.
    """

    def __init__(
        self, db: Database, tokens: Tokens, *, hold_s: float, now: Callable[[], datetime]
    ) -> None:
        self._db = db
        self._tokens = tokens
        self._hold_s = hold_s
        self._now = now

    async def authorize(self, request: AuthorizationRequest) -> Authorization:
        """Decide. What is remembered costs no round trip, unless a start is under a limit.

        Raises:
            StoreAwayError: Postgres is away and not enough is remembered.
        """
        rule = await self._tokens.find_rule(request.station_id)
        known = tuple(filter(rule.knows, await self._tokens.find(request.id_token)))
        token = find_meant(known, request.presented_as)
        group = await self._tokens.find_group(token)
        authorization = decide(
            token,
            self._now(),
            group=group,
            rule=rule,
            presented_as=request.presented_as,
            open_sessions=await self._open_sessions(request, known, token, group),
        )
        metrics.authorizations.labels("database", authorization.status).inc()
        return authorization

    async def _open_sessions(
        self,
        request: AuthorizationRequest,
        known: tuple[IdToken, ...],
        token: IdToken | None,
        group: IdTokenGroup | None,
    ) -> OpenSessions | None:
        start: TransactionStart | None = request.start
        if start is None:
            return None
        if token is None or not needs_open_sessions(token, group):
            return NO_OPEN_SESSIONS
        return await hold(
            lambda: find_open_sessions(
                self._db,
                request,
                start,
                token=token,
                without_type=find_meant(known, None) is token,
            ),
            hold_s=self._hold_s,
        )
