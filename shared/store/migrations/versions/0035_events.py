"""Events: an outbox that they are put into, and a number for each that comes out of it."""

from shared.store.migrations.statements import execute, refuse

revision = "0035"
down_revision = "0034"

STATEMENTS = (
    # Rows stay for a fraction of a second. Their ids tell the order in which they were put, as far
    # as one transaction waits for another; what is told is the number that they get afterwards.
    """
    CREATE TABLE event_outbox (
        outbox_id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        type             text NOT NULL,
        occurred_at      timestamptz NOT NULL DEFAULT now(),
        organization_id  text NOT NULL,
        location_id      text,
        station_id       text,
        data             jsonb NOT NULL,
        put_at           timestamptz NOT NULL DEFAULT now()
    )
    """,
    # Empty as a rule, and never for long: it must not grow with what was there.
    """
    ALTER TABLE event_outbox SET (
        autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
        autovacuum_vacuum_cost_delay = 0
    )
    """,
    # Only ever added to; a day goes by dropping its partition. No foreign keys: an event outlives
    # what it is about.
    """
    CREATE TABLE events (
        number           bigint NOT NULL,
        type             text NOT NULL,
        occurred_at      timestamptz NOT NULL,
        recorded_at      timestamptz NOT NULL,
        organization_id  text NOT NULL,
        location_id      text,
        station_id       text,
        data             jsonb NOT NULL,
        PRIMARY KEY (number, recorded_at)
    ) PARTITION BY RANGE (recorded_at)
    """,
    "CREATE INDEX events_by_station ON events (station_id, number) WHERE station_id IS NOT NULL",
    "CREATE INDEX events_by_location ON events (location_id, number) WHERE location_id IS NOT NULL",
    "CREATE INDEX events_by_organization ON events (organization_id, number)",
    "CREATE INDEX events_by_type ON events (type, number)",
    "CREATE TABLE events_default PARTITION OF events DEFAULT",
    # Which numbers each UTC day has. The newest day holds the last number that was given, which is
    # kept also when all events are gone.
    """
    CREATE TABLE event_days (
        day               date PRIMARY KEY,
        first_number      bigint NOT NULL,
        last_number       bigint NOT NULL,
        last_recorded_at  timestamptz NOT NULL,
        dropped_at        timestamptz
    ) WITH (fillfactor = 50)
    """,
    # The worker that numbers first need not wait for the one that makes partitions.
    "SELECT ensure_daily_partitions('events', (now() AT TIME ZONE 'UTC')::date, 8)",
)


def upgrade() -> None:
    """Change the schema."""
    execute(STATEMENTS)


downgrade = refuse
