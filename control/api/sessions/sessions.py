"""Sessions and their meter values: stations make them, operators decide about suspects."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import Field

from control import problems
from control.api import exporting
from control.api.accounts.organizations_schemas import OfOrganization
from control.api.sessions.sessions_schemas import (
    MeterValue,
    Session,
    SessionDetail,
    SessionHistoryEntry,
    SessionReview,
    columns_of,
)
from control.api.types import ONE_LINE, Since, StationId, Until, UtcTime
from control.auth import PrincipalDep
from control.errors import InvalidFieldError
from control.exports.resources import SESSIONS
from control.exports.streaming import ExportForm
from control.paging import (
    POSITIONS_BY_ID,
    POSITIONS_BY_TIME,
    SORT,
    UUIDS,
    Keys,
    Order,
    Page,
    PagingDep,
    parse_sort,
    read_number,
    read_time,
)
from control.services import Services, ServicesDep
from shared.domain.error_codes import ConflictCode, NotFoundCode
from shared.domain.sessions import SessionFilter, SessionOrder
from shared.domain.sessions.meter_values import ReadingContext
from shared.store.conditions import Position
from shared.store.sessions import history, reviews, sessions, transaction_events
from shared.store.sessions.sessions import MeterValuePosition

router = APIRouter(prefix="/v1/sessions", tags=["sessions"])

_SESSIONS = "sessions"
_METER_VALUES = "meter-values"
_POSITIONS: Keys[MeterValuePosition] = Keys(
    2,
    lambda position: (position.sampled_at.isoformat(), str(position.fingerprint)),
    lambda parts: MeterValuePosition(read_time(parts[0]), read_number(parts[1], bits=64)),
)
_HISTORY = "session-history"

_Sort = Annotated[
    Literal[
        "session_id",
        "-session_id",
        "started_at",
        "-started_at",
        "ended_at",
        "-ended_at",
        "updated_at",
        "-updated_at",
    ],
    Query(
        description="by what: `session_id` is in the order in which they came to be, and a time "
        "lists those that have it. `-`: the last one first. Left out, it follows from the filter"
    ),
]
_IdToken = Annotated[str, Field(min_length=1, max_length=255), ONE_LINE]
_TransactionId = Annotated[str, Field(min_length=1, max_length=36), ONE_LINE]


def _filter(
    *,
    station_id: Annotated[StationId | None, Query(description="only this station's")] = None,
    id_token: Annotated[
        _IdToken | None, Query(description="only this token's, in whatever letter case")
    ] = None,
    transaction_id: Annotated[
        _TransactionId | None,
        Query(description="only this one; other stations may have one of the same name"),
    ] = None,
    organization_id: OfOrganization = None,
    active: Annotated[
        bool | None, Query(description="only those that go on, or only those that have ended")
    ] = None,
    billable: Annotated[
        bool | None, Query(description="only those that may be billed, or only the others")
    ] = None,
    needs_review: Annotated[
        bool | None,
        Query(description="only those that a person has to look at, or only the others"),
    ] = None,
    started_since: Annotated[
        UtcTime | None, Query(description="only those that started then or later")
    ] = None,
    started_until: Annotated[
        UtcTime | None, Query(description="only those that started before")
    ] = None,
    ended_since: Annotated[
        UtcTime | None, Query(description="only those that ended then or later")
    ] = None,
    ended_until: Annotated[
        UtcTime | None, Query(description="only those that ended before")
    ] = None,
    updated_since: Annotated[
        UtcTime | None,
        Query(
            description="only those whose `updated_at` is then or later. To follow all changes ask "
            "each time from a minute before the last answer: what is being written meanwhile "
            "appears a moment later"
        ),
    ] = None,
) -> SessionFilter:
    return SessionFilter(
        station_id=station_id,
        id_token=id_token,
        transaction_id=transaction_id,
        organization_id=organization_id,
        active=active,
        billable=billable,
        needs_review=needs_review,
        started_since=started_since,
        started_until=started_until,
        ended_since=ended_since,
        ended_until=ended_until,
        updated_since=updated_since,
    )


@router.get("")
async def list_sessions(
    *,
    services: ServicesDep,
    found: Annotated[SessionFilter, Depends(_filter)],
    paging: PagingDep,
    sort: _Sort | None = None,
) -> Page[Session]:
    """List the sessions, the newest first.

    Asked for by a time they are in the order of that time, by that of their change, else of their
    end, else of their start: the last one first, but with `updated_since` the one that changed
    last comes last, so that a session that changes meanwhile comes once more.
    """
    member, goes_down = _order(found, sort)
    return await paging.page(
        _positions(member, sort, goes_down=goes_down),
        read=lambda before, limit: sessions.list_before(
            services.db,
            before=before,
            limit=limit,
            found=found,
            order=None if sort is None else member,
            goes_down=goes_down,
        ),
        key_of=lambda session: sessions.position_of(session, member),
        shown=Session.of,
        count=lambda up_to: sessions.count(services.db, found, up_to=up_to),
    )


def _positions(
    member: SessionOrder, sort: str | None, *, goes_down: bool | None
) -> Order[Position]:
    # A cursor is of one order and one direction; who does not sort has those of before.
    if member is SessionOrder.NEWEST:
        name = f"{_SESSIONS} up" if goes_down is False else _SESSIONS
        return Order(name, POSITIONS_BY_ID, goes_down is not False)
    return Order(f"{_SESSIONS} by {sort or member}", POSITIONS_BY_TIME, goes_down is not False)


def _order(found: SessionFilter, sort: str | None) -> tuple[SessionOrder, bool | None]:
    """Return by what a list is sorted, and whether it goes down if that was said.

    Raises:
        InvalidFieldError: it is asked for by one time and sorted by another, which would read
            everything in between.
    """
    if sort is None:
        return found.order, None
    member, goes_down = parse_sort(sort)
    order = SessionOrder.NEWEST if member == "session_id" else SessionOrder(member)
    if found.order not in {SessionOrder.NEWEST, order}:
        raise InvalidFieldError(
            "query",
            "sort",
            f"a list that is asked for by {found.order} is in its order: leave sort out, or say "
            f"{found.order} or -{found.order}",
        )
    return order, goes_down


@router.get("/export", response_class=StreamingResponse, responses=exporting.RESPONSES)
async def export_sessions(
    request: Request,
    services: ServicesDep,
    principal: PrincipalDep,
    found: Annotated[SessionFilter, Depends(_filter)],
    form: Annotated[ExportForm, Depends(exporting.options_of(SESSIONS))],
) -> StreamingResponse:
    """Export sessions as one file, in the order of their list.

    It is sent while it is read: what changes meanwhile may be in it as it was or as it is, and
    those asked for by a change end with what had changed when it began. An export that breaks off
    has met an error.
    """
    return await services.exports.respond(
        request, SESSIONS, found, form, db=services.db, principal=principal
    )


@router.get("/{session_id}", responses=problems.responses(NotFoundCode.SESSION))
async def get_session(session_id: UUID, services: ServicesDep) -> SessionDetail:
    """Return one session with what it was made of."""
    return await _detail(services, str(session_id))


@router.post(
    "/{session_id}/review",
    responses=problems.responses(
        NotFoundCode.SESSION,
        ConflictCode.SESSION_ACTIVE,
        ConflictCode.SESSION_CHANGED,
        ConflictCode.SESSION_END_BEFORE_START,
        ConflictCode.SESSION_NOT_SETTLED,
        ConflictCode.SESSION_WITHOUT_ENERGY,
    ),
)
async def review_session(
    session_id: UUID, body: SessionReview, services: ServicesDep, principal: PrincipalDep
) -> SessionDetail:
    """Decide about a session; the latest decision stands, and what comes later may question it.

    A decision names what it is upon, as it was read: `energy_wh`, `ended_at`, `review_reasons` and
    an earlier `review_decision`. If a late word of the station, or another operator, has made it
    another since, nothing is decided: the answer is 409 and says what is so now. A session that is
    being worked out is answered with 409 too; that takes a few seconds.
    """
    await reviews.review(
        services.db,
        str(session_id),
        seen=body.seen.to_domain(),
        decision=body.decision,
        energy_wh=body.energy_wh,
        ended_at=body.ended_at,
        note=body.note,
        reviewed_by=principal.name,
    )
    return await _detail(services, str(session_id))


@router.get("/{session_id}/history", responses=problems.responses(NotFoundCode.SESSION))
async def list_session_history(
    *,
    session_id: UUID,
    services: ServicesDep,
    paging: PagingDep,
    since: Since = None,
    until: Until = None,
    sort: Annotated[Literal["occurred_at", "-occurred_at"], SORT] = "occurred_at",
) -> Page[SessionHistoryEntry]:
    """List what happened to a session beside what its station said, the oldest first."""
    session = str(session_id)
    order = Order.of(_HISTORY, sort, usual="occurred_at", keys=UUIDS)
    return await paging.page(
        order,
        read=lambda after, limit: history.list_after(
            services.db,
            session,
            after=after,
            limit=limit,
            since=since,
            until=until,
            goes_down=order.goes_down,
        ),
        key_of=lambda entry: entry.history_id,
        shown=SessionHistoryEntry.model_validate,
        count=lambda up_to: history.count(
            services.db, session, up_to=up_to, since=since, until=until
        ),
        owner=lambda: sessions.get(services.db, session),
    )


@router.get("/{session_id}/meter-values", responses=problems.responses(NotFoundCode.SESSION))
async def list_session_meter_values(
    *,
    session_id: UUID,
    services: ServicesDep,
    paging: PagingDep,
    context: Annotated[
        ReadingContext | None,
        Query(description="only samples of this context; `Sample.Clock`: those by the clock"),
    ] = None,
    since: Since = None,
    until: Until = None,
    sort: Annotated[Literal["sampled_at", "-sampled_at"], SORT] = "sampled_at",
) -> Page[MeterValue]:
    """List what the meter showed during a session, in the order of the station's clock."""
    session = await sessions.get(services.db, str(session_id))
    order = Order.of(_METER_VALUES, sort, usual="sampled_at", keys=_POSITIONS)
    return await paging.page(
        order,
        read=lambda after, limit: sessions.list_meter_values_after(
            services.db,
            session,
            after=after,
            limit=limit,
            context=context,
            since=since,
            until=until,
            goes_down=order.goes_down,
        ),
        key_of=lambda row: row[0],
        shown=lambda row: MeterValue.model_validate(row[1]),
        count=lambda up_to: sessions.count_meter_values(
            services.db, session, up_to=up_to, context=context, since=since, until=until
        ),
    )


async def _detail(services: Services, session_id: str) -> SessionDetail:
    session = await sessions.get(services.db, session_id)
    gaps = await transaction_events.list_gaps(
        services.db, station_id=session.station_id, transaction_id=session.transaction_id
    )
    return SessionDetail.model_validate(
        {
            **columns_of(session),
            "ends": await reviews.list_ends(services.db, session_id),
            "event_gaps": gaps,
            "energy_estimates": await reviews.list_estimates(services.db, session_id),
        }
    )
