"""Many rows of every list of the API: what each needs beside one of everything."""

from shared.store.pool import Database
from tests.integration.control.accounts.belongings import Belongings

# `$1` is the station, `$2` how many, the last of which is of now; those before it are a second
# apart. Ids count up with the time at which a row was made, as they do where we make them.
_AT = "now() - ($2 - n) * interval '1 second'"
_ID = "uuidv7(($2 - n) * interval '-1 second')"
_NAME = "lpad(n::text, 5, '0')"
_EACH = "FROM generate_series(1, $2::integer) AS n"

MANY = {
    "/v1/stations": f"""
        INSERT INTO stations (station_id, security_profile, ocpp_version)
        SELECT $1::text || {_NAME}, 0, '1.6' {_EACH}""",
    "/v1/stations/{station_id}/connectors": f"""
        INSERT INTO connectors (station_id, evse_id, connector_id, status, reported_status, epoch,
                                reported_at)
        SELECT $1, 1 + n / 2, 2 + n % 2, 'Available', 'Available', 1, now() {_EACH}""",
    "/v1/stations/{station_id}/commands": f"""
        INSERT INTO commands (command_id, station_id, type, params, expires_at, created_at)
        SELECT {_ID}, $1, 'Reset', '{{}}', now() + interval '1 hour', {_AT} {_EACH}""",
    "/v1/command-batches": f"""
        INSERT INTO command_batches (batch_id, type, params, total, unrouted, max_per_s,
                                     request_digest, expires_at, organization_id, created_at)
        SELECT {_ID}, 'Reset', '{{}}', 1, 0, 1, $1::text, now(), 'default', {_AT} {_EACH}""",
    "/v1/command-batches/{batch_id}/commands": f"""
        INSERT INTO commands (command_id, station_id, type, params, expires_at, created_at, state,
                              batch_id)
        SELECT {_ID}, $1::text || {_NAME}, 'Reset', '{{}}', now(), {_AT},
               (ARRAY['queued', 'accepted', 'expired'])[1 + n % 3], $3::uuid {_EACH}""",
    "/v1/sessions": f"""
        INSERT INTO sessions (session_id, station_id, organization_id, evse_id, transaction_id,
                              transaction_id_issuer, ocpp_version, id_token, started_at, ended_at,
                              created_at, updated_at)
        SELECT {_ID}, $1::text || {_NAME}, 'default', 1, 'many' || n, 'csms', '1.6', 'CARD',
               {_AT}, {_AT}, {_AT}, {_AT} {_EACH}""",
    "/v1/sessions/{session_id}/history": f"""
        INSERT INTO session_history (history_id, session_id, kind, detail, occurred_at)
        SELECT {_ID}, $3::uuid, 'reviewed', jsonb_build_object('note', $1::text), {_AT} {_EACH}""",
    "/v1/stations/{station_id}/meter-values": f"""
        INSERT INTO meter_values (station_id, evse_id, sampled_at, fingerprint, transaction_id,
                                  energy_wh, samples)
        SELECT $1, 1, now() + ($2 - n) * interval '1 ms', n, $3, n, '[]' {_EACH}""",
    "/v1/dead-letters": f"""
        INSERT INTO dead_letters (dead_letter_id, station_id, kind, reason, fact, fingerprint,
                                  received_at)
        SELECT {_ID}, $1, 'Fact', 'reason', 'fact', n, {_AT} {_EACH}""",
    "/v1/security-events": f"""
        INSERT INTO security_events (security_event_id, station_id, occurred_at, type, fingerprint,
                                     received_at)
        SELECT {_ID}, $1, now(), 'StartupOfTheDevice', n, {_AT} {_EACH}""",
    "/v1/ocpp-log": f"""
        INSERT INTO ocpp_log (called_at, station_id, ocpp_version, direction, outcome, pod_id,
                              request)
        SELECT now() - ($2 - n) * interval '1 ms', $1, '1.6', 'from_station', 'CallResult',
               'pod-1', '[]' {_EACH}""",
    "/v1/authorizations": f"""
        INSERT INTO authorizations (decided_at, station_id, id_token, purpose, status, reason,
                                    explanation, source, latency_us, pod_id)
        SELECT now() - ($2 - n) * interval '1 ms', $1, 'CARD', 'authorize', 'Accepted', 'accepted',
               '', 'database', 1, 'pod-1' {_EACH}""",
    "/v1/audit-log": f"""
        INSERT INTO audit.entries (entry_id, occurred_at, organization_id, action, resource,
                                   resource_id, principal_kind, principal_id, principal_name,
                                   principal_organization_id)
        SELECT {_ID}, now() - ($2 - n) * interval '1 ms', 'default', 'create', 'stations', $1,
               'user', 'one', 'one', 'default' {_EACH}""",
    "/v1/stations/{station_id}/connections": f"""
        INSERT INTO station_connections (station_id, epoch, pod_id, connection_id, ocpp_version,
                                         connected_at, disconnected_at)
        SELECT $1, 1 + n, 'pod-1', n::text, '1.6', {_AT}, {_AT} {_EACH}""",
    "/v1/stations/{station_id}/maintenance-windows": f"""
        INSERT INTO maintenance_windows (window_id, station_id, starts_at, ends_at)
        SELECT {_ID}, $1, {_AT}, {_AT} + interval '1 second' {_EACH}""",
    "/v1/stations/{station_id}/configuration": f"""
        INSERT INTO configuration_keys (station_id, key, known, value, secret, told_at)
        SELECT $1, 'Key' || {_NAME}, true, '7', false, now() {_EACH}""",
    "/v1/id-tokens": f"""
        INSERT INTO id_tokens (id_token_key, id_token, type, status)
        SELECT lower($1 || {_NAME}), $1 || {_NAME}, 'ISO14443', 'Accepted' {_EACH}""",
    "/v1/id-token-groups": f"""
        INSERT INTO id_token_groups (group_key, group_id_token, status)
        SELECT lower($1 || {_NAME}), $1 || {_NAME}, 'Accepted' {_EACH}""",
    "/v1/locations": f"""
        INSERT INTO locations (location_id) SELECT $1::text || {_NAME} {_EACH}""",
    "/v1/stations/{station_id}/local-list/entries": f"""
        INSERT INTO local_list_entries (station_id, id_token_key, id_token, type, status)
        SELECT $1, 'card' || {_NAME}, 'CARD' || {_NAME}, 'ISO14443', 'Accepted' {_EACH}""",
    "/v1/stations/{station_id}/charging-profiles": """
        INSERT INTO charging_profiles (station_id, charging_profile_id, evse_id, purpose,
                                       stack_level, profile, accepted_at)
        SELECT station_id, 1 + n, evse_id, purpose, n,
               profile || jsonb_build_object('charging_profile_id', 1 + n), accepted_at
        FROM charging_profiles, generate_series(1, $2::integer) AS n WHERE station_id = $1""",
    "/v1/stations/{station_id}/reservations": f"""
        INSERT INTO reservations (station_id, reservation_id, state, id_token, expiry_date_time,
                                  requested_at)
        SELECT $1, 100 + n, 'active', 'CARD', now() + interval '1 hour', {_AT} {_EACH}""",
    "/v1/unknown-stations": f"""
        INSERT INTO unknown_stations (station_id, address, subprotocols, first_seen_at,
                                      last_seen_at, attempts)
        SELECT 'new-' || $1::text || {_NAME}, '127.0.0.1', '{{}}', {_AT}, {_AT}, 1 {_EACH}""",
    "/v1/quirks": f"""
        INSERT INTO quirks (quirk_id, vendor, model, firmware_version, ocpp_version, action, kind,
                            member, count, first_seen_at, last_seen_at, last_station_id, example)
        SELECT {_ID}, {_NAME}, '', '', '1.6', '', 'additional_member', '', 1, {_AT}, {_AT}, $1, ''
        {_EACH}""",
    "/v1/stations/{station_id}/firmware-updates": f"""
        INSERT INTO firmware_updates (firmware_update_id, station_id, location, created_at)
        SELECT {_ID}, $1, 'https://files.example.com/f', {_AT} {_EACH}""",
    "/v1/stations/{station_id}/logs": f"""
        INSERT INTO log_requests (log_request_id, station_id, location, created_at)
        SELECT {_ID}, $1, 'https://files.example.com/l', {_AT} {_EACH}""",
    "/v1/files": f"""
        INSERT INTO files (file_id, purpose, name, organization_id, created_at)
        SELECT {_ID}, CASE WHEN n % 20 = 0 THEN 'firmware' ELSE 'log' END, $1, 'default', {_AT}
        {_EACH}""",
    "/v1/stations/{station_id}/certificates": f"""
        INSERT INTO installed_certificates (station_id, certificate_type, hash_algorithm,
                                            issuer_name_hash, issuer_key_hash, serial_number,
                                            told_at)
        SELECT $1, 'V2GRootCertificate', 'SHA256', 'ab', 'cd', n::text, now() {_EACH}""",
    "/v1/certificate-signing-requests": f"""
        INSERT INTO certificate_signing_requests (signing_request_id, station_id, certificate_type,
                                                  csr, fingerprint, state, requested_at)
        SELECT {_ID}, $1, 'ChargingStationCertificate', '', 1 + n,
               (ARRAY['pending', 'refused', 'accepted'])[1 + n % 3], {_AT} {_EACH}""",
    "/v1/stations/{station_id}/client-certificates": f"""
        INSERT INTO client_certificates (client_certificate_id, station_id, origin, common_name,
                                         sha256)
        SELECT {_ID}, $1, 'pinned', $1, md5(n::text) {_EACH}""",
    "/v1/api-keys": f"""
        INSERT INTO api_keys (api_key_id, organization_id, name, prefix, key_hash, scopes,
                              created_by)
        SELECT {_ID}, 'default', {_NAME}, {_NAME}, convert_to($1::text || n, 'UTF8'), '{{}}', ''
        {_EACH}""",
    "/v1/organizations": f"""
        INSERT INTO organizations (organization_id, parent_id, name)
        SELECT $1::text || {_NAME}, 'default', {_NAME} {_EACH}""",
    "/v1/users": f"""
        INSERT INTO users (user_id, organization_id, email, email_key, name, role)
        SELECT {_ID}, 'default', {_NAME}, {_NAME} || $1::text, {_NAME}, 'viewer' {_EACH}""",
}
"""By the list, what gives it many rows; a station's meter values are of a session as well."""

_OF = {
    "/v1/command-batches/{batch_id}/commands": "batch_id",
    "/v1/sessions/{session_id}/history": "session_id",
}


async def make_many(db: Database, things: Belongings, *, count: int) -> None:
    """Give every list so many rows more.

    Args:
        db: the pool.
        things: what a list below a station, a session or a batch belongs to.
        count: how many of each.
    """
    async with db.acquire() as connection, connection.transaction():
        for path, statement in MANY.items():
            more: tuple[object, ...] = ()
            if "$3" in statement:
                more = (things.ids[_OF[path]] if path in _OF else things.mark,)
            await connection.execute(statement, things.ids["station_id"], count, *more)
        await connection.execute(
            "UPDATE command_batches SET total = total + $2 WHERE batch_id = $1",
            things.ids["batch_id"],
            count,
        )
    await db.execute("ANALYZE")
