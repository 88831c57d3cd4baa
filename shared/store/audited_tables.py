"""What the audit log shows of each table, and what it hides: a word on every column.

`audit_triggers.py` makes triggers of it. A table or a column that nothing is said of is not told of
either, and fails a test.
"""

from shared.store.audited import ITS_OWN_TIMES, TIMES, Audited, each
from shared.store.audited_accounts import ACCOUNTS
from shared.store.audited_notices import ALERTS
from shared.store.audited_reports import NOT_AUDITED_OF_REPORTS, REPORTS
from shared.store.audited_webhooks import NOT_AUDITED_OF_WEBHOOKS, WEBHOOKS

_STATION_TELLS = "the station tells it, or its connection"
_FROM_FACTS = "is worked out from what the station told"
_CALLERS_OWN = "lets a caller repeat a request, and says nothing of its meaning"
_LINK = "names a row that has an entry or a history of its own"

AUDITED: dict[str, Audited] = {
    **ACCOUNTS,
    **ALERTS,
    **REPORTS,
    **WEBHOOKS,
    "stations": Audited(
        resource="stations",
        key=("station_id",),
        shown=(
            *("station_id", "organization_id", "name", "location_id", "security_profile"),
            *("registration_status", "heartbeat_interval_s", "certificate_serial_number"),
        ),
        secret=("password_hash", "new_password_hash"),
        left_out={
            **TIMES,
            **each(
                _STATION_TELLS,
                "ocpp_version vendor model serial_number firmware_version iccid imsi booted_at "
                "boot_reason online epoch pod_id connection_id connected_at disconnected_at "
                "raised_from last_address",
            ),
            **each(
                "is a step of a command, which has its own entry",
                "new_password_command_id new_password_sent_at new_password_accepted_at",
            ),
            "organization_since": "is when organization_id changed",
        },
    ),
    "maintenance_windows": Audited(
        resource="maintenance-windows",
        key=("window_id",),
        shown=("station_id", "evse_id", "starts_at", "ends_at", "note"),
        left_out={**TIMES, "window_id": "is the entry's resource_id"},
    ),
    "unknown_stations": Audited(
        resource="unknown-stations",
        key=("station_id",),
        shown=("station_id", "address"),
        left_out=each(_STATION_TELLS, "user_agent subprotocols attempts")
        | each(ITS_OWN_TIMES, "first_seen_at last_seen_at"),
        created=None,
        changes=False,
    ),
    "quirks": Audited(
        resource="quirks",
        key=("quirk_id",),
        shown=(
            *("vendor", "model", "firmware_version", "ocpp_version", "action", "kind", "member"),
            "count",
        ),
        left_out={
            "quirk_id": "is the entry's resource_id",
            "first_seen_at": _STATION_TELLS,
            "last_seen_at": _STATION_TELLS,
            "last_station_id": _STATION_TELLS,
            "example": "is a message of a station",
        },
        created=None,
        changes=False,
    ),
    "locations": Audited(
        resource="locations",
        key=("location_id",),
        shown=(
            *("location_id", "organization_id", "name"),
            *("allowed_id_tokens", "allowed_group_id_tokens", "free_since", "free_until"),
            "time_zone",
        ),
        left_out=TIMES,
    ),
    "id_tokens": Audited(
        resource="id-tokens",
        key=("id_token",),
        shown=(
            *("id_token", "type", "organization_id", "status", "expires_at", "group_id_token"),
            "max_concurrent_sessions",
        ),
        left_out={**TIMES, "id_token_key": "is the token as it is looked for"},
    ),
    "id_token_groups": Audited(
        resource="id-token-groups",
        key=("group_id_token",),
        shown=("group_id_token", "organization_id", "name", "status", "max_concurrent_sessions"),
        left_out={**TIMES, "group_key": "is the group's token as it is looked for"},
    ),
    "local_lists": Audited(
        resource="local-lists",
        key=("station_id",),
        shown=("enabled", "tokens", "group_id_tokens"),
        left_out={
            "updated_at": ITS_OWN_TIMES,
            "station_id": "is the entry's resource_id",
            "command_id": _LINK,
            **each(
                "is how far the worker has come with what was asked",
                "state version accepted_version reported_version left_out checked_revision "
                "verified_at limits_asked_at max_entries max_entries_per_message failures "
                "last_error next_step_at",
            ),
        },
    ),
    # Those of a batch have one entry together, that of the batch.
    "commands": Audited(
        resource="commands",
        key=("command_id",),
        shown=("station_id", "type", "params", "state", "expires_at"),
        secret=("password_hash",),
        left_out={
            "command_id": "is the entry's resource_id",
            "redacted_params": "stands in place of params, if those hold a secret",
            "idempotency_key": _CALLERS_OWN,
            "batch_id": "commands of batches have no entries of their own",
            "created_at": ITS_OWN_TIMES,
            **each(
                "is what became of the command, which it tells itself",
                "sent_at finished_at pod_id status response error_code error_description "
                "routed_at parked",
            ),
        },
        created="asked",
        rows="{row}.batch_id IS NULL",
    ),
    "command_batches": Audited(
        resource="command-batches",
        key=("batch_id",),
        shown=(
            *("organization_id", "type", "params", "filter", "total", "max_per_s", "expires_at"),
            "cancelled_at",
        ),
        left_out={
            "batch_id": "is the entry's resource_id",
            "created_at": ITS_OWN_TIMES,
            "idempotency_key": _CALLERS_OWN,
            "request_digest": _CALLERS_OWN,
            "unrouted": "is how far the worker has come",
            "pace_at": "is how far the worker has come",
        },
        created="asked",
    ),
    "reservations": Audited(
        resource="reservations",
        key=("station_id", "reservation_id"),
        shown=(
            *("station_id", "reservation_id", "evse_id", "connector_type", "id_token"),
            *("id_token_type", "group_id_token", "expiry_date_time"),
        ),
        left_out={
            "updated_at": ITS_OWN_TIMES,
            "requested_at": ITS_OWN_TIMES,
            "idempotency_key": _CALLERS_OWN,
            "command_id": _LINK,
            "session_id": _LINK,
            "state": "is what became of it",
            "status": "is what became of it",
        },
        created="asked",
    ),
    "firmware_updates": Audited(
        resource="firmware-updates",
        key=("firmware_update_id",),
        shown=(
            *("station_id", "action", "file_id", "retrieve_at", "install_at", "retries"),
            "retry_interval_s",
        ),
        # A URL may hold a password or a signature; the update itself shows the rest of it.
        secret=("location",),
        left_out={
            "firmware_update_id": "is the entry's resource_id",
            "created_at": ITS_OWN_TIMES,
            "idempotency_key": _CALLERS_OWN,
            "command_id": _LINK,
            "request_id": "tells it apart at the station",
            "signing_certificate": "is public, long, and part of the command",
            "signature": "is public, long, and part of the command",
            **each(_STATION_TELLS, "answer_status status status_at ambiguous"),
        },
        created="asked",
    ),
    "log_requests": Audited(
        resource="logs",
        key=("log_request_id",),
        shown=(
            *("station_id", "action", "log_type", "file_id", "since", "until", "retries"),
            "retry_interval_s",
        ),
        secret=("location",),
        left_out={
            "log_request_id": "is the entry's resource_id",
            "created_at": ITS_OWN_TIMES,
            "idempotency_key": _CALLERS_OWN,
            "command_id": _LINK,
            "request_id": "tells it apart at the station",
            **each(_STATION_TELLS, "file_name answer_status status status_at ambiguous"),
        },
        created="asked",
    ),
    "files": Audited(
        resource="files",
        key=("file_id",),
        shown=(
            *("organization_id", "purpose", "name", "station_id", "state", "content_type"),
            *("size_bytes", "sha256", "expires_at"),
        ),
        secret=("storage_key", "upload_key"),
        left_out={
            "file_id": "is the entry's resource_id",
            **each(ITS_OWN_TIMES, "created_at stored_at removed_at"),
            **each("is how an upload goes on", "attempts upload_bytes upload_until"),
        },
    ),
    "jobs": Audited(
        resource="jobs",
        key=("job_id",),
        shown=("organization_id", "task", "cancel_requested_at", "retried_at"),
        left_out={
            **each("is the entry's resource_id, or the queue's own", "job_id queue_id"),
            **each("is who the entry is of", "principal_kind principal_id principal_name"),
            **each(
                "is how far a worker has come",
                "queued_at started_at ended_at tries failures error done_at file_id",
            ),
        },
        created="queued",
        deletes=False,
    ),
    "sessions": Audited(
        resource="sessions",
        key=("session_id",),
        shown=(
            *("review_decision", "review_note", "reviewed_by", "reviewed_reasons"),
            *("reviewed_energy_wh", "reviewed_ended_at", "corrects_energy", "corrects_end"),
        ),
        left_out={
            **TIMES,
            "reviewed_at": ITS_OWN_TIMES,
            "session_id": "is the entry's resource_id",
            "organization_id": "is that of its station when it began, for good",
            **each(
                _STATION_TELLS,
                "station_id evse_id connector_id transaction_id transaction_id_issuer "
                "ocpp_version id_token authorization_status reservation_id started_at "
                "meter_start_wh ended_at meter_stop_wh stopped_reason end_id_token id_token_rank "
                "end_id_token_rank meter_start_rank meter_stop_rank transaction_id_reused "
                "beside_transaction_id quirks at_free_location",
            ),
            **each(
                _FROM_FACTS,
                "settle_at settled_at ended_by end_rule end_rule_at energy_wh energy_method "
                "energy_estimates needs_review review_reasons settle_failures told_as",
            ),
            **each(
                "the session's own history tells it, with both values",
                "bill_at bill_id_token bill_energy_wh bill_started_at bill_ended_at",
            ),
        },
        created=None,
        deletes=False,
    ),
    "dead_letters": Audited(
        resource="dead-letters",
        key=("dead_letter_id",),
        shown=("status", "session_id", "decided_by", "note"),
        left_out={
            "dead_letter_id": "is the entry's resource_id",
            "decided_at": ITS_OWN_TIMES,
            **each(
                _STATION_TELLS,
                "station_id kind reason fact fingerprint received_at transaction_end frame "
                "frame_bytes action ocpp_version only_readings document",
            ),
            **each(
                "is how far a delivery has come", "redelivery replay_at replay_payload delivered_at"
            ),
        },
        created=None,
        deletes=False,
    ),
    "client_certificates": Audited(
        resource="client-certificates",
        key=("client_certificate_id",),
        shown=(
            *("station_id", "origin", "sha256", "issuer", "common_name", "not_after"),
            "revoked_at",
        ),
        left_out={
            "client_certificate_id": "is the entry's resource_id",
            "created_at": ITS_OWN_TIMES,
            "signing_request_id": _LINK,
            "sha1": "says what sha256 says",
        },
    ),
    "certificate_signing_requests": Audited(
        resource="certificate-signing-requests",
        key=("signing_request_id",),
        shown=("state", "reason", "serial_number", "not_after"),
        left_out={
            "signing_request_id": "is the entry's resource_id",
            **each(
                _STATION_TELLS,
                "station_id certificate_type csr fingerprint subject key_type for_both_uses",
            ),
            "certificate_chain": "is public and long; serial_number names it",
            "command_id": _LINK,
            **each("is how far a delivery has come", "deliveries delivery_claimed_at"),
            **each(ITS_OWN_TIMES, "requested_at signed_at answered_at"),
        },
        created=None,
        deletes=False,
    ),
}
"""By table."""

