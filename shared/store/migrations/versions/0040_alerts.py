"""Alerts: rules, what fired, who was told, and what was done about it without anybody."""

from shared.store.migrations.statements import execute, refuse

revision = "0040"
down_revision = "0039"

STATEMENTS = (
    """
    CREATE TABLE alert_rules (
        rule_id              uuid PRIMARY KEY DEFAULT uuidv7(),
        organization_id      text NOT NULL DEFAULT own_organization() REFERENCES organizations,
        name                 text NOT NULL,
        kind                 text NOT NULL,
        parameters           jsonb NOT NULL,
        location_ids         text[] NOT NULL DEFAULT '{}',
        station_ids          text[] NOT NULL DEFAULT '{}',
        severity             text NOT NULL,
        emails               text[] NOT NULL DEFAULT '{}',
        grouping_interval_s  double precision NOT NULL,
        resolve_after_s      double precision NOT NULL,
        quiet_hours          jsonb,
        escalation           jsonb NOT NULL DEFAULT '[]',
        self_healing         jsonb,
        enabled              boolean NOT NULL DEFAULT true,
        silenced_until       timestamptz,
        -- Of mails: the next one waits for grouping_interval_s.
        last_told_at         timestamptz,
        created_at           timestamptz NOT NULL DEFAULT now(),
        updated_at           timestamptz NOT NULL DEFAULT now(),
        -- What concerns the installation concerns who runs it.
        CHECK (kind NOT IN ('disk_space', 'partitions') OR organization_id = 'default')
    )
    """,
    "CREATE INDEX alert_rules_by_organization ON alert_rules (organization_id, rule_id)",
    # No foreign key to the rule: an alert outlives it, and says of it what has to be known then.
    """
    CREATE TABLE alerts (
        alert_id          uuid PRIMARY KEY DEFAULT uuidv7(),
        organization_id   text NOT NULL REFERENCES organizations,
        rule_id           uuid NOT NULL,
        rule_name         text NOT NULL,
        kind              text NOT NULL,
        severity          text NOT NULL,
        subject           text NOT NULL,
        station_id        text,
        location_id       text,
        evse_id           integer,
        connector_id      integer,
        session_id        uuid,
        since             timestamptz,
        evidence          jsonb NOT NULL DEFAULT '{}',
        fired_at          timestamptz NOT NULL,
        occurrences       integer NOT NULL DEFAULT 1,
        resolve_after_s   double precision NOT NULL,
        clear_since       timestamptz,
        acknowledged_at   timestamptz,
        acknowledged_by   text,
        note              text,
        silenced_until    timestamptz,
        resolved_at       timestamptz,
        -- When mail was made of it, or nobody had to be told.
        fired_told_at     timestamptz,
        resolved_told_at  timestamptz,
        escalated_steps   integer NOT NULL DEFAULT 0,
        -- When the next step of self-healing is due; null: none is.
        healing_at        timestamptz,
        healed_steps      integer NOT NULL DEFAULT 0
    ) WITH (fillfactor = 80)
    """,
    # An alert fires once.
    "CREATE UNIQUE INDEX alerts_open ON alerts (rule_id, subject) WHERE resolved_at IS NULL",
    "CREATE INDEX alerts_open_by_kind ON alerts (kind, alert_id) WHERE resolved_at IS NULL",
    "CREATE INDEX alerts_by_organization ON alerts (organization_id, alert_id)",
    "CREATE INDEX alerts_by_station ON alerts (station_id, alert_id)",
    "CREATE INDEX alerts_by_rule ON alerts (rule_id, alert_id)",
    "CREATE INDEX alerts_resolved ON alerts (resolved_at) WHERE resolved_at IS NOT NULL",
    """
    CREATE INDEX alerts_untold ON alerts (rule_id)
        WHERE fired_told_at IS NULL OR (resolved_at IS NOT NULL AND resolved_told_at IS NULL)
    """,
    "CREATE INDEX alerts_to_heal ON alerts (healing_at) WHERE healing_at IS NOT NULL",
    # One row per mail and recipient, so that one who is refused keeps nobody else from it.
    """
    CREATE TABLE alert_notifications (
        notification_id  uuid PRIMARY KEY DEFAULT uuidv7(),
        organization_id  text NOT NULL REFERENCES organizations,
        rule_id          uuid NOT NULL,
        alert_ids        uuid[] NOT NULL,
        -- 0 is who is told first; the others are steps of the escalation.
        step             integer NOT NULL,
        channel          text NOT NULL DEFAULT 'email',
        recipient        text NOT NULL,
        subject          text NOT NULL,
        body             text NOT NULL,
        html             text NOT NULL,
        state            text NOT NULL DEFAULT 'waiting'
                         CHECK (state IN ('waiting', 'sent', 'failed')),
        tries            integer NOT NULL DEFAULT 0,
        next_try_at      timestamptz,
        error            text,
        created_at       timestamptz NOT NULL DEFAULT now(),
        sent_at          timestamptz
    )
    """,
    """
    CREATE INDEX alert_notifications_by_organization
        ON alert_notifications (organization_id, notification_id)
    """,
    """
    CREATE INDEX alert_notifications_due ON alert_notifications (next_try_at)
        WHERE state = 'waiting'
    """,
    "CREATE INDEX alert_notifications_of_alerts ON alert_notifications USING gin (alert_ids)",
    "CREATE INDEX alert_notifications_by_age ON alert_notifications (created_at)",
    # What was done without anybody: the log of an alert, and what the limit per day is counted by.
    """
    CREATE TABLE alert_steps (
        step_id          uuid PRIMARY KEY DEFAULT uuidv7(),
        alert_id         uuid NOT NULL REFERENCES alerts ON DELETE CASCADE,
        organization_id  text NOT NULL REFERENCES organizations,
        station_id       text NOT NULL,
        step             text NOT NULL,
        outcome          text NOT NULL,
        detail           text NOT NULL,
        command_id       uuid,
        taken_at         timestamptz NOT NULL
    )
    """,
    "CREATE INDEX alert_steps_by_alert ON alert_steps (alert_id, step_id)",
    "CREATE INDEX alert_steps_by_station ON alert_steps (station_id, taken_at)",
)


def upgrade() -> None:
    """Change the schema."""
    execute(STATEMENTS)


downgrade = refuse
