"""Firmware, logs, files and certificates."""

from shared.store.migrations.statements import execute, refuse

revision = "0007"
down_revision = "0006"

STATEMENTS: tuple[str, ...] = (
    # What stations download from us and upload to us. The row comes first: the content of `awaited`
    # is still to come. Every try to bring it has a place of its own in the storage, kept here
    # before its first byte, so that nothing is left behind when a process ends in between.
    """
    CREATE TABLE files (
        file_id       uuid PRIMARY KEY DEFAULT uuidv7(),
        purpose       text NOT NULL CHECK (purpose IN ('firmware', 'log')),
        name          text NOT NULL,
        station_id    text,
        state         text NOT NULL DEFAULT 'awaited'
                      CHECK (state IN ('awaited', 'stored', 'removed')),
        content_type  text,
        size_bytes    bigint,
        sha256        text,
        storage_key   text,
        attempts      text[] NOT NULL DEFAULT '{}',
        expires_at    timestamptz,
        created_at    timestamptz NOT NULL DEFAULT now(),
        stored_at     timestamptz,
        removed_at    timestamptz
    )
    """,
    "CREATE INDEX files_expiring ON files (expires_at) WHERE state <> 'removed'",
    # For the quota: a sum over what is stored, without reading the rows.
    "CREATE INDEX files_stored ON files (size_bytes) WHERE state = 'stored'",
    # Request ids are integers of 31 bits (OCPP 2.0.1 part 2 §2.1.2), unique in our deployment as
    # long as they do not start again. One sequence for all kinds of requests: stations may not
    # keep those for logs and those for firmware apart.
    "CREATE SEQUENCE request_ids AS integer MINVALUE 1 CYCLE",
    # A request is known by its command, and to the station by `request_id`, which OCPP 1.6's plain
    # UpdateFirmware and GetDiagnostics cannot carry. Rows without a command are what a station told
    # of an update that we did not ask for.
    """
    CREATE TABLE firmware_updates (
        firmware_update_id   uuid PRIMARY KEY DEFAULT uuidv7(),
        station_id           text NOT NULL,
        request_id           integer NOT NULL DEFAULT nextval('request_ids'),
        command_id           uuid UNIQUE,
        file_id              uuid REFERENCES files,
        location             text,
        retrieve_at          timestamptz,
        install_at           timestamptz,
        retries              integer,
        retry_interval_s     integer,
        signing_certificate  text,
        signature            text,
        answer_status        text,
        status               text,
        status_at            timestamptz,
        idempotency_key      text,
        created_at           timestamptz NOT NULL DEFAULT now(),
        UNIQUE (station_id, request_id),
        UNIQUE (station_id, idempotency_key)
    )
    """,
    """
    CREATE INDEX firmware_updates_by_station
        ON firmware_updates (station_id, firmware_update_id)
    """,
    """
    CREATE TABLE firmware_statuses (
        firmware_update_id  uuid NOT NULL REFERENCES firmware_updates ON DELETE CASCADE,
        reported_at         timestamptz NOT NULL,
        status              text NOT NULL,
        PRIMARY KEY (firmware_update_id, reported_at, status)
    )
    """,
    """
    CREATE TABLE log_requests (
        log_request_id    uuid PRIMARY KEY DEFAULT uuidv7(),
        station_id        text NOT NULL,
        request_id        integer NOT NULL DEFAULT nextval('request_ids'),
        command_id        uuid UNIQUE,
        file_id           uuid REFERENCES files,
        log_type          text,
        location          text,
        since             timestamptz,
        until             timestamptz,
        retries           integer,
        retry_interval_s  integer,
        file_name         text,
        answer_status     text,
        status            text,
        status_at         timestamptz,
        idempotency_key   text,
        created_at        timestamptz NOT NULL DEFAULT now(),
        UNIQUE (station_id, request_id),
        UNIQUE (station_id, idempotency_key)
    )
    """,
    "CREATE INDEX log_requests_by_station ON log_requests (station_id, log_request_id)",
    """
    CREATE TABLE log_statuses (
        log_request_id  uuid NOT NULL REFERENCES log_requests ON DELETE CASCADE,
        reported_at     timestamptz NOT NULL,
        status          text NOT NULL,
        PRIMARY KEY (log_request_id, reported_at, status)
    )
    """,
    # The same CSR again is the same request, told again because its certificate did not come.
    """
    CREATE TABLE certificate_signing_requests (
        signing_request_id  uuid PRIMARY KEY DEFAULT uuidv7(),
        station_id          text NOT NULL,
        certificate_type    text NOT NULL,
        csr                 text NOT NULL,
        fingerprint         bigint NOT NULL,
        subject             text,
        key_type            text,
        state               text NOT NULL
                            CHECK (state IN ('pending', 'refused', 'signed', 'accepted',
                                             'rejected', 'undelivered')),
        reason              text,
        certificate_chain   text,
        serial_number       text,
        not_after           timestamptz,
        command_id          uuid,
        deliveries          integer NOT NULL DEFAULT 0,
        delivery_claimed_at timestamptz,
        requested_at        timestamptz NOT NULL,
        signed_at           timestamptz,
        answered_at         timestamptz,
        UNIQUE (station_id, certificate_type, fingerprint)
    )
    """,
    """
    CREATE INDEX certificate_signing_requests_open
        ON certificate_signing_requests (signing_request_id) WHERE state IN ('pending', 'signed')
    """,
    # Hashes and serial numbers are case-insensitive, and stay as the station wrote them.
    """
    CREATE TABLE installed_certificates (
        installed_certificate_id  uuid PRIMARY KEY DEFAULT uuidv7(),
        station_id                text NOT NULL REFERENCES stations ON DELETE CASCADE,
        certificate_type          text NOT NULL,
        hash_algorithm            text NOT NULL,
        issuer_name_hash          text NOT NULL,
        issuer_key_hash           text NOT NULL,
        serial_number             text NOT NULL,
        child_certificates        jsonb NOT NULL DEFAULT '[]',
        told_at                   timestamptz NOT NULL
    )
    """,
    """
    CREATE UNIQUE INDEX installed_certificates_once ON installed_certificates
        (station_id, certificate_type, hash_algorithm, lower(issuer_name_hash),
         lower(issuer_key_hash), lower(serial_number))
    """,
    # Lists begin with what came last, in the order of a key that counts up.
    """
    ALTER TABLE security_events
        ADD COLUMN security_event_id uuid NOT NULL UNIQUE DEFAULT uuidv7()
    """,
    """
    CREATE INDEX security_events_by_station ON security_events (station_id, security_event_id)
    """,
)


def upgrade() -> None:
    """Change the schema."""
    execute(STATEMENTS)


downgrade = refuse
