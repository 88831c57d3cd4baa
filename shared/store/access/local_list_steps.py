"""Local authorization lists: which of them have something to do, and what they are to hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import asyncpg

from shared.domain.access.local_lists import (
    OCPP_16_ID_TAG_MAX_LENGTH,
    LocalList,
    LocalListEntry,
    TokenSelection,
    to_entry,
)
from shared.domain.access.tokens import KEY_SUFFIXES, AuthorizationStatus, IdToken, IdTokenType
from shared.domain.commands import CommandState
from shared.store.access.local_list_limits import SWITCHED_OFF
from shared.store.access.local_lists import LIST_COLUMNS, to_local_list
from shared.store.access.locations import ORGANIZATIONS_ABOVE
from shared.store.pool import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class DueList:
    """A list with something to do, and what there is to know for it.

    `needs_verifying` says that the station booted since its version was asked for, or that this is
    long ago. The rest is the outcome of `local_list.command_id`, if there is one.
    """

    local_list: LocalList
    ocpp_version: str
    needs_verifying: bool
    needs_limits: bool
    command_type: str | None
    command_state: CommandState | None
    command_response: dict[str, Any] | None
    command_error_code: str | None
    command_error: str | None


_DUE = f"""
    WITH due AS (
        SELECT list.station_id, station.ocpp_version,
               coalesce(list.verified_at < greatest(station.booted_at,
                                                    now() - make_interval(secs => $3)), true)
               AS needs_verifying,
               coalesce(list.limits_asked_at < station.booted_at, true) AS needs_limits,
               command.type AS command_type, command.state AS command_state,
               command.response AS command_response,
               command.error_code AS command_error_code,
               coalesce(command.error_description, command.error_code) AS command_error
        FROM local_lists AS list
        JOIN stations AS station USING (station_id)
        CROSS JOIN authorization_revision
        LEFT JOIN commands AS command USING (command_id)
        WHERE list.enabled AND list.next_step_at <= now()
          AND station.online AND station.registration_status = 'Accepted'
          AND station.booted_at IS NOT NULL
          AND coalesce(command.state, '') NOT IN ('queued', 'sent')
          AND (list.command_id IS NOT NULL
               OR coalesce(list.verified_at < greatest(station.booted_at,
                                                       now() - make_interval(secs => $3)), true)
               OR (list.state IN ('unverified', 'outdated', 'updating')
                   OR list.state = 'in_step'
                   AND list.checked_revision IS DISTINCT FROM authorization_revision.revision)
               AND NOT ({SWITCHED_OFF}))
        ORDER BY list.next_step_at LIMIT $1
        FOR UPDATE OF list SKIP LOCKED
    )
    UPDATE local_lists AS list
    SET next_step_at = now() + make_interval(secs => $2)
    FROM due WHERE list.station_id = due.station_id
    RETURNING {LIST_COLUMNS}, ocpp_version, needs_verifying, needs_limits, command_type,
              command_state, command_response, command_error_code, command_error
