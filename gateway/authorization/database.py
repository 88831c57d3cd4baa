"""Authorization by what is kept in the database."""

from collections.abc import Callable
from datetime import datetime

from gateway.authorization.lookup import hold
from gateway.authorization.tokens import Tokens
from shared.domain.access.authorization import (
    Authorization,
    AuthorizationRequest,
    TransactionStart,
    decide,
    free_authorization,
    is_free,
)
from shared.domain.access.decisions import DecisionSource
from shared.domain.access.rules import NO_OPEN_SESSIONS, OpenSessions, needs_open_sessions
from shared.domain.access.tokens import IdToken, IdTokenGroup, find_meant
from shared.store.access.authorization import find_open_sessions
from shared.store.pool import Database
from shared.telemetry import metrics

# What is farther away says why an answer took its time.
_DISTANCE = {
    DecisionSource.MEMORY: 0,
    DecisionSource.REDIS: 1,
    DecisionSource.DATABASE: 2,
    DecisionSource.STALE_MEMORY: 3,
}


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
        rule, rule_source = await self._tokens.find_rule(request.station_id)
        if rule.free_since is not None and is_free(rule, request, now=self._now()):
            authorization = free_authorization(rule)
            metrics.authorizations.labels("rule", authorization.status).inc()
            return authorization
        tokens, source = await self._tokens.look_up(request.id_token)
        known = tuple(filter(rule.knows, tokens or ()))
        token = find_meant(known, request.presented_as)
        group, group_source = await self._tokens.find_group(token)
        open_sessions = await self._open_sessions(request, known, token, group)
        if not source is group_source is rule_source is DecisionSource.MEMORY:
            source = max(source, group_source, rule_source, key=_DISTANCE.__getitem__)
        if open_sessions is not None and open_sessions is not NO_OPEN_SESSIONS:
            source = max(source, DecisionSource.DATABASE, key=_DISTANCE.__getitem__)
        authorization = decide(
            token,
            self._now(),
            group=group,
            rule=rule,
            presented_as=request.presented_as,
            open_sessions=open_sessions,
            known=() if token is not None else tuple(each.type for each in known),
            source=source,
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
