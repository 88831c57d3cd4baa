"""Charging profiles and reservations."""

from shared.store.migrations.statements import execute, refuse

revision = "0006"
down_revision = "0005"

STATEMENTS = (
    # What a station has accepted. `profile` is the whole of it, as a document of
    # shared.domain.charging_profiles with its rates as text; what replaces, clears and expires
    # profiles stands beside it. EVSE 0 is the whole station.
    """
    CREATE TABLE charging_profiles (
        station_id           text NOT NULL REFERENCES stations ON DELETE CASCADE,
        charging_profile_id  integer NOT NULL,
        evse_id              integer NOT NULL,
        purpose              text NOT NULL,
        stack_level          integer NOT NULL,
        valid_from           timestamptz,
        valid_to             timestamptz,
        transaction_id       text,
        profile              jsonb NOT NULL,
        command_id           uuid,
        accepted_at          timestamptz NOT NULL,
        PRIMARY KEY (station_id, charging_profile_id)
    )
    """,
    """
    CREATE INDEX charging_profiles_of_transactions ON charging_profiles (station_id)
        WHERE purpose = 'TxProfile'
    """,
    # The last answer to GetCompositeSchedule of each EVSE.
    """
    CREATE TABLE composite_schedules (
        station_id          text NOT NULL REFERENCES stations ON DELETE CASCADE,
        evse_id             integer NOT NULL,
        schedule_start      timestamptz NOT NULL,
        duration_s          integer NOT NULL,
        charging_rate_unit  text NOT NULL,
        periods             jsonb NOT NULL,
        reported_at         timestamptz NOT NULL,
        PRIMARY KEY (station_id, evse_id)
    )
    """,
    # One sequence for all stations: unique per station is what OCPP asks for. Operators' own CALLs
    # bring ids of their own, and the key makes those replace as stations do.
    "CREATE SEQUENCE reservation_ids AS integer MINVALUE 1 CYCLE",
    """
    CREATE TABLE reservations (
        station_id        text NOT NULL REFERENCES stations ON DELETE CASCADE,
        reservation_id    integer NOT NULL,
        state             text NOT NULL DEFAULT 'requested'
                          CHECK (state IN ('requested', 'active', 'rejected', 'cancelled', 'used',
                                           'expired', 'removed')),
        status            text,
        evse_id           integer,
        connector_type    text,
        id_token          text NOT NULL,
        id_token_type     text,
        group_id_token    text,
        expiry_date_time  timestamptz NOT NULL,
        command_id        uuid,
        session_id        uuid,
        idempotency_key   text,
        requested_at      timestamptz NOT NULL DEFAULT now(),
        updated_at        timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (station_id, reservation_id),
        UNIQUE (station_id, idempotency_key)
    ) WITH (fillfactor = 80)
    """,
    """
    CREATE INDEX reservations_open ON reservations (expiry_date_time)
        WHERE state IN ('requested', 'active')
    """,
    # Few sessions have a reservation.
    """
    CREATE INDEX sessions_of_reservations ON sessions (station_id, reservation_id)
        WHERE reservation_id IS NOT NULL
    """,
)


def upgrade() -> None:
    """Change the schema."""
    execute(STATEMENTS)


downgrade = refuse
