"""Jobs: what workers do, have done and are to do, retried and cancelled."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query

from control import problems
from control.api.accounts.organizations_schemas import OfOrganization
from control.api.types import ONE_LINE, Since, Until
from control.api.upkeep.jobs_schemas import Job
from control.paging import SORT, UUIDS, Order, Page, PagingDep
from control.services import ServicesDep
from shared.domain.error_codes import ConflictCode, NotFoundCode
from shared.domain.upkeep.jobs import JobFilter, JobState
from shared.store.upkeep import jobs

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

_RESOURCE = "jobs"


@router.get("")
async def list_jobs(
    *,
    services: ServicesDep,
    paging: PagingDep,
    state: Annotated[JobState | None, Query(description="only those that stand so")] = None,
    task: Annotated[
        Annotated[str, ONE_LINE] | None, Query(description="only those that do this", max_length=40)
    ] = None,
    organization_id: OfOrganization = None,
    since: Since = None,
    until: Until = None,
    sort: Annotated[Literal["job_id", "-job_id"], SORT] = "-job_id",
) -> Page[Job]:
    """List the jobs as they were queued, the newest first; old ones that ended are removed."""
    order = Order.of(_RESOURCE, sort, usual="-job_id", keys=UUIDS)
    asked = JobFilter(
        state=state, task=task, organization_id=organization_id, since=since, until=until
    )
    return await paging.page(
        order,
        read=lambda before, limit: jobs.list_before(
            services.db, asked, before=before, limit=limit, goes_down=order.goes_down
        ),
        key_of=lambda job: job.job_id,
        shown=Job.of,
        count=lambda up_to: jobs.count(services.db, asked, up_to=up_to),
    )


@router.get("/{job_id}", responses=problems.responses(NotFoundCode.JOB))
async def get_job(job_id: UUID, services: ServicesDep) -> Job:
    """Return one job: where it stands, why it failed, what it has made."""
    return Job.of(await jobs.get(services.db, str(job_id)))


@router.post(
    "/{job_id}/retry",
    responses=problems.responses(
        NotFoundCode.JOB, ConflictCode.JOB_NOT_FAILED, ConflictCode.JOB_WAITS_ALREADY
    ),
)
async def retry_job(job_id: UUID, services: ServicesDep) -> Job:
    """Have a job that has failed done again, as if it had not been tried.

    Of one whose worker died, and that must not happen twice, look first whether it did what it
    does.
    """
    return Job.of(await jobs.retry(services.db, str(job_id)))


@router.post(
    "/{job_id}/cancel",
    responses=problems.responses(NotFoundCode.JOB, ConflictCode.JOB_ENDED),
)
async def cancel_job(job_id: UUID, services: ServicesDep) -> Job:
    """Take a job out of the queue; one that runs is stopped by its worker within seconds.

    It is `cancelled` when that has happened, unless it ended before. What it had done by then
    stays.
    """
    return Job.of(await jobs.cancel(services.db, str(job_id)))
