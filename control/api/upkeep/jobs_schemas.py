"""Jobs in the words of the API."""

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from shared.domain.upkeep import jobs as domain
from shared.domain.upkeep.jobs import JobState

_EXAMPLE: dict[str, Any] = {
    "job_id": "0197278e-7e02-7d1c-a6d5-5a3f0f6b7a11",
    "task": "export",
    "organization_id": "default",
    "requested_by": {
        "kind": "user",
        "principal_id": "0197278e-1111-7d1c-a6d5-5a3f0f6b7a11",
        "name": "Ada",
    },
    "state": "succeeded",
    "queued_at": "2025-06-01T09:00:00Z",
    "not_before": None,
    "started_at": "2025-06-01T09:00:01Z",
    "ended_at": "2025-06-01T09:02:11Z",
    "tries": 1,
    "failures": 0,
    "error": None,
    "cancel_requested_at": None,
    "file_id": "0197278e-7e02-7d1c-a6d5-5a3f0f6b7a12",
    "file_url": "/v1/files/0197278e-7e02-7d1c-a6d5-5a3f0f6b7a12",
}


class JobPrincipal(BaseModel):
    """Who asked for a job."""

    kind: str
    principal_id: str
    name: str


class Job(BaseModel):
    """Work that was asked for, and that a worker does once it has the time."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    job_id: str
    task: str = Field(description="what it does")
    organization_id: str = Field(description="whose job it is")
    requested_by: JobPrincipal | None = Field(
        description="null for what the worker itself asked for"
    )
    state: JobState
    queued_at: datetime
    not_before: datetime | None = Field(
        description="it is put off to this time, as after a failure"
    )
    started_at: datetime | None = Field(description="of the last run")
    ended_at: datetime | None = Field(description="of the last run")
    tries: int = Field(description="runs that were begun")
    failures: int = Field(
        description="runs that failed by what the job does; not those whose worker died, nor those "
        "that a dependency was away for"
    )
    error: str | None = Field(description="of the last run that failed")
    cancel_requested_at: datetime | None
    file_id: str | None = Field(description="what it has made")
    file_url: str | None = Field(description="where that file is described, with its download")

    @classmethod
    def of(cls, job: domain.Job) -> Self:
        """Return a job as it is answered."""
        return cls(
            job_id=job.job_id,
            task=job.task,
            organization_id=job.organization_id,
            requested_by=None
            if job.principal_kind is None
            else JobPrincipal(
                kind=job.principal_kind,
                principal_id=job.principal_id or "",
                name=job.principal_name or "",
            ),
            state=job.state,
            queued_at=job.queued_at,
            not_before=job.not_before,
            started_at=job.started_at,
            ended_at=job.ended_at,
            tries=job.tries,
            failures=job.failures,
            error=job.error,
            cancel_requested_at=job.cancel_requested_at,
            file_id=job.file_id,
            file_url=None if job.file_id is None else f"/v1/files/{job.file_id}",
        )
