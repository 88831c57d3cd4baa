"""Unknown stations, and what stations say otherwise than the specification."""

from shared.store.migrations.statements import execute, refuse

revision = "0004"
down_revision = "0003"

STATEMENTS = (
    # What came to the door under an id that nobody registered. The gateways bound their number.
    """
    CREATE TABLE unknown_stations (
        station_id     text PRIMARY KEY CHECK (length(station_id) BETWEEN 1 AND 48),
        address        text NOT NULL,
        user_agent     text,
        subprotocols   text[] NOT NULL,
        first_seen_at  timestamptz NOT NULL,
        last_seen_at   timestamptz NOT NULL,
        attempts       bigint NOT NULL
    ) WITH (fillfactor = 70)
    """,
    # One row per deviation of a firmware. What a station never told is an empty text, so that the
    # key has no nulls.
    """
    CREATE TABLE quirks (
        quirk_id          uuid PRIMARY KEY DEFAULT uuidv7(),
        vendor            text NOT NULL,
        model             text NOT NULL,
        firmware_version  text NOT NULL,
        ocpp_version      text NOT NULL,
        action            text NOT NULL,
        kind              text NOT NULL,
        member            text NOT NULL,
        count             bigint NOT NULL,
        first_seen_at     timestamptz NOT NULL,
        last_seen_at      timestamptz NOT NULL,
        last_station_id   text NOT NULL,
        example           text NOT NULL,
        UNIQUE (vendor, model, firmware_version, ocpp_version, action, kind, member)
    ) WITH (fillfactor = 70)
    """,
)


def upgrade() -> None:
    """Change the schema."""
    execute(STATEMENTS)


downgrade = refuse
