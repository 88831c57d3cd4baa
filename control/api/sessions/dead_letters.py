"""Dead letters: what stations said that fits nowhere, and what operators make of it."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi import status as http_status

from control import problems
from control.api.sessions.dead_letters_schemas import (
    DeadLetter,
    DeadLetterAssignment,
    DeadLetterDetails,
    DeadLetterDismissal,
    DeadLetterReplay,
)
from control.api.types import StationId, UtcTime
from control.auth import PrincipalDep
from control.paging import Page, PagingDep, order_of_receipt
from control.services import ServicesDep
from shared.domain.error_codes import ConflictCode, NotFoundCode
from shared.domain.sessions.dead_letters import DeadLetterStatus
from shared.store.conditions import Position
from shared.store.sessions import dead_letters, letter_delivery, letter_search, refused_calls

router = APIRouter(prefix="/v1/dead-letters", tags=["dead letters"])

_Sort = Annotated[
    Literal["received_at", "-received_at"], Query(description="`-`: the last received first")
]
_RESOURCE = "dead-letters"


@router.get("")
async def list_dead_letters(
    services: ServicesDep,
    *,
    station_id: Annotated[StationId | None, Query(description="only this station's")] = None,
    status: Annotated[
        DeadLetterStatus | None, Query(description="only those of which this became")
    ] = None,
    since: Annotated[UtcTime | None, Query(description="only those received then or later")] = None,
    until: Annotated[UtcTime | None, Query(description="only those received before")] = None,
    paging: PagingDep,
    sort: _Sort | None = None,
) -> Page[DeadLetter]:
    """List the dead letters, the newest first."""
    order = order_of_receipt(_RESOURCE, sort, bounded=since is not None or until is not None)
    return await paging.page(
        order,
        read=lambda before, limit: dead_letters.list_before(
            services.db,
            before=before,
            limit=limit,
            station_id=station_id,
            status=status,
            since=since,
            until=until,
            by_time=order.by_time,
            goes_down=order.goes_down,
        ),
        key_of=lambda row: Position(row.dead_letter_id, row.received_at),
        shown=DeadLetter.model_validate,
        count=lambda up_to: letter_search.count(
            services.db, up_to=up_to, station_id=station_id, status=status, since=since, until=until
        ),
    )


@router.get("/{dead_letter_id}", responses=problems.responses(NotFoundCode.DEAD_LETTER))
async def get_dead_letter(dead_letter_id: UUID, services: ServicesDep) -> DeadLetterDetails:
    """Return one dead letter, with the frame of a message that was refused."""
    letter = await dead_letters.get(services.db, str(dead_letter_id))
    answer = DeadLetterDetails.model_validate(letter)
    answer.frame = await refused_calls.read_frame(services.db, str(dead_letter_id))
    return answer


@router.post(
    "/{dead_letter_id}/assign",
    responses=problems.responses(
        NotFoundCode.DEAD_LETTER,
        NotFoundCode.SESSION,
        ConflictCode.DEAD_LETTER_DECIDED,
        ConflictCode.DEAD_LETTER_NOT_ASSIGNABLE,
        ConflictCode.DEAD_LETTER_UNREADABLE,
        ConflictCode.SESSION_OF_ANOTHER_STATION,
    ),
)
async def assign_dead_letter(
    dead_letter_id: UUID, body: DeadLetterAssignment, services: ServicesDep, principal: PrincipalDep
) -> DeadLetter:
    """Give an end, readings, or a refused message to a session of its station.

    The session is worked out anew within seconds. A refused message is handled once more by a
    gateway, within seconds as well, under the session's transaction id; `to_be_delivered` is true
    until then.
    """
    letter = await letter_delivery.assign(
        services.db,
        str(dead_letter_id),
        session_id=str(body.session_id),
        decided_by=principal.name,
        note=body.note,
    )
    return DeadLetter.model_validate(letter)


@router.post(
    "/{dead_letter_id}/replay",
    status_code=http_status.HTTP_202_ACCEPTED,
    responses=problems.responses(
        NotFoundCode.DEAD_LETTER,
        ConflictCode.DEAD_LETTER_DECIDED,
        ConflictCode.DEAD_LETTER_NOT_REPLAYABLE,
        ConflictCode.DEAD_LETTER_UNREADABLE,
    ),
)
async def replay_dead_letter(
    dead_letter_id: UUID, body: DeadLetterReplay, services: ServicesDep, principal: PrincipalDep
) -> DeadLetter:
    """Have what a dead letter says written where it belongs, as if it came now.

    That is done by a gateway or the worker within some seconds, and what is there already is kept
    once. Then the letter is `delivered`; or it stays `open`, and its `reason` says what is in the
    way.
    """
    letter = await letter_delivery.replay(
        services.db,
        str(dead_letter_id),
        payload=body.payload,
        decided_by=principal.name,
        note=body.note,
    )
    return DeadLetter.model_validate(letter)


@router.post(
    "/{dead_letter_id}/dismiss",
    responses=problems.responses(NotFoundCode.DEAD_LETTER, ConflictCode.DEAD_LETTER_DECIDED),
)
async def dismiss_dead_letter(
    dead_letter_id: UUID, body: DeadLetterDismissal, services: ServicesDep, principal: PrincipalDep
) -> DeadLetter:
    """Decide that a dead letter means nothing."""
    letter = await dead_letters.dismiss(
        services.db, str(dead_letter_id), decided_by=principal.name, note=body.note
    )
    return DeadLetter.model_validate(letter)
