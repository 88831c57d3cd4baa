"""What happens at stations is put into the outbox of events where it is written down.

Sessions are told of by the worker that works them out, which knows what is new. Nothing here is on
a table that meter values or events of transactions are written to.
"""

from shared.store.migrations.statements import execute, refuse

revision = "0036"
down_revision = "0035"

_OUTBOX = (
    "INSERT INTO event_outbox (type, occurred_at, organization_id, location_id, station_id, data)"
)
# Of a station that is there no more: whose it was, nobody knows but who asks.
_WHOSE = "coalesce(station.organization_id, own_organization()), station.location_id"
_STATION = "LEFT JOIN stations AS station ON station.station_id"


def _function(name: str, statement: str) -> str:
    return f"""
    CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        {statement};
        RETURN NULL;
    END
    $$
    """


def _on_new_rows(table: str, function: str) -> str:
    """Return a trigger for what is only added to: one call for all rows of a statement."""
    return f"""
    CREATE TRIGGER tell_of_new_rows AFTER INSERT ON {table}
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION {function}()
    """


def _on_change(table: str, name: str, column: str, condition: str, function: str) -> str:
    """Return a trigger for what is changed.

    By row, as a trigger that is asked about one column alone cannot have the rows of a statement:
    one that had would collect them for every change of the table. Here a row whose column stays as
    it is costs a comparison, and a statement that does not name the column nothing.
    """
    return f"""
    CREATE TRIGGER {name} AFTER UPDATE OF {column} ON {table}
    FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION {function}()
    """


def _progress(function: str, type_: str, requests: str, key: str) -> str:
    return _function(
        function,
        f"""
        {_OUTBOX}
        SELECT '{type_}', told.reported_at, {_WHOSE}, request.station_id,
               jsonb_build_object(
                   '{key}', told.{key}, 'request_id', request.request_id, 'status', told.status,
                   'ambiguous', told.ambiguous)
        FROM new_rows AS told
        JOIN {requests} AS request ON request.{key} = told.{key}
        {_STATION} = request.station_id
        ORDER BY told.reported_at
        """,  # noqa: S608 - names of our own
    )


# What is told of a signing request and of a reservation, of new rows and of one that changed.
_CERTIFICATE = """
    jsonb_build_object(
        'signing_request_id', {row}.signing_request_id,
        'certificate_type', {row}.certificate_type, 'state', {row}.state, 'reason', {row}.reason,
        'serial_number', {row}.serial_number, 'not_after', event_time({row}.not_after))
"""
_RESERVATION = """
    jsonb_build_object(
        'reservation_id', {row}.reservation_id, 'state', {row}.state, 'status', {row}.status,
        'evse_id', {row}.evse_id, 'expires_at', event_time({row}.expiry_date_time),
        'session_id', {row}.session_id)
"""


def _of_rows(type_: str, data: str, condition: str) -> str:
    return f"""
        {_OUTBOX}
        SELECT '{type_}', now(), {_WHOSE}, told.station_id, {data.format(row="told")}
        FROM new_rows AS told {_STATION} = told.station_id
        WHERE {condition}
        """  # noqa: S608 - names of our own


def _of_row(type_: str, data: str) -> str:
    return f"""
        {_OUTBOX}
        SELECT '{type_}', now(), {_WHOSE}, NEW.station_id, {data.format(row="NEW")}
        FROM (SELECT) AS told {_STATION} = NEW.station_id
        """  # noqa: S608 - names of our own


# How many ids that nobody registered are told of in an hour, at most: whoever makes them up must
# not fill the days of events.
_UNKNOWN_PER_HOUR = 200


def _unknown_stations(rows: str) -> str:
    # One that somebody made up mostly does not come again.
    return f"""
        {_OUTBOX}
        SELECT 'station.unknown', told.last_seen_at, 'default', NULL, told.station_id,
               jsonb_build_object(
                   'address', told.address, 'user_agent', told.user_agent,
                   'subprotocols', told.subprotocols, 'attempts', told.attempts,
                   'first_seen_at', event_time(told.first_seen_at))
        FROM {rows}
        ORDER BY told.last_seen_at
        LIMIT {_UNKNOWN_PER_HOUR} - least({_UNKNOWN_PER_HOUR}, (
            SELECT count(*) FROM events
            WHERE type = 'station.unknown' AND recorded_at > now() - interval '1 hour'
        ) + (SELECT count(*) FROM event_outbox WHERE type = 'station.unknown'))
        """  # noqa: S608 - names of our own


