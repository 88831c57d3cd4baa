"""What stations tell of their transfers, step by step, each with the request that it is of."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import asyncpg

from shared.domain.commands import CommandState
from shared.domain.upkeep.progress import ACCEPTED_CANCELED, IDLE, YES, Progress, ReportedStatus
from shared.domain.upkeep.unnamed_progress import Transfer, find_meant
from shared.store.pool import Connection
from shared.store.upkeep.progress import Tables

# Of one station: how many of its latest requests that were not refused it may mean without saying.
_MAX_OPEN = 10
_SENT = [
    CommandState.SENT,
    CommandState.ACCEPTED,
    CommandState.ANSWERED,
    CommandState.TIMED_OUT,
    CommandState.UNKNOWN,
]
_ANSWERED = frozenset({CommandState.ACCEPTED, CommandState.ANSWERED})


class Reported(Protocol):
    """What the facts of progress have in common."""

    @property
    def station_id(self) -> str:
        """Who told it."""

    @property
    def request_id(self) -> int | None:
        """Of which request; None if the message cannot say, or did not."""

    @property
    def action(self) -> str | None:
        """By which message the request was made; None if there is one only."""

    @property
    def status(self) -> str:
        """How far it is."""

    @property
    def reported_at(self) -> datetime:
        """When it reached us."""


@dataclass(slots=True, eq=False)
class _Request:
    """A request as it stands; `key` is None for one that begins here.

    `open_` is whether it can be meant without being named.
    """

    key: str | None
    station_id: str
    request_id: int | None
    action: str | None
    transfer: Transfer
    open_: bool = True

    def is_asked_by(self, action: str | None) -> bool:
        """Tell whether it may have been made by this message."""
        return action is None or self.action is None or self.action == action


async def write(connection: Connection, tables: Tables, facts: Sequence[Reported]) -> list[None]:
    """Keep how far stations are.

    What a station tells of a request that we do not know begins one, except that it is idle.
    """
    known = await _find_requests(connection, tables, facts)
    for fact in facts:
        requests = known.setdefault(fact.station_id, [])
        meant = _find_meant(requests, fact, tables)
        if meant is None:
            continue
        if not meant and fact.status != IDLE:
            meant = [_begin(fact, requests)]
            requests.insert(0, meant[0])
        step = ReportedStatus(fact.status, fact.reported_at, ambiguous=len(meant) > 1)
        for request in meant:
            request.transfer.progress.tell(step)
    changed = [
        request
        for requests in known.values()
        for request in requests
        if request.transfer.progress.steps
    ]
    if changed:
        await _create_missing(connection, tables, changed)
        await _keep_steps(connection, tables, changed)
    return [None] * len(facts)


def _find_meant(
    requests: Iterable[_Request], fact: Reported, tables: Tables
) -> list[_Request] | None:
    """Return which requests a fact is of, as far as they are known; None if it was told before."""
    own = [request for request in requests if request.is_asked_by(fact.action)]
    if fact.request_id is not None:
        named = [request for request in own if request.request_id == fact.request_id]
        if named or all(request.request_id != fact.request_id for request in requests):
            return named
        # The id is one that only we know, of a message that carries none: it means nothing.
    own = [request for request in own if request.open_]
    if any(request.transfer.is_known_to_be_told(fact.reported_at) for request in own):
        return None
    transfers = {id(request.transfer): request for request in own}
    meant = find_meant(
        [request.transfer for request in own], fact.status, fact.reported_at, tables.words
    )
    return [transfers[id(transfer)] for transfer in meant]


def _begin(fact: Reported, others: Iterable[_Request]) -> _Request:
    taken = any(request.request_id == fact.request_id for request in others)
    transfer = Transfer(
        progress=Progress(), answered=True, superseded=False, heard_at=fact.reported_at
    )
    return _Request(
        None, fact.station_id, None if taken else fact.request_id, fact.action, transfer
    )


async def _find_requests(
    connection: Connection, tables: Tables, facts: Sequence[Reported]
) -> dict[str, list[_Request]]:
    """Return what each station may mean, the newest first; locked."""
    named = [(fact.station_id, fact.request_id) for fact in facts if fact.request_id is not None]
    records = await connection.fetch(
        f"""
        SELECT request.{tables.key}::text AS key, request.station_id, request.request_id,
               coalesce(request.action,
                        CASE WHEN request.location IS NOT NULL THEN {tables.action} END) AS action,
               request.status, request.status_at, request.ambiguous, request.answer_status,
               request.location IS NULL AS told_by_itself, {tables.due_at} AS due_at,
               commands.state AS command_state,
               greatest(request.created_at, commands.finished_at) AS heard_at,
               request.{tables.key} = ANY (asked.open) AS open
        FROM (
            SELECT told.station_id, ARRAY(
                SELECT recent.{tables.key} FROM {tables.requests} AS recent
                WHERE recent.station_id = told.station_id
                  -- Not one of a station that had this id before.
                  AND (stations.created_at > recent.created_at) IS NOT TRUE
                  AND CASE
                      WHEN recent.answer_status IS NOT NULL
                      THEN recent.answer_status = ANY ($4)
                      WHEN recent.location IS NULL THEN true
                      WHEN recent.command_id IS NOT NULL THEN EXISTS (
                          SELECT FROM commands
                          WHERE commands.command_id = recent.command_id
                            AND commands.state = ANY ($5)
                      )
                      -- Which command it is, is told here a moment after that was queued.
                      ELSE EXISTS (
                          SELECT FROM commands
                          WHERE commands.station_id = recent.station_id
                            AND commands.command_id > recent.{tables.key}
                            AND commands.type = '{tables.command}'
                            AND commands.state = ANY ($5)
                            AND (commands.params->>'request_id')::integer = recent.request_id
                      ) END
                ORDER BY recent.{tables.key} DESC LIMIT {_MAX_OPEN}
            ) AS open
            FROM unnest($1::text[]) AS told (station_id) LEFT JOIN stations USING (station_id)
        ) AS asked
        JOIN {tables.requests} AS request ON request.station_id = asked.station_id
        LEFT JOIN commands USING (command_id)
        WHERE request.{tables.key} = ANY (asked.open)
           OR (request.station_id, request.request_id)
              IN (SELECT * FROM unnest($2::text[], $3::integer[]))
        -- In one order, so that two pods cannot wait for each other in a circle.
        ORDER BY request.station_id, request.{tables.key} DESC
        FOR UPDATE OF request
        """,  # noqa: S608 - names of our own tables
        sorted({fact.station_id for fact in facts}),
        [station_id for station_id, _ in named],
        [request_id for _, request_id in named],
        list(YES),
        _SENT,
    )
    known: dict[str, list[_Request]] = {}
    superseded: set[str] = set()
    for record in records:
        station_id = record["station_id"]
        known.setdefault(station_id, []).append(
            _request(record, superseded=station_id in superseded)
        )
        if record["answer_status"] == ACCEPTED_CANCELED:
            superseded.add(station_id)
    return known


def _request(record: asyncpg.Record, *, superseded: bool) -> _Request:
    transfer = Transfer(
        progress=Progress(record["status"], record["status_at"], record["ambiguous"]),
        answered=(
            record["answer_status"] is not None
            or record["told_by_itself"]
            or record["command_state"] in _ANSWERED
        ),
        superseded=superseded,
        heard_at=record["heard_at"],
        due_at=record["due_at"],
    )
    return _Request(
        record["key"],
        record["station_id"],
        record["request_id"],
        record["action"],
        transfer,
        record["open"],
    )


async def _create_missing(
    connection: Connection, tables: Tables, requests: Sequence[_Request]
) -> None:
    for request in requests:
        if request.key is None:  # rare: somebody else asked the station, or it did so itself
            request.key = await connection.fetchval(
                f"""
                INSERT INTO {tables.requests} (station_id, request_id, action)
                VALUES ($1, coalesce($2::integer, nextval('request_ids')), $3)
                ON CONFLICT (station_id, request_id) DO UPDATE SET station_id = excluded.station_id
                RETURNING {tables.key}::text
                """,  # noqa: S608 - as above
                request.station_id,
                request.request_id,
                request.action,
            )


async def _keep_steps(connection: Connection, tables: Tables, requests: Sequence[_Request]) -> None:
    steps = [
        (request.key, step.reported_at, step.status, step.ambiguous)
        for request in requests
        for step in request.transfer.progress.steps
    ]
    await connection.execute(
        f"""
        INSERT INTO {tables.steps} ({tables.key}, reported_at, status, ambiguous)
        SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::boolean[])
        ON CONFLICT DO NOTHING
        """,  # noqa: S608 - as above
        *zip(*steps, strict=True),
    )
    told = [(request.key, request.transfer.progress) for request in requests]
    await connection.execute(
        f"""
        UPDATE {tables.requests} AS request
        SET status = told.status, status_at = told.status_at, ambiguous = told.ambiguous
        FROM unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::boolean[])
             AS told (key, status, status_at, ambiguous)
        WHERE request.{tables.key} = told.key AND told.status IS NOT NULL
          AND (request.status_at IS NULL OR request.status_at <= told.status_at)
        """,  # noqa: S608 - as above
        [key for key, _ in told],
        [progress.status for _, progress in told],
        [progress.status_at for _, progress in told],
        [progress.ambiguous for _, progress in told],
    )
