"""Jobs: work that is asked for now and done by a worker, once it has the time."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class JobState(StrEnum):
    """Where a job stands."""

    WAITING = "waiting"
    """Until a worker takes it, or until the time it is put off to."""
    RUNNING = "running"
    """A worker has it. One that has died is found within half a minute."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    """It is not tried again by itself."""
    CANCELLED = "cancelled"


class RunAgain(StrEnum):
    """What may happen to a job whose worker died or stood still while it ran."""

    WHOLE = "whole"
    """It may run twice, and begins anew: whatever it did it does again, to the same end."""
    FENCED = "fenced"
    """It begins anew, and what it does counts once: that is committed together with the word that
    the job is done, and only while the job is still its own."""
    NEVER = "never"
    """Nobody knows whether it did what it does, and that must not happen twice: it has failed, and
    a person decides."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a job by one worker; who takes the job over makes another of it.

    Attributes:
        queue_id: of the job in the queue.
        worker_id: of the worker in the queue.
        attempt: how often the job was put back before.
    """

    queue_id: int
    worker_id: int
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as it is shown.

    `not_before` is the time it is put off to. `started_at` and `ended_at` are of the last run,
    `error` is of the last one that failed. `file_id` is what it made.
    """

    job_id: str
    task: str
    organization_id: str
    principal_kind: str | None
    principal_id: str | None
    principal_name: str | None
    state: JobState
    queued_at: datetime
    not_before: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    tries: int
    failures: int
    error: str | None
    file_id: str | None
    cancel_requested_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """Which jobs are asked for; None asks for all.

    Attributes:
        state: those that stand so.
        task: those that do this.
        organization_id: those of this organization.
        since: those that were queued then or later.
        until: those that were queued before.
    """

    state: JobState | None = None
    task: str | None = None
    organization_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