STATEMENTS = (
    # What events have told of a session: NULL is nothing; 0 that it began, and so of all that were
    # there before; else the fingerprint of its end.
    "ALTER TABLE sessions ADD COLUMN told_as bigint DEFAULT 0",
    "ALTER TABLE sessions ALTER COLUMN told_as SET DEFAULT NULL",
    # What was told last of each session that goes on.
    """
    CREATE TABLE session_updates (
        session_id  uuid PRIMARY KEY,
        sampled_at  timestamptz NOT NULL,
        told_at     timestamptz NOT NULL DEFAULT now()
    ) WITH (fillfactor = 70)
    """,
    # As the API writes times: UTC, whatever the zone of whoever is connected.
    """
    CREATE FUNCTION event_time(at timestamptz) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
    RETURN to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
    """,
    # Stations that come and go. Their row says whose they are.
    _function(
        "tell_of_connection",
        f"""
        {_OUTBOX}
        VALUES (
            CASE WHEN NEW.online THEN 'station.online' ELSE 'station.offline' END,
            now(), NEW.organization_id, NEW.location_id, NEW.station_id,
            CASE WHEN NEW.online THEN jsonb_build_object(
                'ocpp_version', NEW.ocpp_version, 'connected_at', event_time(NEW.connected_at))
            ELSE jsonb_build_object(
                'ocpp_version', NEW.ocpp_version, 'connected_at', event_time(NEW.connected_at),
                'reason', (SELECT reason FROM station_connections AS span
                           WHERE span.station_id = NEW.station_id ORDER BY epoch DESC LIMIT 1))
            END)
        """,  # noqa: S608 - names of our own
    ),
    _on_change(
        "stations",
        "tell_of_connection",
        "online",
        "OLD.online IS DISTINCT FROM NEW.online",
        "tell_of_connection",
    ),
    _function(
        "tell_of_boot",
        f"""
        {_OUTBOX}
        VALUES (
            'station.booted', NEW.booted_at, NEW.organization_id, NEW.location_id, NEW.station_id,
            jsonb_build_object(
                'vendor', NEW.vendor, 'model', NEW.model, 'serial_number', NEW.serial_number,
                'firmware_version', NEW.firmware_version, 'reason', NEW.boot_reason))
        """,
    ),
    _on_change(
        "stations",
        "tell_of_boot",
        "booted_at",
        "OLD.booted_at IS DISTINCT FROM NEW.booted_at AND NEW.booted_at IS NOT NULL",
        "tell_of_boot",
    ),
    # This table holds changes alone: what is told again is none.
    _function(
        "tell_of_statuses",
        f"""
        {_OUTBOX}
        SELECT kind.type, told.received_at, {_WHOSE}, told.station_id,
               jsonb_build_object(
                   'evse_id', told.evse_id, 'connector_id', told.connector_id,
                   'status', told.status, 'reported_status', told.reported_status,
                   'error_code', told.error_code, 'reported_at', event_time(told.reported_at))
               || CASE WHEN kind.type = 'station.faulted' THEN (
                      SELECT jsonb_build_object('info', min(info), 'vendor_id', min(vendor_id),
                                                'vendor_error_code', min(vendor_error_code))
                      FROM connectors
                      WHERE connectors.station_id = told.station_id
                        AND connectors.evse_id = told.evse_id
                        AND connectors.connector_id = told.connector_id
                  ) ELSE '{{}}' END
        FROM new_rows AS told
        {_STATION} = told.station_id
        CROSS JOIN LATERAL unnest(
            CASE told.status WHEN 'Faulted'
                THEN ARRAY['connector.status_changed', 'station.faulted']
                ELSE ARRAY['connector.status_changed'] END
        ) AS kind (type)
        ORDER BY told.change_id, kind.type
        """,  # noqa: S608 - names of our own
    ),
    _on_new_rows("connector_status_changes", "tell_of_statuses"),
    _progress(
        "tell_of_firmware_statuses",
        "firmware_update.progressed",
        "firmware_updates",
        "firmware_update_id",
    ),
    _on_new_rows("firmware_statuses", "tell_of_firmware_statuses"),
    _progress("tell_of_log_statuses", "log_upload.progressed", "log_requests", "log_request_id"),
    _on_new_rows("log_statuses", "tell_of_log_statuses"),
    _function(
        "tell_of_new_signing_requests", _of_rows("certificate.progressed", _CERTIFICATE, "true")
    ),
    _on_new_rows("certificate_signing_requests", "tell_of_new_signing_requests"),
    _function("tell_of_signing_request", _of_row("certificate.progressed", _CERTIFICATE)),
    _on_change(
        "certificate_signing_requests",
        "tell_of_signing_request",
        "state",
        "OLD.state IS DISTINCT FROM NEW.state",
        "tell_of_signing_request",
    ),
    # What was only asked for has not happened yet.
    _function(
        "tell_of_new_reservations",
        _of_rows("reservation.changed", _RESERVATION, "told.state <> 'requested'"),
    ),
    _on_new_rows("reservations", "tell_of_new_reservations"),
    _function("tell_of_reservation", _of_row("reservation.changed", _RESERVATION)),
    _on_change(
        "reservations",
        "tell_of_reservation",
        "state",
        "(OLD.state, OLD.expiry_date_time, OLD.session_id)"
        " IS DISTINCT FROM (NEW.state, NEW.expiry_date_time, NEW.session_id)",
        "tell_of_reservation",
    ),
    _function(
        "tell_of_command",
        f"""
        {_OUTBOX}
        SELECT 'command.ended', NEW.finished_at, {_WHOSE}, NEW.station_id,
               jsonb_build_object(
                   'command_id', NEW.command_id, 'type', NEW.type, 'state', NEW.state,
                   'status', NEW.status, 'error_code', NEW.error_code,
                   'error_description', NEW.error_description, 'batch_id', NEW.batch_id)
        FROM (SELECT) AS told {_STATION} = NEW.station_id
        """,  # noqa: S608 - names of our own
    ),
    _on_change(
        "commands",
        "tell_of_command",
        "finished_at",
        "OLD.finished_at IS NULL AND NEW.finished_at IS NOT NULL",
        "tell_of_command",
    ),
    _function(
        "tell_of_security_events",
        f"""
        {_OUTBOX}
        SELECT 'security_event.received', told.received_at, {_WHOSE}, told.station_id,
               jsonb_build_object(
                   'security_event_id', told.security_event_id, 'type', told.type,
                   'occurred_at', event_time(told.occurred_at), 'tech_info', told.tech_info)
        FROM new_rows AS told {_STATION} = told.station_id
        ORDER BY told.security_event_id
        """,  # noqa: S608 - names of our own
    ),
    _on_new_rows("security_events", "tell_of_security_events"),
    # For who runs the installation, as the list of quirks is.
    _function(
        "tell_of_quirks",
        f"""
        {_OUTBOX}
        SELECT 'quirk.first_seen', told.first_seen_at, 'default', NULL, told.last_station_id,
               jsonb_build_object(
                   'quirk_id', told.quirk_id, 'kind', told.kind, 'action', told.action,
                   'member', told.member, 'ocpp_version', told.ocpp_version,
                   'vendor', told.vendor, 'model', told.model,
                   'firmware_version', told.firmware_version)
        FROM new_rows AS told
        ORDER BY told.first_seen_at
        """,  # noqa: S608 - names of our own
    ),
    _on_new_rows("quirks", "tell_of_quirks"),
    _function(
        "tell_of_new_unknown_stations",
        _unknown_stations("(SELECT * FROM new_rows WHERE attempts > 1) AS told"),
    ),
    _on_new_rows("unknown_stations", "tell_of_new_unknown_stations"),
    _function(
        "tell_of_unknown_stations",
        _unknown_stations(
            "new_rows AS told JOIN old_rows AS before"
            " ON before.station_id = told.station_id AND before.attempts = 1 AND told.attempts > 1"
        ),
    ),
    """
    CREATE TRIGGER tell_of_changed_rows AFTER UPDATE ON unknown_stations
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION tell_of_unknown_stations()
    """,
)


def upgrade() -> None:
    """Change the schema."""
    execute(STATEMENTS)


downgrade = refuse
