"""OCPP 2.0.1: sessions merged from events; what stations tell about themselves."""

from shared.store.migrations.statements import execute, refuse

revision = "0002"
down_revision = "0001"

STATEMENTS = (
    "ALTER TABLE stations ADD COLUMN boot_reason text",
    # A session of 2.0.1 is the merge of its events in any order. What only one event should tell
    # may be told by several, with other values: then the one with the lowest rank stands, so that
    # it does not matter which came first. `meter_stop_wh` of such a session is its latest register
    # while it goes on. `evse_id` is null until an event tells it, which may be after the start.
    """
    ALTER TABLE sessions
        ALTER COLUMN evse_id DROP NOT NULL,
        ADD COLUMN id_token_rank bigint,
        ADD COLUMN end_id_token_rank bigint,
        ADD COLUMN meter_start_rank bigint,
        ADD COLUMN meter_stop_rank bigint
    """,
    # The key makes an event that is told again harmless, and shows the gaps. The fingerprint tells
    # a repetition from another event under the same number. Meter values stand in their own table:
    # `sampled_from` and `sampled_until` say when those of this event were taken.
    """
    CREATE TABLE transaction_events (
        station_id             text NOT NULL,
        transaction_id         text NOT NULL,
        seq_no                 integer NOT NULL,
        event_type             text NOT NULL,
        occurred_at            timestamptz NOT NULL,
        trigger_reason         text NOT NULL,
        offline                boolean NOT NULL,
        evse_id                integer,
        connector_id           integer,
        id_token               text,
        id_token_type          text,
        authorization_status   text,
        reservation_id         integer,
        remote_start_id        integer,
        charging_state         text,
        time_spent_charging_s  integer,
        stopped_reason         text,
        number_of_phases_used  integer,
        cable_max_current_a    integer,
        sampled_from           timestamptz,
        sampled_until          timestamptz,
        fingerprint            bigint NOT NULL,
        received_at            timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (station_id, transaction_id, seq_no)
    )
    """,
    # What a station says it is made of, as last told.
    """
    CREATE TABLE station_variables (
        station_id           text NOT NULL REFERENCES stations ON DELETE CASCADE,
        component            text NOT NULL,
        component_instance   text,
        evse_id              integer,
        connector_id         integer,
        variable             text NOT NULL,
        variable_instance    text,
        attribute_type       text NOT NULL,
        value                text,
        mutability           text NOT NULL,
        persistent           boolean NOT NULL,
        constant             boolean NOT NULL,
        unit                 text,
        data_type            text,
        min_limit            numeric,
        max_limit            numeric,
        values_list          text,
        supports_monitoring  boolean,
        request_id           integer NOT NULL,
        epoch                bigint NOT NULL,
        generated_at         timestamptz NOT NULL,
        received_at          timestamptz NOT NULL DEFAULT now(),
        UNIQUE NULLS NOT DISTINCT (station_id, component, component_instance, evse_id,
                                   connector_id, variable, variable_instance, attribute_type)
    )
    """,
    # Events outlive their station. Their ids may start again with it, so that time and content
    # belong to the key.
    """
    CREATE TABLE station_events (
        station_id              text NOT NULL,
        occurred_at             timestamptz NOT NULL,
        event_id                integer NOT NULL,
        fingerprint             bigint NOT NULL,
        trigger                 text NOT NULL,
        cause                   integer,
        component               text NOT NULL,
        component_instance      text,
        evse_id                 integer,
        connector_id            integer,
        variable                text NOT NULL,
        variable_instance       text,
        actual_value            text NOT NULL,
        tech_code               text,
        tech_info               text,
        cleared                 boolean,
        transaction_id          text,
        variable_monitoring_id  integer,
        notification_type       text NOT NULL,
        received_at             timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (station_id, occurred_at, event_id, fingerprint)
    )
    """,
    """
    CREATE TABLE security_events (
        station_id   text NOT NULL,
        occurred_at  timestamptz NOT NULL,
        type         text NOT NULL,
        fingerprint  bigint NOT NULL,
        tech_info    text,
        received_at  timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (station_id, occurred_at, type, fingerprint)
    )
    """,
)


def upgrade() -> None:
    """Change the schema."""
    execute(STATEMENTS)


downgrade = refuse
