"""Indexes of tables that grow with what stations say, built while everything goes on.

A migration is one transaction, and an index that is built in one locks out who writes its table
until it is done. These are built beside that (`CREATE INDEX CONCURRENTLY`), after the migrations;
until one is there, what it is for costs more and answers the same.
"""

from shared.store.hosts import Server
from shared.store.sessions.sessions import ENDED_AT, NOT_BILLABLE

# Any number will do, as long as nothing else in the database locks on it.
_BUILDING_LOCK = 6_801_600_202

INDEXES = {
    # What lists and batches of stations go by and few have in common. A station that boots with the
    # words it had changes nothing in them. One that connects or leaves adds to them, as to every
    # index of its row since there is one of those that are online: microseconds beside a handshake.
    "stations_by_model": "stations (vendor, model, station_id)",
    "stations_by_firmware_version": "stations (firmware_version, station_id)",
    # The lists of sessions that are asked for by time are in the order of that time.
    "sessions_by_start": "sessions (started_at, session_id)",
    "sessions_by_end": f"sessions (({ENDED_AT}), session_id)",
    "sessions_by_update": "sessions (updated_at, session_id)",
    # What requests of one organization see; most of an installation are small beside the whole.
    "sessions_by_organization": "sessions (organization_id, started_at, session_id)",
    "sessions_by_token": "sessions (lower(id_token), session_id) WHERE id_token IS NOT NULL",
    "sessions_by_transaction": "sessions (transaction_id, session_id)",
    # Nearly all are billable sooner or later, and a list of these meets them soon.
    "sessions_not_billable": f"sessions (session_id) WHERE {NOT_BILLABLE}",
    "dead_letters_by_time": "dead_letters (received_at, dead_letter_id)",
    "dead_letters_by_status": "dead_letters (status, dead_letter_id)",
    # What alerts look for (`notices/alert_conditions.py`): few of many, or the newest. A connector
    # that comes to be faulted, and one that does so no more, costs an entry in each index of its
    # row; a station that connects one at the end of the third.
    "stations_offline": "stations (disconnected_at) WHERE NOT online",
    "connectors_faulted": "connectors (station_id) WHERE status = 'Faulted'",
    "station_connections_by_start": "station_connections (connected_at)",
    "client_certificates_by_expiry": (
        "client_certificates (not_after) WHERE revoked_at IS NULL AND not_after IS NOT NULL"
    ),
    "commands_of_unknown_outcome": "commands (finished_at) WHERE state = 'unknown'",
    "security_events_by_time": "security_events (received_at, security_event_id)",
    # A batch of commands whatever became of them; most commands are of none.
    "commands_by_batch": "commands (batch_id, command_id) WHERE batch_id IS NOT NULL",
    # Logs are many, and firmware is what one looks for.
    "files_by_purpose": "files (purpose, file_id) WHERE state <> 'removed'",
    "certificate_signing_requests_by_station": (
        "certificate_signing_requests (station_id, signing_request_id)"
    ),
    "certificate_signing_requests_by_state": (
        "certificate_signing_requests (state, signing_request_id)"
    ),
    # What a station's clock has put on days without a partition, which may be all that it says.
    "meter_values_default_by_transaction": (
        "meter_values_default (station_id, evse_id, transaction_id, sampled_at, fingerprint)"
    ),
}
"""What each is on, by its name; one that is to be different needs another name."""


async def build_missing(connection: Server, *, lock_wait_s: float) -> bool:
    """Build the indexes that are not there, or were not finished.

    Args:
        connection: outside of any transaction, and of no use for anything after this.
        lock_wait_s: how long one of them waits for transactions that were there before it.

    Returns:
        False if somebody else builds them now.

    Raises:
        asyncpg.LockNotAvailableError: there is an older transaction for longer.
    """
    # Not waited for: a statement that waits is itself a transaction that building would wait for.
    if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _BUILDING_LOCK):
        return False
    await connection.execute(f"SET lock_timeout = '{max(1, round(1000 * lock_wait_s))}ms'")
    for name, definition in INDEXES.items():
        valid = await connection.fetchval(
            "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)", name
        )
        if valid:
            continue
        if valid is False:
            await connection.execute(f"DROP INDEX CONCURRENTLY {name}")
        await connection.execute(f"CREATE INDEX CONCURRENTLY {name} ON {definition}")
    return True
