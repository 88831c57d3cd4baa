"""Decisions about tokens: why a driver was refused, and what would be answered now."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query

from control import problems
from control.access.explanation import explain_authorization
from control.api.access.authorizations_schemas import Authorization, AuthorizationExplanation
from control.api.access.id_tokens_schemas import IdTokenValue
from control.api.types import FREE_TEXT, Ordinal, StationId, UtcTime
from control.paging import SORT, Keys, Order, Page, PagingDep, read_number, read_time
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
_POSITIONS: Keys[DecisionPosition] = Keys(
    2,
    lambda position: (position.decided_at.isoformat(), str(position.decision_id)),
    lambda parts: DecisionPosition(
        decided_at=read_time(parts[0]), decision_id=read_number(parts[1], bits=64)
    ),
)
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
    paging: PagingDep,
    sort: Annotated[Literal["decided_at", "-decided_at"], SORT] = "-decided_at",
) -> Page[Authorization]:
    """List what stations were answered about tokens and why, the newest first.

    Decisions appear within two seconds. What a pod could not write in time is missing, and counted
    by its metric `voltaro_authorizations_dropped_total`. What a station decides by itself, by its
    local list or its cache, it does not ask.
    """
    order = Order.of(_RESOURCE, sort, usual="-decided_at", keys=_POSITIONS)
    return await paging.page(
        order,
        read=lambda before, limit: decisions.list_before(
            services.db,
            found,
            before=before,
            limit=limit,
            timeout_s=_SEARCH_TIMEOUT_S,
            goes_down=order.goes_down,
        ),
        key_of=lambda decision: DecisionPosition(
            decided_at=decision.decided_at, decision_id=decision.decision_id
        ),
        shown=Authorization.of,
        count=lambda up_to: decisions.count(
            services.db, found, up_to=up_to, timeout_s=_SEARCH_TIMEOUT_S
        ),
    )


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
