"""Decisions about tokens: why a driver was refused, and what would be answered now."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from control import problems
from control.access.explanation import explain_authorization
from control.api.access.authorizations_schemas import Authorization, AuthorizationExplanation
from control.api.access.id_tokens_schemas import IdTokenValue
from control.api.types import FREE_TEXT, Ordinal, StationId, UtcTime
from control.paging import (
    DEFAULT_LIMIT,
    Cursor,
    Limit,
    Page,
    bad_cursor,
    cut_page,
    decode_cursor,
    encode_cursor,
)
from control.services import ServicesDep
from shared.domain.access.decisions import (
    ANY_REFUSAL,
    DecisionFilter,
    DecisionPosition,
    DecisionReason,
    DecisionSource,
)
from shared.domain.access.tokens import AuthorizationStatus, IdTokenType
from shared.domain.error_codes import NotFoundCode
from shared.store.access import decisions
from shared.store.stations import stations

router = APIRouter(prefix="/v1/authorizations", tags=["authorizations"])

_RESOURCE = "authorizations"
_KEY_PARTS = 2
_BIGINT_MAX = 2**63 - 1
# What is searched unless the caller says: a search for what is rare reads everything in between.
_DEFAULT_SINCE = timedelta(days=1)
_SEARCH_TIMEOUT_S = 8.0
_STATUSES = "|".join((ANY_REFUSAL, *AuthorizationStatus))


def _filter(
    *,
    id_token: Annotated[
        IdTokenValue | None, Query(description="only this token; letter case does not count")
    ] = None,
    station_id: Annotated[StationId | None, Query(description="only this station's")] = None,
    status: Annotated[
        str | None,
        Query(
            pattern=f"^({_STATUSES})$",
            description="only this answer; `refused` for every one but `Accepted`",
            examples=["refused"],
        ),
    ] = None,
    reason: Annotated[DecisionReason | None, Query(description="only for this reason")] = None,
    source: Annotated[DecisionSource | None, Query(description="only from there")] = None,
    transaction_id: Annotated[
        Annotated[str, FREE_TEXT] | None,
        Query(max_length=255, description="only what was asked for this transaction"),
    ] = None,
    since: Annotated[
        UtcTime | None,
        Query(description="only what was decided then or later; left out, one day before `until`"),
    ] = None,
    until: Annotated[
        UtcTime | None, Query(description="only what was decided before; left out, until now")
    ] = None,
) -> DecisionFilter:
    return DecisionFilter(
        since=since if since is not None else _a_day_before(until),
        until=until,
        station_id=station_id,
        id_token=id_token,
        status=status,
        reason=reason,
        source=source,
        transaction_id=transaction_id,
    )


def _a_day_before(until: datetime | None) -> datetime | None:
    try:
        return (until or datetime.now(UTC)) - _DEFAULT_SINCE
    except OverflowError:
        return None  # the first day of the calendar


@router.get("")
async def list_authorizations(
    services: ServicesDep,
    found: Annotated[DecisionFilter, Depends(_filter)],
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[Authorization]:
    """List what stations were answered about tokens and why, the newest first.

    Decisions appear within two seconds. What a pod could not write in time is missing, and counted
    by its metric `voltaro_authorizations_dropped_total`. What a station decides by itself, by its
    local list or its cache, it does not ask.
    """
    rows, next_cursor = cut_page(
        await decisions.list_before(
            services.db,
            found,
            before=_decode_position(cursor),
            limit=limit + 1,
            timeout_s=_SEARCH_TIMEOUT_S,
        ),
        limit=limit,
        cursor_of=lambda decision: encode_cursor(
            _RESOURCE, decision.decided_at.isoformat(), str(decision.decision_id)
        ),
    )
    return Page(items=[Authorization.of(row) for row in rows], next_cursor=next_cursor)


@router.get("/explain", responses=problems.responses(NotFoundCode.STATION))
async def explain_authorization_now(
    services: ServicesDep,
    id_token: Annotated[IdTokenValue, Query()],
    station_id: Annotated[StationId, Query(description="where it is shown")],
    type_: Annotated[
        IdTokenType | None,
        Query(
            alias="type",
            description="the type that the station tells; leave it out for a station of OCPP 1.6, "
            "which tells none",
        ),
    ] = None,
    evse_id: Annotated[
        Ordinal | None,
        Query(description="where a charge is to start: another one there does not count"),
    ] = None,
) -> AuthorizationExplanation:
    """Tell what a station would be answered if this token started a charge now, rule by rule.

    Nothing is decided by it, nor kept.
    """
    await stations.get(services.db, station_id)  # raises if there is none
    return AuthorizationExplanation.of(
        await explain_authorization(
            # Tokens of the organizations above charge there as well.
            services.databases.whole,
            station_id=station_id,
            id_token=id_token,
            presented_as=type_,
            evse_id=evse_id,
        )
    )


def _decode_position(cursor: str | None) -> DecisionPosition | None:
    key = decode_cursor(_RESOURCE, cursor, parts=_KEY_PARTS)
    if key is None:
        return None
    try:
        position = DecisionPosition(
            decided_at=datetime.fromisoformat(key[0]), decision_id=int(key[1])
        )
    except ValueError:
        raise bad_cursor() from None
    if position.decided_at.tzinfo is None or abs(position.decision_id) > _BIGINT_MAX:
        raise bad_cursor()
    return position
