"""Webhook endpoints: where events are sent to, what they are signed with, and how far that is."""

from shared.store.migrations.statements import execute, refuse

revision = "0037"
down_revision = "0036"

STATEMENTS = (
    """
    CREATE TABLE webhook_endpoints (
        webhook_endpoint_id uuid PRIMARY KEY DEFAULT uuidv7(),
        organization_id text NOT NULL DEFAULT own_organization() REFERENCES organizations,
        url text NOT NULL,
        description text,
        -- Which events it is told of; an empty list lets through all.
        types text[] NOT NULL DEFAULT '{}',
        station_ids text[] NOT NULL DEFAULT '{}',
        location_ids text[] NOT NULL DEFAULT '{}',
        organization_ids text[] NOT NULL DEFAULT '{}',
        api_version text NOT NULL,
        enabled boolean NOT NULL DEFAULT true,
        disabled_reason text,
        disabled_at timestamptz,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT webhook_endpoints_are_disabled_for_a_reason CHECK (
            enabled = (disabled_reason IS NULL) AND enabled = (disabled_at IS NULL)
        )
    )
    """,
    """
    CREATE INDEX webhook_endpoints_by_organization
        ON webhook_endpoints (organization_id, webhook_endpoint_id)
    """,
    # Several while one is replaced: all that have not expired sign.
    """
    CREATE TABLE webhook_secrets (
        webhook_secret_id uuid PRIMARY KEY DEFAULT uuidv7(),
        webhook_endpoint_id uuid NOT NULL REFERENCES webhook_endpoints ON DELETE CASCADE,
        organization_id text NOT NULL REFERENCES organizations,
        -- Encrypted: who has a copy of the database alone signs nothing with it.
        secret text NOT NULL,
        expires_at timestamptz,
        created_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX webhook_secrets_by_endpoint ON webhook_secrets (webhook_endpoint_id)",
    # What people ask for beside what events bring about: a test, one delivery again, a range again.
    """
    CREATE TABLE webhook_requests (
        webhook_request_id uuid PRIMARY KEY DEFAULT uuidv7(),
        webhook_endpoint_id uuid NOT NULL REFERENCES webhook_endpoints ON DELETE CASCADE,
        organization_id text NOT NULL REFERENCES organizations,
        kind text NOT NULL CHECK (kind IN ('test', 'resend', 'replay')),
        details jsonb NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX webhook_requests_by_endpoint ON webhook_requests (webhook_endpoint_id)",
    "CREATE INDEX webhook_requests_by_age ON webhook_requests (created_at)",
    # Written by the worker many times a minute, so apart from the row that people change.
    """
    CREATE TABLE webhook_progress (
        webhook_endpoint_id uuid PRIMARY KEY REFERENCES webhook_endpoints ON DELETE CASCADE,
        -- The last event that was looked at: what it is to be told of before that has a delivery.
        number bigint NOT NULL,
        -- Raised with whatever is added to what is to be delivered, so that nobody who has just
        -- found nothing overlooks it.
        revision bigint NOT NULL DEFAULT 0,
        -- When there is something to do, as far as is known; null is never.
        due_at timestamptz,
        -- Whether the endpoint works: failures in a row, since when, and how long it is left alone.
        failures integer NOT NULL DEFAULT 0,
        failing_since timestamptz,
        not_before timestamptz NOT NULL DEFAULT now(),
        -- Who serves it, and for how long nobody else does.
        worker_id text,
        leased_until timestamptz,
        served_at timestamptz NOT NULL DEFAULT now(),
        -- When its administrators are to be mailed that it was switched off; null: they are not.
        mail_at timestamptz,
        mail_failures integer NOT NULL DEFAULT 0,
        mail_error text
    )
    """,
    "CREATE INDEX webhook_progress_due ON webhook_progress (due_at) WHERE due_at IS NOT NULL",
    "CREATE INDEX webhook_progress_to_mail ON webhook_progress (mail_at) WHERE mail_at IS NOT NULL",
    # Whose events an organization sees: its own, and those of the ones below it.
    """
    CREATE FUNCTION organizations_below(top text) RETURNS text[] LANGUAGE sql STABLE AS $$
        WITH RECURSIVE below AS (
            SELECT organization_id FROM organizations WHERE organization_id = top
            UNION ALL
            SELECT organizations.organization_id
            FROM organizations JOIN below ON organizations.parent_id = below.organization_id
        )
        SELECT array_agg(organization_id) FROM below
    $$
    """,
)


def upgrade() -> None:
    """Change the schema."""
    execute(STATEMENTS)


downgrade = refuse
