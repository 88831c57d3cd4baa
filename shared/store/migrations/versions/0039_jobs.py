"""Jobs: procrastinate's queue, and beside it whose a job is and what became of it."""

from shared.store.migrations import queue_scripts
from shared.store.migrations.statements import execute, refuse

revision = "0039"
down_revision = "0038"

QUEUE_SCRIPTS = ("", "03.04.00_50_post_add_retry_failed_job_procedure")
"""Behind which of procrastinate's scripts this begins, and with which it ends."""

STATEMENTS = (
    # procrastinate's own tables stay as its scripts make them: what we need to know beside them
    # stands here, one row for each job, for as long as it is in the queue.
    """
    CREATE TABLE jobs (
        job_id uuid PRIMARY KEY DEFAULT uuidv7(),
        queue_id bigint NOT NULL UNIQUE REFERENCES procrastinate_jobs ON DELETE CASCADE,
        task text NOT NULL,
        organization_id text NOT NULL DEFAULT own_organization() REFERENCES organizations,
        -- Who asked for it; nobody where the worker did.
        principal_kind text,
        principal_id text,
        principal_name text,
        queued_at timestamptz NOT NULL DEFAULT now(),
        -- Of the last run.
        started_at timestamptz,
        ended_at timestamptz,
        -- Runs that were begun, and those of them that count against it.
        tries integer NOT NULL DEFAULT 0,
        failures integer NOT NULL DEFAULT 0,
        -- Of the last run that failed.
        error text,
        -- Its effect is committed: it is not to be run again, whatever happens to its worker.
        done_at timestamptz,
        file_id uuid REFERENCES files ON DELETE SET NULL,
        cancel_requested_at timestamptz,
        retried_at timestamptz
    )
    """,
    "CREATE INDEX jobs_by_organization ON jobs (organization_id, job_id)",
    "CREATE INDEX jobs_by_task ON jobs (task, job_id)",
    "CREATE INDEX jobs_by_file ON jobs (file_id) WHERE file_id IS NOT NULL",
    "CREATE INDEX jobs_by_end ON jobs (ended_at)",
    # With the rights of the owner: a request may see jobs of its organizations, and make one for
    # them, without reaching the queue's tables to write whatever it likes.
    """
    CREATE FUNCTION defer_job(
        task text, arguments jsonb, organization text, job_lock text, job_queueing_lock text,
        run_at timestamptz
    ) RETURNS uuid
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
    DECLARE
        owner text := coalesce(organization, own_organization());
        principal jsonb := nullif(current_setting('voltaro.principal', true), '')::jsonb;
        made uuid;
    BEGIN
        IF nullif(current_setting('voltaro.organizations', true), '') IS NOT NULL
           AND owner <> ALL (organizations_in_scope()) THEN
            RAISE foreign_key_violation USING MESSAGE =
                format('there is no organization %L', owner);
        END IF;
        -- A queue of its own for each task: a worker takes only what it knows.
        INSERT INTO jobs (queue_id, task, organization_id,
                          principal_kind, principal_id, principal_name)
        SELECT queued, defer_job.task, owner,
               principal ->> 'kind', principal ->> 'principal_id', principal ->> 'name'
        FROM unnest(procrastinate_defer_jobs_v1(ARRAY[
            ROW(defer_job.task, defer_job.task, 0, job_lock, job_queueing_lock, arguments,
                run_at)::procrastinate_job_to_defer_v1
        ])) AS queued
        RETURNING job_id INTO made;
        RETURN made;
    EXCEPTION WHEN unique_violation THEN
        -- Only what is said twice of one queueing lock: all other keys are new.
        RETURN NULL;
    END
    $$
    """,
    # `scopes.py` gives it to requests.
    "REVOKE EXECUTE ON FUNCTION defer_job FROM PUBLIC",
)


def upgrade() -> None:
    """Change the schema."""
    after, up_to = QUEUE_SCRIPTS
    queue_scripts.execute(queue_scripts.scripts(after=after, up_to=up_to))
    execute(STATEMENTS)


downgrade = refuse
