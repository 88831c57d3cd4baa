"""An operator, a site host below it, a stranger, and one of everything that may belong to one."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias
from uuid import uuid4

import httpx

from shared.domain.accounts.permissions import EVERYTHING
from shared.store.pool import Database

OPERATOR, HOST, STRANGER = "operator", "host", "stranger"
PARENTS = {OPERATOR: "default", HOST: OPERATOR, STRANGER: "default"}


Keys: TypeAlias = dict[str, dict[str, str]]
"""By organization, the headers of its requests."""


async def make_organizations(client: httpx.AsyncClient) -> Keys:
    """Make the organizations, and for each an API key that may do everything."""
    keys = {}
    for organization_id, parent_id in PARENTS.items():
        body = {"organization_id": organization_id, "parent_id": parent_id, "name": "one"}
        made = await client.post("/v1/organizations", json=body)
        assert made.is_success, made.text
        key = await client.post(
            "/v1/api-keys",
            json={
                "name": "key",
                "scopes": sorted(EVERYTHING),
                "organization_id": organization_id,
            },
        )
        keys[organization_id] = {"Authorization": f"Bearer {key.json()['key']}"}
    return keys


@dataclass
class Belongings:
    """One of everything; `ids` are the parameters of paths, by their names there."""

    mark: str
    ids: dict[str, str] = field(default_factory=dict)

    @property
    def names(self) -> Iterable[str]:
        """What must not be seen by others: all but small numbers."""
        return {self.mark, *(each for each in self.ids.values() if len(each) > 3)}


ABSENT = Belongings(
    "absent",
    {
        "station_id": "CP-absent",
        "location_id": "LOC-absent",
        "id_token": "TOKEN-absent",
        "group_id_token": "GROUP-absent",
        "organization_id": "ORG-absent",
        "evse_id": "1",
        "event_id": "999",
        "reservation_id": "999",
        **dict.fromkeys(
            (
                "command_id",
                "batch_id",
                "session_id",
                "dead_letter_id",
                "window_id",
                "quirk_id",
                "firmware_update_id",
                "log_request_id",
                "file_id",
                "signing_request_id",
                "client_certificate_id",
                "user_id",
                "api_key_id",
                "entry_id",
                "job_id",
                "report_id",
                "run_id",
                "webhook_endpoint_id",
                "webhook_delivery_id",
                "rule_id",
                "alert_id",
            ),
            "01980000-0000-7000-8000-000000000000",
        ),
    },
)
"""Parameters of what there is not. A new parameter of a path needs an example here and below."""

# `$1` is the organization, `$2` what marks what is its own.
_OF_ORGANIZATION = {
    "user_id": """
        INSERT INTO users (organization_id, email, email_key, name, role)
        VALUES ($1, $2 || '@example.com', $2 || '@example.com', $2, 'viewer') RETURNING user_id""",
    "api_key_id": """
        INSERT INTO api_keys (organization_id, name, prefix, key_hash, scopes, created_by)
        VALUES ($1, $2, $2, convert_to($2, 'UTF8'), '{}', $2) RETURNING api_key_id""",
    "job_id": """
        SELECT defer_job($2, '{}', $1, NULL, NULL, NULL)""",
    "report_id": """
        INSERT INTO reports (organization_id, name, resource, period, time_zone, format)
        VALUES ($1, $2, 'sessions', 'yesterday', 'UTC', 'csv') RETURNING report_id""",
    "run_id": """
        INSERT INTO report_runs (report_id, job_id, due_at, since, until)
        SELECT report_id, report_id, now(), now(), now() FROM reports
        WHERE organization_id = $1 AND name = $2 RETURNING run_id""",
    "webhook_endpoint_id": """
        WITH made AS (
            INSERT INTO webhook_endpoints (organization_id, url, description, api_version)
            VALUES ($1, 'https://example.com/' || $2, $2, 'v1') RETURNING *
        ), signed AS (
            INSERT INTO webhook_secrets (webhook_endpoint_id, organization_id, secret)
            SELECT webhook_endpoint_id, organization_id, $2 FROM made
        )
        INSERT INTO webhook_progress (webhook_endpoint_id, number)
        SELECT webhook_endpoint_id, 0 FROM made RETURNING webhook_endpoint_id""",
    "webhook_delivery_id": """
        WITH made AS (
            INSERT INTO webhook_deliveries (webhook_endpoint_id, event_id, number, test_data, type,
                                            lane)
            SELECT webhook_endpoint_id, $2, 0, jsonb_build_object('note', $2::text), $2, $2
            FROM webhook_endpoints WHERE organization_id = $1 AND description = $2 RETURNING *
        )
        INSERT INTO webhook_attempts (webhook_delivery_id, attempted_at, seconds, answer)
        SELECT webhook_delivery_id, now(), 1, $2 FROM made RETURNING webhook_delivery_id""",
    "rule_id": """
        INSERT INTO alert_rules (organization_id, name, kind, parameters, severity,
                                 grouping_interval_s, resolve_after_s)
        VALUES ($1, $2, 'station_offline', '{"longer_than_s": 60}', 'info', 60, 60)
        RETURNING rule_id""",
    "alert_id": """
        INSERT INTO alerts (organization_id, rule_id, rule_name, kind, severity, subject, fired_at,
                            station_id, resolve_after_s)
        VALUES ($1, uuidv7(), $2, 'station_offline', 'info', $2, now(), $2, 60)
        RETURNING alert_id""",
    "entry_id": """
        INSERT INTO audit.entries (organization_id, action, resource, resource_id, principal_kind,
                                   principal_id, principal_name, principal_organization_id)
        VALUES ($1, 'create', 'stations', $2, 'user', $2, $2, $1) RETURNING entry_id""",
}
# `$1` is the station, `$2` what marks what is told of it.
_OF_STATION: dict[str, str] = {
    "command_id": """
        INSERT INTO commands (station_id, type, params, expires_at, batch_id)
        VALUES ($1, 'Reset', jsonb_build_object('note', $2::text), now() + interval '1 hour', $3)
        RETURNING command_id""",
    "session_id": """
        INSERT INTO sessions (station_id, organization_id, evse_id, transaction_id,
                              transaction_id_issuer, ocpp_version, id_token, started_at,
                              needs_review, review_reasons)
        SELECT station_id, organization_id, 1, $2, 'csms', '1.6', $2, now(), true, '{end_missing}'
        FROM stations WHERE station_id = $1 RETURNING session_id""",
    "dead_letter_id": """
        INSERT INTO dead_letters (station_id, kind, reason, fact, fingerprint)
        VALUES ($1, 'MeterValuesReported', $2, '{}', 1) RETURNING dead_letter_id""",
    "window_id": """
        INSERT INTO maintenance_windows (station_id, starts_at, ends_at, note)
        VALUES ($1, now(), now() + interval '1 hour', $2) RETURNING window_id""",
    "reservation_id": """
        INSERT INTO reservations (station_id, reservation_id, state, id_token, expiry_date_time)
        VALUES ($1, 7, 'active', $2, now() + interval '1 hour') RETURNING reservation_id""",
    "event_id": """
        WITH day AS (
            INSERT INTO event_days (day, first_number, last_number, last_recorded_at)
            VALUES ((now() AT TIME ZONE 'UTC')::date, 1000, 1000, now())
            ON CONFLICT (day) DO UPDATE SET last_number = event_days.last_number + 1
            RETURNING last_number
        )
        INSERT INTO events (number, type, occurred_at, recorded_at, organization_id, station_id,
                            data)
        SELECT last_number, 'station.booted', now(), now(), organization_id, station_id,
               jsonb_build_object('serial_number', $2::text)
        FROM day, stations WHERE station_id = $1 RETURNING number""",
    "firmware_update_id": """
        INSERT INTO firmware_updates (station_id, location) VALUES ($1, $2)
        RETURNING firmware_update_id""",
    "log_request_id": """
        INSERT INTO log_requests (station_id, location) VALUES ($1, $2) RETURNING log_request_id""",
    "signing_request_id": """
        INSERT INTO certificate_signing_requests (station_id, certificate_type, csr, fingerprint,
                                                  state, requested_at)
        VALUES ($1, 'ChargingStationCertificate', $2, 1, 'pending', now())
        RETURNING signing_request_id""",
    "client_certificate_id": """
        INSERT INTO client_certificates (station_id, origin, common_name, sha256)
        VALUES ($1, 'pinned', $2, md5($2)) RETURNING client_certificate_id""",
}
_TOLD = (
    """INSERT INTO installed_certificates (station_id, certificate_type, hash_algorithm,
           issuer_name_hash, issuer_key_hash, serial_number, told_at)
       VALUES ($1, 'V2GRootCertificate', 'SHA256', $2, $2, $2, now())""",
    """INSERT INTO ocpp_log (called_at, entry_id, station_id, ocpp_version, direction, outcome,
                             pod_id, request)
       VALUES (now(), DEFAULT, $1, '1.6', 'from_station', 'ok', 'pod-1', $2)""",
    """INSERT INTO authorizations (decided_at, station_id, id_token, purpose, status, reason,
                                   explanation, source, latency_us, pod_id)
       VALUES (now(), $1, $2, 'authorize', 'Accepted', 'accepted', $2, 'database', 1, 'pod-1')""",
    """INSERT INTO security_events (station_id, occurred_at, type, fingerprint, tech_info)
       VALUES ($1, now(), 'SettingSystemTime', 1, $2)""",
    """INSERT INTO configuration_keys (station_id, key, known, value, secret, told_at)
       VALUES ($1, 'Key', true, $2, false, now())""",
    """INSERT INTO connectors (station_id, evse_id, connector_id, status, reported_status, epoch,
                               reported_at, info)
       VALUES ($1, 1, 1, 'Available', 'Available', 1, now(), $2)""",
    """INSERT INTO station_connections (station_id, epoch, pod_id, connection_id, ocpp_version,
                                        connected_at)
       VALUES ($1, 1, 'pod-1', $2, '1.6', now())""",
    """INSERT INTO local_lists (station_id, enabled, last_error) VALUES ($1, true, $2)""",
    """INSERT INTO local_list_entries (station_id, id_token_key, id_token, type, status)
       VALUES ($1, lower($2), $2, 'ISO14443', 'Accepted')""",
    """INSERT INTO meter_values (station_id, evse_id, sampled_at, fingerprint, transaction_id,
                                 energy_wh, samples)
       VALUES ($1, 1, now(), 1, $2, 1, '[]')""",
    """INSERT INTO charging_profiles (station_id, charging_profile_id, evse_id, purpose,
                                      stack_level, profile, accepted_at)
       VALUES ($1, 1, 0, 'ChargingStationMaxProfile', 0, jsonb_build_object(
                   'charging_profile_id', 1, 'stack_level', 0, 'transaction_id', $2::text,
                   'purpose', 'ChargingStationMaxProfile', 'kind', 'Absolute',
                   'charging_schedule', jsonb_build_object(
                       'charging_rate_unit', 'W',
                       'periods', '[{"start_period_s": 0, "limit": "1000.0"}]'::jsonb)), now())""",
    """INSERT INTO unknown_stations (station_id, address, subprotocols, first_seen_at, last_seen_at,
                                     attempts)
       VALUES ('unknown-' || $2, $1, '{}', now(), now(), 1)""",
)


async def make_belongings(db: Database, organization_id: str, mark: str) -> Belongings:
    """Give an organization one of everything, all of it with `mark` somewhere."""
    found = Belongings(mark)
    station_id = f"CP-{mark}"
    async with db.acquire() as connection, connection.transaction():
        await connection.execute(
            "INSERT INTO locations (location_id, organization_id) VALUES ($1, $2)",
            f"LOC-{mark}",
            organization_id,
        )
        await connection.execute(
            """
            INSERT INTO stations (station_id, organization_id, name, security_profile, ocpp_version)
            VALUES ($1, $2, $1, 0, '1.6')
            """,
            station_id,
            organization_id,
        )
        await connection.execute(
            """
            INSERT INTO id_tokens (id_token_key, id_token, type, status, organization_id)
            VALUES (lower($1), $1, 'ISO14443', 'Accepted', $2)
            """,
            f"TOKEN-{mark}",
            organization_id,
        )
        await connection.execute(
            """
            INSERT INTO id_token_groups (group_key, group_id_token, status, organization_id)
            VALUES (lower($1), $1, 'Accepted', $2)
            """,
            f"GROUP-{mark}",
            organization_id,
        )
        await connection.execute(
            "INSERT INTO organizations (organization_id, parent_id, name) VALUES ($1, $2, $1)",
            f"ORG-{mark}",
            organization_id,
        )
        file_id = await connection.fetchval(
            """
            INSERT INTO files (purpose, name, organization_id) VALUES ('firmware', $1, $2)
            RETURNING file_id
            """,
            mark,
            organization_id,
        )
        batch_id = await connection.fetchval(
            """
            INSERT INTO command_batches (type, params, total, unrouted, max_per_s, request_digest,
                                         expires_at, organization_id)
            VALUES ('Reset', jsonb_build_object('note', $1::text), 1, 0, 1, '', now(), $2)
            RETURNING batch_id
            """,
            mark,
            organization_id,
        )
        quirk_id = await connection.fetchval(
            """
            INSERT INTO quirks (quirk_id, vendor, model, firmware_version, ocpp_version, action,
                                kind, member, count, first_seen_at, last_seen_at, last_station_id,
                                example)
            VALUES ($3, $2, '', '', '1.6', '', 'additional_member', '', 1, now(), now(), $1, $2)
            RETURNING quirk_id
            """,
            station_id,
            mark,
            uuid4(),
        )
        found.ids = {
            "station_id": station_id,
            "location_id": f"LOC-{mark}",
            "id_token": f"TOKEN-{mark}",
            "group_id_token": f"GROUP-{mark}",
            "organization_id": f"ORG-{mark}",
            "evse_id": "1",
            "file_id": str(file_id),
            "batch_id": str(batch_id),
            "quirk_id": str(quirk_id),
        }
        for name, statement in _OF_ORGANIZATION.items():
            found.ids[name] = str(await connection.fetchval(statement, organization_id, mark))
        for name, statement in _OF_STATION.items():
            more = (batch_id,) if "$3" in statement else ()
            found.ids[name] = str(await connection.fetchval(statement, station_id, mark, *more))
        await connection.execute(
            """
            INSERT INTO session_history (session_id, kind, detail)
            VALUES ($1, 'reviewed', jsonb_build_object('note', $2::text))
            """,
            found.ids["session_id"],
            mark,
        )
        for statement in _TOLD:
            await connection.execute(statement, station_id, mark)
    return found
