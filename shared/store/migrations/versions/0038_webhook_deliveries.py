"""Deliveries of events to webhook endpoints, and each request that was made for them."""

from shared.store.migrations.statements import execute, refuse

revision = "0038"
down_revision = "0037"

STATEMENTS = (
    # Without a foreign key: an endpoint with a million of them is removed at once, and they go
    # after it. What an event says stands in `events`, for as long as it is kept.
    """
    CREATE TABLE webhook_deliveries (
        webhook_delivery_id uuid PRIMARY KEY DEFAULT uuidv7(),
        webhook_endpoint_id uuid NOT NULL,
        -- What receivers know it by: the number of the event, or what a test is called.
        event_id text NOT NULL,
        -- Where its event stands; a test has none, but what it says itself.
        number bigint NOT NULL,
        recorded_at timestamptz,
        test_data jsonb,
        type text NOT NULL,
        station_id text,
        -- What is delivered one after another: of a station, or of no station at all. What somebody
        -- asked for by itself has a lane of its own.
        lane text NOT NULL,
        state text NOT NULL DEFAULT 'waiting'
            CHECK (state IN ('waiting', 'delivered', 'failed')),
        attempts integer NOT NULL DEFAULT 0,
        -- In a row, since it was asked for last.
        failures integer NOT NULL DEFAULT 0,
        -- The three days that it is tried for begin there.
        first_attempt_at timestamptz,
        next_attempt_at timestamptz NOT NULL DEFAULT now(),
        finished_at timestamptz,
        created_at timestamptz NOT NULL DEFAULT now(),
        UNIQUE (webhook_endpoint_id, event_id)
    )
    """,
    """
    CREATE INDEX webhook_deliveries_waiting
        ON webhook_deliveries (webhook_endpoint_id, number, webhook_delivery_id)
        WHERE state = 'waiting'
    """,
    # Those that failed and wait to be tried again: the first of each lane at most.
    """
    CREATE INDEX webhook_deliveries_put_off
        ON webhook_deliveries (webhook_endpoint_id, next_attempt_at)
        WHERE state = 'waiting' AND failures > 0
    """,
    """
    CREATE INDEX webhook_deliveries_by_endpoint
        ON webhook_deliveries (webhook_endpoint_id, webhook_delivery_id)
    """,
    """
    CREATE INDEX webhook_deliveries_finished ON webhook_deliveries (finished_at)
        WHERE finished_at IS NOT NULL
    """,
    """
    CREATE TABLE webhook_attempts (
        webhook_delivery_id uuid NOT NULL,
        attempted_at timestamptz NOT NULL,
        seconds double precision NOT NULL,
        status integer,
        error text,
        -- The first KiB of the answer's body.
        answer text,
        PRIMARY KEY (webhook_delivery_id, attempted_at)
    )
    """,
)


def upgrade() -> None:
    """Change the schema."""
    execute(STATEMENTS)


downgrade = refuse
