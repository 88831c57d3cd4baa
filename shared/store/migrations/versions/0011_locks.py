"""Nobody waits behind a lock: a write that only asks, letters to deliver, quiet partitions."""

from shared.store.migrations.statements import execute, refuse

revision = "0011"
down_revision = "0010"

STATEMENTS = (
    # Whether Postgres takes writes is found out by writing here, where nobody holds a lock.
    """
    CREATE TABLE write_probes (
        probe_id   uuid PRIMARY KEY DEFAULT uuidv7(),
        probed_at  timestamptz NOT NULL DEFAULT now()
    )
    """,
    # A fact that was set aside because of a lock, as the worker can read it again, and what its
    # station was answered: JSON as text, since jsonb refuses NUL.
    "ALTER TABLE dead_letters ADD COLUMN redelivery text",
    """
    CREATE INDEX dead_letters_to_deliver ON dead_letters (dead_letter_id)
        WHERE redelivery IS NOT NULL AND status = 'open'
    """,
    # To make a partition within its parent takes a lock that shuts out who reads or writes any of
    # it. One that is made beside it and attached then takes that lock on nothing but the default
    # partition, which must be shown to have no rows of that day. A lock that somebody holds is not
    # waited for: who waits for it makes everybody wait who comes later.
    """
    CREATE FUNCTION attach_daily_partition(parent text, day date)
    RETURNS boolean LANGUAGE plpgsql SET lock_timeout = '200ms' AS $$
    DECLARE
        name text := parent || '_' || to_char(day, 'YYYYMMDD');
    BEGIN
        IF to_regclass(name) IS NOT NULL THEN
            RETURN true;
        END IF;
        EXECUTE format(
            'CREATE TABLE %I (LIKE %I INCLUDING ALL EXCLUDING IDENTITY)', name, parent
        );
        EXECUTE format(
            'ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
            parent,
            name,
            day::timestamp AT TIME ZONE 'UTC',
            (day + 1)::timestamp AT TIME ZONE 'UTC'
        );
        RETURN true;
    EXCEPTION
        WHEN check_violation THEN
            RAISE NOTICE '% stays in the default partition, which has rows of it', day;
            RETURN true;
        WHEN lock_not_available OR duplicate_table OR unique_violation THEN
            RAISE NOTICE '% is in use, and gets % later', parent, day;
            RETURN false;
    END
    $$
    """,
    # Workers from before this migration call these two.
    """
    CREATE OR REPLACE FUNCTION ensure_meter_value_partitions(first_day date, days integer)
    RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
        FOR n IN 0 .. days - 1 LOOP
            EXIT WHEN NOT attach_daily_partition('meter_values', first_day + n);
        END LOOP;
    END
    $$
    """,
    """
    CREATE OR REPLACE FUNCTION ensure_daily_partitions(parent text, first_day date, days integer)
    RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
        FOR n IN 0 .. days - 1 LOOP
            EXIT WHEN NOT attach_daily_partition(parent, first_day + n);
        END LOOP;
    END
    $$
    """,
)


def upgrade() -> None:
    """Change the schema."""
    execute(STATEMENTS)


downgrade = refuse