_FACTS = "only what stations tell is written there"

NOT_AUDITED: dict[str, str] = {
    **NOT_AUDITED_OF_REPORTS,
    **NOT_AUDITED_OF_WEBHOOKS,
    "alembic_version": "is the migrations' own",
    "authorization_revision": "is a number that changes of tokens raise",
    "pods": "is written by pods",
    **dict.fromkeys(
        (
            *("procrastinate_jobs", "procrastinate_events", "procrastinate_workers"),
            "procrastinate_periodic_defers",
        ),
        "is the queue's own: jobs have entries of theirs",
    ),
    "write_probes": "is written by pods",
    "wanted_settings": "is worked out from locations, and by the worker",
    "login_attempts": "counts attempts, of whom nobody has signed in",
    "local_list_entries": "is worked out from local_lists and id_tokens",
    "session_history": "is a history itself, and only added to",
    "agreed_security_profiles": "follows from stations.security_profile and from commands",
    "alert_notifications": "is written by the worker, and tells itself who was told",
    "alert_steps": "is a log itself, and only added to",
    "event_outbox": "holds what has happened, until it has a number",
    "events": "tells what has happened, and is only added to",
    "session_updates": "says what events have told of sessions",
    "event_days": "says which numbers events have",
    "charging_profiles": "follows from commands, which have entries",
    **dict.fromkeys(
        (
            *("authorizations", "composite_schedules", "configuration_keys", "connectors"),
            *("connector_status_changes", "firmware_statuses", "installed_certificates"),
            *("log_statuses", "meter_values", "ocpp_log", "security_events"),
            *("station_connections", "station_events", "station_variables"),
            *("transaction_ends", "transaction_events", "transaction_events_of_same_number"),
        ),
        _FACTS,
    ),
}
"""Tables whose changes leave no entries, and why."""
