"""Which client certificates are whose, and what a station's certificate may be called."""

from shared.store.migrations.statements import execute, refuse

revision = "0015"
down_revision = "0014"

STATEMENTS = (
    # An operator's word: what a station says of itself is no ground to sign anything.
    "ALTER TABLE stations ADD COLUMN certificate_serial_number text",
    """
    CREATE UNIQUE INDEX stations_by_certificate_serial_number
        ON stations (certificate_serial_number)
    """,
    # What stations accepted when they were told to go to another security profile (A05). A table of
    # its own: it is written beside other facts, which lock stations in their order.
    """
    CREATE TABLE agreed_security_profiles (
        station_id        text PRIMARY KEY REFERENCES stations ON DELETE CASCADE,
        security_profile  smallint NOT NULL
    )
    """,
    # Without a type, a certificate is for both uses (OCPP 2.0.1 §1.58.1). Older code takes such a
    # request for one of a ChargingStationCertificate.
    """
    ALTER TABLE certificate_signing_requests
        ADD COLUMN for_both_uses boolean NOT NULL DEFAULT false
    """,
    # One that has a fingerprint is that certificate; one that has none stands for all certificates
    # of an issuer with this common name. What is revoked stays, so that it is known as such.
    """
    CREATE TABLE client_certificates (
        client_certificate_id  uuid PRIMARY KEY DEFAULT uuidv7(),
        station_id             text NOT NULL REFERENCES stations ON DELETE CASCADE,
        origin                 text NOT NULL CHECK (origin IN ('issued', 'pinned', 'migrated')),
        sha256                 text UNIQUE,
        sha1                   text UNIQUE,
        issuer                 text,
        common_name            text,
        not_after              timestamptz,
        signing_request_id     uuid,
        created_at             timestamptz NOT NULL DEFAULT now(),
        revoked_at             timestamptz,
        CHECK (sha256 IS NOT NULL OR sha1 IS NOT NULL OR common_name IS NOT NULL)
    )
    """,
    """
    CREATE INDEX client_certificates_by_station
        ON client_certificates (station_id, client_certificate_id)
    """,
    # What was issued before. SHA-1 is beyond Postgres; who needs it pins the certificate.
    r"""
    INSERT INTO client_certificates
        (station_id, origin, sha256, common_name, not_after, signing_request_id)
    SELECT station_id, 'issued',
           encode(sha256(decode(substring(
               certificate_chain
               FROM '-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----'
           ), 'base64')), 'hex'),
           substring(subject FROM '(?:^|[,+])CN=([^,+\\]*)(?:[,+]|$)'),
           not_after, signing_request_id
    FROM certificate_signing_requests JOIN stations USING (station_id)
    WHERE certificate_chain IS NOT NULL AND certificate_type = 'ChargingStationCertificate'
    ON CONFLICT DO NOTHING
    """,
    # Stations that have come with a certificate whose common name is their id, whoever issued it,
    # go on doing so, unless it is known as another one's. An operator who pins theirs revokes this.
    """
    INSERT INTO client_certificates (station_id, origin, common_name)
    SELECT station_id, 'migrated', station_id FROM stations WHERE security_profile = 3
    """,
)


def upgrade() -> None:
    """Change the schema."""
    execute(STATEMENTS)


downgrade = refuse