"""  # noqa: S608 - column names of a dataclass, and a condition of our own


async def claim_due(
    db: Database, *, limit: int, claim_s: float, verify_interval_s: float
) -> list[DueList]:
    """Take lists of stations that are online and have something to do.

    Args:
        db: the pool.
        limit: how many at most, those that wait for the longest time first.
        claim_s: for so long nobody else takes them; if whoever did dies, they are due again then.
        verify_interval_s: a version that was not asked for during this time is asked for again.
    """
    records = await db.fetch(_DUE, limit, claim_s, verify_interval_s)
    return [
        DueList(
            local_list=to_local_list(record),
            ocpp_version=record["ocpp_version"] or "",
            needs_verifying=record["needs_verifying"],
            needs_limits=record["needs_limits"],
            command_type=record["command_type"],
            command_state=record["command_state"] and CommandState(record["command_state"]),
            command_response=record["command_response"],
            command_error_code=record["command_error_code"],
            command_error=record["command_error"],
        )
        for record in records
    ]


async def note_step(
    db: Database,
    local_list: LocalList,
    changes: Mapping[str, Any],
    *,
    now: Sequence[str] = (),
    delay_s: float = 0.0,
) -> bool:
    """Keep what the worker did with a list.

    Args:
        db: the pool.
        local_list: as it was claimed.
        changes: column to new value.
        now: columns that are now.
        delay_s: the next step is not due sooner.

    Returns:
        False if the list has changed since it was claimed, as by an operator; then nothing is kept.
    """
    assignments = [f"{column} = ${i}" for i, column in enumerate(changes, start=4)]
    assignments += [f"{column} = now()" for column in (*now, "updated_at")]
    tag = await db.execute(
        f"""
        UPDATE local_lists
        SET next_step_at = now() + make_interval(secs => $2), {", ".join(assignments)}
        WHERE station_id = $1 AND updated_at = $3
        """,  # noqa: S608 - columns are named by our own code, the values are parameters
        local_list.station_id,
        delay_s,
        local_list.updated_at,
        *changes.values(),
    )
    return tag == "UPDATE 1"


@dataclass(frozen=True, slots=True)
class WantedEntries:
    """What a list is to hold, how many tokens find no room in it, and as of which revision."""

    entries: list[LocalListEntry]
    left_out: int
    revision: int


# A list of OCPP 1.6 has each text once: it is that of the card, or of the only token that has it.
# Tokens that may charge come first, if there is not room for all. Who may not charge at the
# station's location is left out, so that the station asks. At one that is free for all the list
# holds nobody whom a station that is offline would have to refuse (1.6 §3.5.4, 2.0.1 C13.FR.06):
# who is not in it is unknown, and may charge.
_WANTED = f"""
    SELECT token.id_token, token.type, token.status, token.expires_at, token.group_id_token,
           token.max_concurrent_sessions, token.organization_id, token.created_at,
           token.updated_at,
           rules.status AS group_status, count(*) OVER () AS found
    FROM id_tokens AS token
    CROSS JOIN (SELECT coalesce(allowed_id_tokens, '{{}}') AS id_tokens,
                       coalesce(allowed_group_id_tokens, '{{}}') AS groups,
                       {ORGANIZATIONS_ABOVE.format(organization_id="stations.organization_id")}
                       AS organizations,
                       free_since IS NOT NULL AND free_until IS NULL AS free
                FROM stations LEFT JOIN locations USING (location_id)
                WHERE station_id = $1) AS allowed
    LEFT JOIN id_token_groups AS rules
           ON rules.group_key = lower(token.group_id_token)
          AND rules.organization_id = ANY(allowed.organizations)
    WHERE token.organization_id = ANY(allowed.organizations)
      AND ($2 OR lower(token.group_id_token) = ANY($3))
      AND token.type <> 'NoAuthorization'
      AND ($4::integer IS NULL OR length(token.id_token) <= $4)
      AND ($4::integer IS NULL OR token.type IN ('ISO14443', 'ISO15693') OR NOT EXISTS (
          SELECT FROM id_tokens AS other
          WHERE other.id_token_key <> token.id_token_key
            AND other.organization_id = ANY(allowed.organizations)
            AND other.id_token_key = ANY(ARRAY(
              SELECT split_part(token.id_token_key, E'\\x1f', 1) || suffix
              FROM unnest($6::text[]) AS suffix))))
      AND (NOT allowed.free OR token.status = 'Accepted' AND token.expires_at IS NULL
                               AND coalesce(rules.status, 'Accepted') = 'Accepted')
      AND (allowed.free OR cardinality(allowed.id_tokens) + cardinality(allowed.groups) = 0
           OR lower(token.id_token) IN (SELECT lower(each) FROM unnest(allowed.id_tokens) AS each)
           OR lower(token.group_id_token) IN (SELECT lower(each)
                                              FROM unnest(allowed.groups) AS each))
    ORDER BY token.status <> 'Accepted', token.id_token_key
    LIMIT $5
"""  # noqa: S608 - a part of the statement


async def read_wanted(
    db: Database, local_list: LocalList, *, ocpp_version: str, max_entries: int
) -> WantedEntries:
    """Return what a station's list is to hold.

    Args:
        db: the pool.
        local_list: whose, and which tokens.
        ocpp_version: of the station; OCPP 1.6 takes tokens of up to 20 characters.
        max_entries: how many the station takes.
    """
    async with (
        db.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        revision = await connection.fetchval("SELECT revision FROM authorization_revision")
        records = await connection.fetch(
            _WANTED,
            local_list.station_id,
            local_list.tokens is TokenSelection.ALL,
            [group.lower() for group in local_list.group_id_tokens],
            OCPP_16_ID_TAG_MAX_LENGTH if ocpp_version == "1.6" else None,
            max_entries,
            KEY_SUFFIXES,
        )
    entries = [
        entry
        for record in records
        if (entry := _wanted_entry(record, ocpp_version=ocpp_version)) is not None
    ]
    found = records[0]["found"] if records else 0
    return WantedEntries(entries, found - len(entries), revision)


def _wanted_entry(record: asyncpg.Record, *, ocpp_version: str) -> LocalListEntry | None:
    columns = {field.name: record[field.name] for field in fields(IdToken)}
    token = IdToken(
        **{
            **columns,
            "type": IdTokenType(columns["type"]),
            "status": AuthorizationStatus(columns["status"]),
        }
    )
    group_status = record["group_status"]
    return to_entry(
        token,
        group_status=group_status and AuthorizationStatus(group_status),
        ocpp_version=ocpp_version,
    )
