"""The audit log: who changed what through the API."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse

from control import problems
from control.api import exporting
from control.api.accounts.audit_log_schemas import AuditEntry
from control.api.types import FREE_TEXT, UtcTime
from control.auth import PrincipalDep
from control.exports.resources import AUDIT_LOG
from control.exports.streaming import ExportForm
from control.paging import POSITIONS_BY_TIME, SORT, Order, Page, PagingDep
from control.services import ServicesDep
from shared.domain.accounts.audit_log import Action, AuditFilter
from shared.domain.error_codes import NotFoundCode
from shared.store.accounts import audit_log
from shared.store.conditions import Position

router = APIRouter(prefix="/v1/audit-log", tags=["audit log"])

_RESOURCE = "audit-log"
_SEARCH_TIMEOUT_S = 8.0

_Text = Annotated[str, FREE_TEXT]


def _filter(
    *,
    since: Annotated[UtcTime | None, Query(description="only what was done then or later")] = None,
    until: Annotated[UtcTime | None, Query(description="only what was done before")] = None,
    principal_id: Annotated[
        _Text | None, Query(max_length=255, description="only what this user or key did")
    ] = None,
    resource: Annotated[
        _Text | None,
        Query(max_length=100, description="only this kind of thing", examples=["id-tokens"]),
    ] = None,
    resource_id: Annotated[
        _Text | None, Query(max_length=512, description="only the thing of this id")
    ] = None,
    action: Annotated[Action | None, Query(description="only what was done so")] = None,
    request_id: Annotated[
        _Text | None, Query(max_length=255, description="only what this request did")
    ] = None,
) -> AuditFilter:
    return AuditFilter(
        since=since,
        until=until,
        principal_id=principal_id,
        resource=resource,
        resource_id=resource_id,
        action=action,
        request_id=request_id,
    )


@router.get("")
async def list_audit_log(
    services: ServicesDep,
    found: Annotated[AuditFilter, Depends(_filter)],
    paging: PagingDep,
    sort: Annotated[Literal["occurred_at", "-occurred_at"], SORT] = "-occurred_at",
) -> Page[AuditEntry]:
    """List what was changed through the API and by whom, the newest first.

    An entry is written with its change, or neither is. What a request did not change, or could not,
    is not there; nor what stations tell, and what follows of itself, as that a station's
    reservations went with it. A batch of commands is one entry.
    """
    order = Order.of(_RESOURCE, sort, usual="-occurred_at", keys=POSITIONS_BY_TIME)
    return await paging.page(
        order,
        read=lambda before, limit: audit_log.list_before(
            services.db,
            found,
            before=before,
            limit=limit,
            timeout_s=_SEARCH_TIMEOUT_S,
            goes_down=order.goes_down,
        ),
        key_of=lambda entry: Position(entry.entry_id, entry.occurred_at),
        shown=AuditEntry.of,
        count=lambda up_to: audit_log.count(
            services.db, found, up_to=up_to, timeout_s=_SEARCH_TIMEOUT_S
        ),
    )


@router.get("/export", response_class=StreamingResponse, responses=exporting.RESPONSES)
async def export_audit_log(
    request: Request,
    services: ServicesDep,
    principal: PrincipalDep,
    found: Annotated[AuditFilter, Depends(_filter)],
    form: Annotated[ExportForm, Depends(exporting.options_of(AUDIT_LOG))],
) -> StreamingResponse:
    """Export what was changed through the API as one file, the newest first.

    The members of `principal` are columns of their own. It is sent while it is read; an export that
    breaks off has met an error.
    """
    return await services.exports.respond(
        request, AUDIT_LOG, found, form, db=services.db, principal=principal
    )


@router.get("/{entry_id}", responses=problems.responses(NotFoundCode.AUDIT_ENTRY))
async def get_audit_entry(entry_id: UUID, services: ServicesDep) -> AuditEntry:
    """Return one entry."""
    return AuditEntry.of(await audit_log.get(services.db, str(entry_id)))
