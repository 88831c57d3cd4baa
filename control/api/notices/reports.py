"""Reports: saved exports that are run at times, and what they have made."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Body, Response, status
from fastapi.responses import StreamingResponse

from control import problems
from control.api import exporting
from control.api.accounts.organizations_schemas import OfOrganization
from control.api.notices.reports_schemas import (
    OPENAPI_EXAMPLES,
    Report,
    ReportCreate,
    ReportRun,
)
from control.auth import PrincipalDep
from control.errors import InvalidFieldError
from control.exports.saved import PERMISSIONS
from control.exports.writers import MEDIA_TYPES, ExportFormat
from control.paging import SORT, UUIDS, Order, Page, PagingDep
from control.services import ServicesDep
from shared.domain.accounts.principals import Principal
from shared.domain.error_codes import ConflictCode, NotFoundCode
from shared.domain.errors import ForbiddenError, NotFoundError
from shared.domain.notices import reports as domain
from shared.store.notices import reports

router = APIRouter(prefix="/v1/reports", tags=["reports"])

_RESOURCE = "reports"
_RUNS = "report-runs"


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    responses=problems.responses(ConflictCode.FILE_STORAGE_NOT_SET_UP),
)
async def create_report(
    body: Annotated[ReportCreate, Body(openapi_examples=OPENAPI_EXAMPLES)],
    services: ServicesDep,
    principal: PrincipalDep,
    response: Response,
) -> Report:
    """Save an export, to be run at times or when somebody asks.

    It has the rows of its organization and of those below it. Who makes it needs the permission to
    read them.
    """
    _require(principal, body.resource)
    _ = services.files.storage
    if body.recipients and not services.settings.can_mail:
        raise InvalidFieldError(
            "body", "recipients", "there is no mail server here: leave them out"
        )
    made = await reports.create(
        services.db,
        organization_id=body.organization_id,
        name=body.name,
        resource=body.resource,
        filter=body.filter.model_dump(mode="json", exclude_none=True),
        period=body.period,
        time_zone=body.time_zone,
        format=body.format,
        columns=body.columns,
        recipients=body.recipients,
        schedule=None if body.schedule is None else body.schedule.to_domain(),
    )
    response.headers["Location"] = f"/v1/reports/{made.report_id}"
    return Report.of(made)


@router.get("")
async def list_reports(
    services: ServicesDep,
    *,
    paging: PagingDep,
    organization_id: OfOrganization = None,
    sort: Annotated[Literal["report_id", "-report_id"], SORT] = "-report_id",
) -> Page[Report]:
    """List the reports as they were made, the newest first."""
    order = Order.of(_RESOURCE, sort, usual="-report_id", keys=UUIDS)
    return await paging.page(
        order,
        read=lambda before, limit: reports.list_before(
            services.db,
            before=before,
            limit=limit,
            goes_down=order.goes_down,
            organization_id=organization_id,
        ),
        key_of=lambda report: report.report_id,
        shown=Report.of,
        count=lambda up_to: reports.count(
            services.db, up_to=up_to, organization_id=organization_id
        ),
    )


@router.get("/{report_id}", responses=problems.responses(NotFoundCode.REPORT))
async def get_report(report_id: UUID, services: ServicesDep) -> Report:
    """Return one report."""
    return Report.of(await reports.get(services.db, str(report_id)))


@router.delete(
    "/{report_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=problems.responses(NotFoundCode.REPORT),
)
async def delete_report(report_id: UUID, services: ServicesDep) -> None:
    """Remove a report, its runs, and soon what they have made."""
    await reports.delete(services.db, str(report_id))


@router.post(
    "/{report_id}/runs",
    status_code=status.HTTP_202_ACCEPTED,
    responses=problems.responses(NotFoundCode.REPORT),
)
async def run_report(report_id: UUID, services: ServicesDep, principal: PrincipalDep) -> ReportRun:
    """Have a report run now, beside its schedule, of its time as it is seen from now."""
    report = await reports.get(services.db, str(report_id))
    _require(principal, report.resource)
    return ReportRun.of(await reports.run_now(services.db, report.report_id))


@router.get("/{report_id}/runs", responses=problems.responses(NotFoundCode.REPORT))
async def list_report_runs(
    report_id: UUID,
    services: ServicesDep,
    paging: PagingDep,
    sort: Annotated[Literal["run_id", "-run_id"], SORT] = "-run_id",
) -> Page[ReportRun]:
    """List the runs of a report, the newest first."""
    report = await reports.get(services.db, str(report_id))
    order = Order.of(_RUNS, sort, usual="-run_id", keys=UUIDS)
    return await paging.page(
        order,
        read=lambda before, limit: reports.list_runs_before(
            services.db,
            report.report_id,
            before=before,
            limit=limit,
            goes_down=order.goes_down,
        ),
        key_of=lambda run: run.run_id,
        shown=ReportRun.of,
        count=lambda up_to: reports.count_runs(services.db, report.report_id, up_to=up_to),
    )


@router.get(
    "/{report_id}/runs/{run_id}/content",
    response_class=StreamingResponse,
    responses={
        200: {**exporting.RESPONSES[200], "description": "The file"},
        **problems.responses(
            NotFoundCode.REPORT,
            NotFoundCode.REPORT_RUN,
            NotFoundCode.REPORT_CONTENT,
            ConflictCode.FILE_STORAGE_NOT_SET_UP,
        ),
    },
)
async def get_report_content(
    report_id: UUID, run_id: UUID, services: ServicesDep, principal: PrincipalDep
) -> StreamingResponse:
    """Download what a run has made."""
    report = await reports.get(services.db, str(report_id))
    _require(principal, report.resource)
    storage = services.files.storage
    run = await reports.get_run(services.db, report.report_id, str(run_id))
    if run.storage_key is None or run.size_bytes is None:
        raise NotFoundError(
            f"run {run.run_id} has no file: it is still to come, or was kept for its time",
            code=NotFoundCode.REPORT_CONTENT,
        )
    content = await storage.read(run.storage_key, 0, run.size_bytes)
    return StreamingResponse(
        content,
        media_type=MEDIA_TYPES[ExportFormat(report.format)],
        headers={
            "Content-Disposition": f'attachment; filename="{report.file_name(run)}"',
            "Content-Length": str(run.size_bytes),
            "Cache-Control": "no-store",
        },
    )


def _require(principal: Principal, resource: domain.ReportResource) -> None:
    """Return if somebody may read what a report is made of.

    Raises:
        ForbiddenError: they may not.
    """
    needed = PERMISSIONS[resource]
    if needed not in principal.permissions:
        raise ForbiddenError(
            f"{principal.name!r} has not the permission {needed}, which reports of {resource} "
            "need: ask an administrator"
        )
