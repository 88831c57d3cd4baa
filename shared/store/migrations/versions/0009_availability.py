"""When stations were there, planned maintenance, and configuration keys."""

from shared.store.migrations.statements import execute, refuse

revision = "0009"
down_revision = "0008"

STATEMENTS = (
    # When a pod was last known to live, and with it every connection it holds.
    "ALTER TABLE pods ADD COLUMN renewed_at timestamptz NOT NULL DEFAULT now()",
    # One row per connection, from its claim to its end; spans of one station do not overlap.
    """
    CREATE TABLE station_connections (
        station_id       text NOT NULL REFERENCES stations ON DELETE CASCADE,
        epoch            bigint NOT NULL,
        pod_id           text NOT NULL,
        connection_id    text NOT NULL,
        ocpp_version     text NOT NULL,
        connected_at     timestamptz NOT NULL,
        disconnected_at  timestamptz,
        last_heard_at    timestamptz,
        reason           text,
        close_code       integer,
        close_reason     text,
        PRIMARY KEY (station_id, epoch)
    ) WITH (fillfactor = 80)
    """,
    """
    CREATE INDEX station_connections_open ON station_connections (station_id)
        WHERE disconnected_at IS NULL
    """,
    "CREATE INDEX station_connections_by_time ON station_connections (station_id, connected_at)",
    """
    INSERT INTO station_connections (station_id, epoch, pod_id, connection_id, ocpp_version,
                                     connected_at)
    SELECT station_id, epoch, pod_id, connection_id, ocpp_version, connected_at
    FROM stations WHERE online
    """,
    # How connectors were, by our clock: a station's may say anything, and what it did while it was
    # away does not count as available anyway.
    """
    CREATE TABLE connector_status_changes (
        change_id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        station_id       text NOT NULL REFERENCES stations ON DELETE CASCADE,
        evse_id          integer NOT NULL,
        connector_id     integer NOT NULL,
        status           text NOT NULL,
        reported_status  text NOT NULL,
        error_code       text,
        reported_at      timestamptz NOT NULL,
        received_at      timestamptz NOT NULL DEFAULT now()
    )
    """,
    """
    CREATE INDEX connector_status_changes_by_connector
        ON connector_status_changes (station_id, evse_id, connector_id, received_at, change_id)
    """,
    """
    INSERT INTO connector_status_changes (station_id, evse_id, connector_id, status,
                                          reported_status, error_code, reported_at)
    SELECT station_id, evse_id, connector_id, status, reported_status, error_code, reported_at
    FROM connectors
    """,
    """
    CREATE TABLE maintenance_windows (
        window_id   uuid PRIMARY KEY DEFAULT uuidv7(),
        station_id  text NOT NULL REFERENCES stations ON DELETE CASCADE,
        evse_id     integer CHECK (evse_id > 0),
        starts_at   timestamptz NOT NULL,
        ends_at     timestamptz NOT NULL,
        note        text,
        created_at  timestamptz NOT NULL DEFAULT now(),
        updated_at  timestamptz NOT NULL DEFAULT now(),
        CHECK (starts_at < ends_at)
    )
    """,
    "CREATE INDEX maintenance_windows_by_station ON maintenance_windows (station_id, window_id)",
    # Configuration keys of OCPP 1.6 as last told; 2.0.1's stand in station_variables. Letter case
    # does not count in a key (CiString). A key that the station does not know has a row too.
    """
    CREATE TABLE configuration_keys (
        station_id             text NOT NULL REFERENCES stations ON DELETE CASCADE,
        key                    text NOT NULL,
        known                  boolean NOT NULL,
        value                  text,
        read_only              boolean,
        secret                 boolean NOT NULL,
        reboot_required_since  timestamptz,
        told_at                timestamptz NOT NULL
    ) WITH (fillfactor = 80)
    """,
    """
    CREATE UNIQUE INDEX configuration_keys_by_name ON configuration_keys (station_id, lower(key))
    """,
)


def upgrade() -> None:
    """Change the schema."""
    execute(STATEMENTS)


downgrade = refuse
