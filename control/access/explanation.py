"""What a station would be answered about a token now, and why."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from shared.domain.access.authorization import (
    Authorization,
    AuthorizationRequest,
    TransactionStart,
    decide,
    is_free,
)
from shared.domain.access.decisions import Decision, DecisionFilter, DecisionReason, DecisionSource
from shared.domain.access.rules import (
    NO_OPEN_SESSIONS,
    Case,
    OpenSessions,
    Ruling,
    explain,
    needs_open_sessions,
)
from shared.domain.access.tokens import IdToken, IdTokenType, find_meant, id_token_key
from shared.store.access import decisions, id_token_groups, id_tokens, locations
from shared.store.access.authorization import find_open_sessions
from shared.store.pool import Database

_SEARCH_TIMEOUT_S = 5.0
_OF_THE_API = frozenset(
    {
        DecisionReason.EXTERNAL_ANSWER,
        DecisionReason.EXTERNAL_ANSWER_EXPIRED,
        DecisionReason.EXTERNAL_FAILURE,
    }
)


class DecidedBy(StrEnum):
    """Who decides at a station, by what was decided last."""

    RULES = "rules"
    EXTERNAL_API = "external_api"


@dataclass(frozen=True, slots=True)
class Explanation:
    """What would be answered now, each rule in turn, and what was answered last."""

    request: AuthorizationRequest
    answer: Authorization
    rules: list[Ruling]
    decided_by: DecidedBy
    last_decision: Decision | None


async def explain_authorization(
    db: Database,
    *,
    station_id: str,
    id_token: str,
    presented_as: IdTokenType | None,
    evse_id: int | None,
) -> Explanation:
    """Tell what a station would be answered if somebody started a charge there with a token now.

    Everything is read from Postgres: what pods remember is told to them as it changes.

    Args:
        db: the pool.
        station_id: where; it is there.
        id_token: who.
        presented_as: the type that the station tells, None if it tells none.
        evse_id: where at the station: another charge of the same EVSE does not count.
    """
    now = datetime.now(UTC)
    start = TransactionStart(evse_id=evse_id, started_at=now)
    request = AuthorizationRequest(
        station_id=station_id, id_token=id_token, presented_as=presented_as, start=start
    )
    (rule,) = await locations.find_rules(db, [station_id])
    found = (await id_tokens.find_all(db, [id_token_key(id_token)]))[0] or ()
    known = tuple(filter(rule.knows, found))
    token = find_meant(known, presented_as)
    group = None
    if token is not None and token.group_id_token is not None:
        group = (await id_token_groups.find(db, [id_token_key(token.group_id_token)]))[0]
    open_sessions = NO_OPEN_SESSIONS
    if token is not None and needs_open_sessions(token, group):
        open_sessions = await _open_sessions(db, request, start, token, known)
    types = tuple(each.type for each in known)
    free = is_free(rule, request, now=now)
    case = Case(token, now, group, rule, presented_as, open_sessions, types, free)
    answer = decide(
        token,
        now,
        group=group,
        rule=rule,
        presented_as=presented_as,
        open_sessions=open_sessions,
        known=types,
        free=free,
        source=DecisionSource.DATABASE,
    )
    latest = await _latest(db, DecisionFilter(station_id=station_id))
    return Explanation(
        request=request,
        answer=answer,
        rules=list(explain(case)),
        decided_by=(
            DecidedBy.EXTERNAL_API
            if latest is not None and latest.reason in _OF_THE_API
            else DecidedBy.RULES
        ),
        last_decision=await _latest(db, DecisionFilter(station_id=station_id, id_token=id_token)),
    )


async def _open_sessions(
    db: Database,
    request: AuthorizationRequest,
    start: TransactionStart,
    token: IdToken,
    known: tuple[IdToken, ...],
) -> OpenSessions:
    without_type = find_meant(known, None) is token
    return await find_open_sessions(db, request, start, token=token, without_type=without_type)


async def _latest(db: Database, found: DecisionFilter) -> Decision | None:
    latest = await decisions.list_before(
        db, found, before=None, limit=1, timeout_s=_SEARCH_TIMEOUT_S
    )
    return latest[0] if latest else None
