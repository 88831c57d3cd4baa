"""Stations, their connections and connectors, sessions, meter values, id tokens, commands."""

from shared.store.migrations.statements import execute, refuse

revision = "0001"
down_revision = None

STATEMENTS = (
    # One row per running gateway process. A pod that has not renewed its lease is dead, and the
    # worker puts its stations offline. Redis has leases too, for routing: those may vanish with it.
    """
    CREATE TABLE pods (
        pod_id            text PRIMARY KEY,
        pod_name          text NOT NULL,
        started_at        timestamptz NOT NULL DEFAULT now(),
        lease_expires_at  timestamptz NOT NULL
    )
    """,
    # `epoch` is raised with every connection and fences what an older one still writes.
    # Rows change with each connect and disconnect, so pages keep room for in-page (HOT) updates.
    """
    CREATE TABLE stations (
        station_id            text PRIMARY KEY CHECK (length(station_id) BETWEEN 1 AND 48),
        name                  text,
        security_profile      smallint NOT NULL DEFAULT 1 CHECK (security_profile BETWEEN 0 AND 3),
        password_hash         text,
        registration_status   text NOT NULL DEFAULT 'Accepted'
                              CHECK (registration_status IN ('Accepted', 'Pending', 'Rejected')),
        heartbeat_interval_s  integer CHECK (heartbeat_interval_s > 0),
        ocpp_version          text,
        vendor                text,
        model                 text,
        serial_number         text,
        firmware_version      text,
        iccid                 text,
        imsi                  text,
        booted_at             timestamptz,
        online                boolean NOT NULL DEFAULT false,
        epoch                 bigint NOT NULL DEFAULT 0,
        pod_id                text,
        connection_id         text,
        connected_at          timestamptz,
        disconnected_at       timestamptz,
        created_at            timestamptz NOT NULL DEFAULT now(),
        updated_at            timestamptz NOT NULL DEFAULT now()
    ) WITH (fillfactor = 70)
    """,
    "CREATE INDEX stations_online ON stations (station_id) WHERE online",
    "CREATE INDEX stations_online_by_pod ON stations (pod_id) WHERE online",
    # EVSE 0, connector 0 is the station itself.
    """
    CREATE TABLE connectors (
        station_id         text NOT NULL REFERENCES stations ON DELETE CASCADE,
        evse_id            integer NOT NULL,
        connector_id       integer NOT NULL,
        status             text NOT NULL,
        reported_status    text NOT NULL,
        error_code         text,
        info               text,
        vendor_id          text,
        vendor_error_code  text,
        epoch              bigint NOT NULL,
        reported_at        timestamptz NOT NULL,
        PRIMARY KEY (station_id, evse_id, connector_id)
    ) WITH (fillfactor = 70)
    """,
    # Transaction ids that we make are OCPP integers: 31 bits. They start again when used up; each
    # is unique per station, which the table below holds.
    "CREATE SEQUENCE transaction_ids AS integer MINVALUE 1 CYCLE",
    # No foreign key to stations: a session outlives its station, because it is billed.
    """
    CREATE TABLE sessions (
        session_id             uuid PRIMARY KEY DEFAULT uuidv7(),
        station_id             text NOT NULL,
        evse_id                integer NOT NULL,
        connector_id           integer,
        transaction_id         text NOT NULL,
        transaction_id_issuer  text NOT NULL CHECK (transaction_id_issuer IN ('csms', 'station')),
        ocpp_version           text NOT NULL,
        id_token               text,
        authorization_status   text,
        reservation_id         integer,
        started_at             timestamptz,
        meter_start_wh         numeric,
        ended_at               timestamptz,
        meter_stop_wh          numeric,
        stopped_reason         text,
        end_id_token           text,
        created_at             timestamptz NOT NULL DEFAULT now(),
        updated_at             timestamptz NOT NULL DEFAULT now(),
        UNIQUE (station_id, transaction_id)
    ) WITH (fillfactor = 80)
    """,
    # A retried StartTransaction is the same transaction, and this index is what makes it so.
    """
    CREATE UNIQUE INDEX sessions_started_once
        ON sessions (station_id, evse_id, started_at, id_token, meter_start_wh)
        WHERE transaction_id_issuer = 'csms'
    """,
    "CREATE INDEX sessions_by_station ON sessions (station_id, session_id)",
    "CREATE INDEX sessions_active ON sessions (session_id) WHERE ended_at IS NULL",
    # One row per MeterValue: one instant, all its samples. The key holds a fingerprint of the
    # samples, so that a message told twice is kept once, and two different ones of the same second
    # are both kept. The clock of a station may say anything: what no daily partition takes goes to
    # the default one.
    """
    CREATE TABLE meter_values (
        station_id      text NOT NULL,
        evse_id         integer NOT NULL,
        sampled_at      timestamptz NOT NULL,
        fingerprint     bigint NOT NULL,
        transaction_id  text,
        energy_wh       numeric,
        samples         jsonb NOT NULL,
        received_at     timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (station_id, evse_id, sampled_at, fingerprint)
    ) PARTITION BY RANGE (sampled_at)
    """,
    "CREATE TABLE meter_values_default PARTITION OF meter_values DEFAULT",
    # Days are UTC days. A day that already has rows in the default partition cannot be split off
    # any more, so partitions are made ahead of time, and such a day stays where it is.
    """
    CREATE FUNCTION ensure_meter_value_partitions(first_day date, days integer) RETURNS void
    LANGUAGE plpgsql AS $$
    DECLARE
        day date;
        name text;
    BEGIN
        FOR day IN SELECT first_day + n FROM generate_series(0, days - 1) AS n LOOP
            name := 'meter_values_' || to_char(day, 'YYYYMMDD');
            CONTINUE WHEN to_regclass(name) IS NOT NULL;
            BEGIN
                EXECUTE format(
                    'CREATE TABLE %I PARTITION OF meter_values FOR VALUES FROM (%L) TO (%L)',
                    name,
                    day::timestamp AT TIME ZONE 'UTC',
                    (day + 1)::timestamp AT TIME ZONE 'UTC'
                );
            EXCEPTION WHEN check_violation THEN
                RAISE NOTICE '% stays in the default partition, which has rows of that day', day;
            END;
        END LOOP;
    END
    $$
    """,
    """
    CREATE TABLE id_tokens (
        id_token_key    text PRIMARY KEY,
        id_token        text NOT NULL,
        type            text NOT NULL,
        status          text NOT NULL,
        expires_at      timestamptz,
        group_id_token  text,
        created_at      timestamptz NOT NULL DEFAULT now(),
        updated_at      timestamptz NOT NULL DEFAULT now()
    )
    """,
    """
    CREATE TABLE commands (
        command_id         uuid PRIMARY KEY DEFAULT uuidv7(),
        station_id         text NOT NULL,
        type               text NOT NULL,
        params             jsonb NOT NULL,
        state              text NOT NULL DEFAULT 'queued',
        idempotency_key    text,
        expires_at         timestamptz NOT NULL,
        created_at         timestamptz NOT NULL DEFAULT now(),
        sent_at            timestamptz,
        finished_at        timestamptz,
        pod_id             text,
        status             text,
        response           jsonb,
        error_code         text,
        error_description  text,
        UNIQUE (station_id, idempotency_key)
    ) WITH (fillfactor = 70)
    """,
    "CREATE INDEX commands_by_station ON commands (station_id, command_id)",
    "CREATE INDEX commands_open ON commands (expires_at) WHERE state IN ('queued', 'sent')",
    # What could not be kept where it belongs: rows that Postgres refused, and messages about
    # transactions that nobody knows. Nothing is thrown away.
    """
    CREATE TABLE dead_letters (
        dead_letter_id  uuid PRIMARY KEY DEFAULT uuidv7(),
        station_id      text NOT NULL,
        kind            text NOT NULL,
        reason          text NOT NULL,
        fact            text NOT NULL,
        fingerprint     bigint NOT NULL,
        received_at     timestamptz NOT NULL DEFAULT now(),
        UNIQUE (station_id, kind, fingerprint)
    )
    """,
)


def upgrade() -> None:
    """Change the schema."""
    execute(STATEMENTS)


downgrade = refuse
