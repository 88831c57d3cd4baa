"""Reports: saved exports, and their runs."""

from shared.store.migrations.statements import execute, refuse

revision = "0042"
down_revision = "0041"

STATEMENTS = (
    """
    CREATE TABLE reports (
        report_id uuid PRIMARY KEY DEFAULT uuidv7(),
        organization_id text NOT NULL DEFAULT own_organization() REFERENCES organizations,
        name text NOT NULL,
        resource text NOT NULL,
        filter jsonb NOT NULL DEFAULT '{}',
        period text NOT NULL,
        time_zone text NOT NULL,
        format text NOT NULL,
        columns text[],
        recipients text[] NOT NULL DEFAULT '{}',
        -- When it is run, by clocks of its zone; null where somebody asks for each run.
        every text,
        at_time time,
        on_day integer,
        next_run_at timestamptz,
        created_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX reports_by_organization ON reports (organization_id, report_id)",
    "CREATE INDEX reports_due ON reports (next_run_at) WHERE next_run_at IS NOT NULL",
    """
    CREATE TABLE report_runs (
        run_id uuid PRIMARY KEY DEFAULT uuidv7(),
        report_id uuid NOT NULL REFERENCES reports ON DELETE CASCADE,
        -- Jobs are removed some time after their end; what they made stays for its own time.
        job_id uuid NOT NULL,
        due_at timestamptz NOT NULL,
        since timestamptz NOT NULL,
        until timestamptz NOT NULL,
        storage_key text,
        rows bigint,
        size_bytes bigint,
        ended_at timestamptz
    )
    """,
    "CREATE INDEX report_runs_by_report ON report_runs (report_id, run_id)",
    """
    CREATE INDEX report_runs_by_content ON report_runs (storage_key) WHERE storage_key IS NOT NULL
    """,
    # Everything that may stand in the storage, written down before its first byte: what a worker
    # leaves that dies is removed like what was kept for its time.
    """
    CREATE TABLE report_contents (
        storage_key text PRIMARY KEY,
        organization_id text NOT NULL,
        report_id uuid NOT NULL,
        expires_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX report_contents_by_end ON report_contents (expires_at)",
    "CREATE INDEX report_contents_by_report ON report_contents (report_id)",
)


def upgrade() -> None:
    """Change the schema."""
    execute(STATEMENTS)


downgrade = refuse
