"""Commands: the one record of what was asked of a station and what became of it.

Every step of a command's life is an `UPDATE … WHERE state = …` here, so that two pods, a late
answer and a sweeper cannot both take it.
"""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import asyncpg

from shared.domain.commands import (
    COMMANDS,
    Command,
    CommandRecord,
    CommandState,
    Outcome,
    QueuedReason,
    command_params,
)
from shared.domain.error_codes import ConflictCode, NotFoundCode
from shared.domain.errors import CommandQueueFullError, ConflictError, NotFoundError
from shared.domain.redaction import redact
from shared.store import password_changes
from shared.store.commands import parked
from shared.store.pool import Database

_COMPUTED = {
    "command_id": "command_id::text",
    "batch_id": "batch_id::text",
    "queued_reason": parked.QUEUED_REASON,
}
COLUMNS = ", ".join(_COMPUTED.get(field.name, field.name) for field in fields(CommandRecord))
"""What a statement selects that reads whole commands."""
_NAMES = ", ".join(field.name for field in fields(CommandRecord))
_TAKEN_COLUMNS = COLUMNS.replace("params", "old.params", 1)
WITHOUT_SECRETS = """
    params = coalesce(redacted_params, params), redacted_params = NULL, password_hash = NULL
"""
"""What a statement assigns that takes a command out of the queue: nobody needs its secrets now."""
# A batch's commands may all end at one time, and ending very many would take a statement too long.
_ENDED_AT_ONCE = 5000
# How often one sweep looks again after it has parked what it met.
_MAX_LOOKS = 5
_NOT_REPEATABLE = [name for name, command in COMMANDS.items() if not command.repeatable]


def to_record(record: asyncpg.Record) -> CommandRecord:
    """Return the command in a row of `COLUMNS`."""
    state, reason = CommandState(record["state"]), record["queued_reason"]
    waits = {"queued_reason": reason and QueuedReason(reason)}
    return CommandRecord(**{**record, "state": state, **waits})


async def create(
    db: Database,
    *,
    station_id: str,
    command: Command,
    timeout_s: float,
    idempotency_key: str | None = None,
    max_queued: int | None = None,
    password_hash: str | None = None,
) -> tuple[CommandRecord, bool]:
    """Queue a command.

    Args:
        db: the pool.
        station_id: whom it is for.
        command: what to ask.
        timeout_s: it is not sent later than this.
        idempotency_key: the caller's own; the same key again gives the first command back.
        max_queued: so many commands may wait for the station; None for any number.
        password_hash: of the password that the command gives the station, if it gives one.

    Returns:
        The command, and whether it is new.

    Raises:
        NotFoundError: there is no such station.
        ConflictError: the key was used for another command.
        CommandQueueFullError: too many commands wait for the station.
    """
    name, params = type(command).__name__, command_params(command)
    record = await db.fetchrow(
        f"""
        INSERT INTO commands (station_id, type, params, idempotency_key, expires_at,
                              redacted_params, password_hash)
        SELECT station_id, $2, $3::jsonb, $4, now() + make_interval(secs => $5), $7::jsonb, $8
        FROM stations
        WHERE station_id = $1
          AND ($6::bigint IS NULL
               OR $6 > (SELECT count(*) FROM commands WHERE station_id = $1 AND state = 'queued'))
        ON CONFLICT (station_id, idempotency_key) DO NOTHING
        RETURNING {COLUMNS}
        """,  # noqa: S608 - column names of a dataclass
        station_id,
        name,
        params,
        idempotency_key,
        timeout_s,
        max_queued,
        redacted_params(params),
        password_hash,
    )
    if record is not None:
        return to_record(record), True
    first = await find_repeated(
        db, station_id=station_id, command=command, idempotency_key=idempotency_key
    )
    if first is not None:
        return first, False
    if await db.fetchval("SELECT true FROM stations WHERE station_id = $1", station_id):
        raise CommandQueueFullError(
            f"{max_queued} commands wait for station {station_id!r} already: wait for their "
            "outcomes, or cancel some"
        )
    raise NotFoundError(f"there is no station {station_id!r}", code=NotFoundCode.STATION)


async def find_repeated(
    db: Database, *, station_id: str, command: Command, idempotency_key: str | None
) -> CommandRecord | None:
    """Return the command that was asked for with this key before, or None if there is none.

    Secrets are not compared once the command has left the queue: they are not kept.

    Raises:
        ConflictError: the key was used for another command.
    """
    record = await db.fetchrow(
        f"SELECT {COLUMNS} FROM commands WHERE station_id = $1 AND idempotency_key = $2",  # noqa: S608 - as above
        station_id,
        idempotency_key,
    )
    if record is None:
        return None
    first = to_record(record)
    asked = _as_stored(command_params(command))
    if first.type != type(command).__name__ or first.params not in (asked, redact(asked)):
        raise ConflictError(
            f"idempotency key {idempotency_key!r} was used for another command of station "
            f"{station_id!r} ({first.command_id}): use a new key for a new command",
            code=ConflictCode.IDEMPOTENCY_KEY_REUSED,
        )
    return first


def redacted_params(params: dict[str, Any]) -> dict[str, Any] | None:
    """Return what is kept of a command's fields once it is sent; None if they hold no secret."""
    redacted: dict[str, Any] = redact(params)
    return None if redacted == params else redacted


def _as_stored(params: dict[str, object]) -> dict[str, object]:
    return {
        key: list(value) if isinstance(value, tuple) else value for key, value in params.items()
    }


async def get(db: Database, command_id: str) -> CommandRecord:
    """Return one command.

    Raises:
        NotFoundError: there is none with this id.
    """
    record = await db.fetchrow(
        f"SELECT {COLUMNS} FROM commands WHERE command_id = $1",  # noqa: S608 - as above
        command_id,
    )
    if record is None:
        raise NotFoundError(f"there is no command {command_id}", code=NotFoundCode.COMMAND)
    return to_record(record)


async def take_for_sending(
    db: Database, command_id: str, *, connection_id: str, pod_id: str
) -> CommandRecord | None:
    """Take a queued command for sending: the step that makes it at most once on the wire.

    Its secrets are in what is returned, and in the store no more. A password that it gives the
    station counts from now on.

    Returns:
        None if it expired, was taken or cancelled, if another connection speaks for the station, or
        if the command was for one that had the station's id before; then it must not be sent.
    """
    record = await db.fetchrow(
        f"""
        WITH taken AS (
            UPDATE commands SET state = 'sent', sent_at = now(), pod_id = $3, {WITHOUT_SECRETS}
            WHERE command_id = $1 AND state = 'queued' AND expires_at > now()
              AND EXISTS (SELECT FROM stations
                          WHERE stations.station_id = commands.station_id AND connection_id = $2
                            AND stations.created_at <= commands.created_at
                            AND {password_changes.SENDABLE})
            RETURNING {_TAKEN_COLUMNS}, old.password_hash
        ),
        {password_changes.NOTED}
        SELECT {_NAMES} FROM taken
        """,  # noqa: S608 - as above
        command_id,
        connection_id,
        pod_id,
    )
    return None if record is None else to_record(record)


async def finish(db: Database, command_id: str, outcome: Outcome) -> bool:
    """Keep what became of a command that was taken for sending.

    Returns:
        False if the command was finished before, for example by the sweeper; the first outcome
        stands.
    """
    ended = await db.fetchval(
        f"""
        WITH ended AS (
            UPDATE commands
            SET state = $2, finished_at = now(), status = $3, response = $4, error_code = $5,
                error_description = $6
            WHERE command_id = $1 AND state = 'sent'
            RETURNING command_id, station_id, state
        ),
        {password_changes.SETTLED}
        SELECT count(*) = 1 FROM ended
        """,  # noqa: S608 - a part of the statement
        command_id,
        outcome.state,
        outcome.status,
        outcome.response,
        outcome.error_code,
        outcome.error_description,
    )
    return bool(ended)


async def cancel(db: Database, command_id: str) -> bool:
    """End a queued command on request of whoever asked for it.

    Returns:
        False if it is not queued any more.
    """
    tag = await db.execute(
        f"""
        UPDATE commands
        SET state = 'cancelled', finished_at = now(), error_code = 'Cancelled',
            error_description = 'it was cancelled before it was sent', {WITHOUT_SECRETS}
        WHERE command_id = $1 AND state = 'queued'
        """,  # noqa: S608 - a part of the statement
        command_id,
    )
    return tag == "UPDATE 1"


async def withdraw(db: Database, command_id: str) -> bool:
    """Forget a queued command that could not be handed to its pod, as if it was never asked for.

    Its idempotency key is free again, so that whoever was refused may ask again with it.

    Returns:
        False if it is not queued any more: a pod got it after all.
    """
    tag = await db.execute(
        "DELETE FROM commands WHERE command_id = $1 AND state = 'queued'", command_id
    )
    return tag == "DELETE 1"


async def list_ended(db: Database, command_ids: Sequence[str]) -> list[str]:
    """Return which of these commands have ended, or are gone."""
    records = await db.fetch(
        """
        SELECT asked.command_id::text
        FROM unnest($1::uuid[]) AS asked (command_id)
        WHERE NOT EXISTS (SELECT FROM commands
                          WHERE commands.command_id = asked.command_id
                            AND state IN ('queued', 'sent'))
        """,
        command_ids,
    )
    return [record["command_id"] for record in records]


async def sweep_expired(db: Database) -> int:
    """End queued commands whose time is over; they were never sent."""
    return await _end_many(
        db,
        f"""
        UPDATE commands
        SET state = 'expired', finished_at = now(), error_code = 'Expired',
            error_description = 'it could not be sent before its deadline', {WITHOUT_SECRETS}
        WHERE state = 'queued' AND command_id IN (
            SELECT command_id FROM commands WHERE state = 'queued' AND expires_at <= now()
            LIMIT $1 FOR UPDATE SKIP LOCKED
        )
        """,  # noqa: S608 - a part of the statement
    )


async def sweep_unanswered(db: Database, *, grace_s: float) -> int:
    """End sent commands whose pod will not do it any more.

    A living pod ends its commands by itself when their time is over; `grace_s` is how much longer
    it gets. A dead pod's commands are ended at once.
    """
    return await _end_many(
        db,
        """
        UPDATE commands
        SET state = CASE WHEN type = ANY($2) THEN 'unknown' ELSE 'timed_out' END,
            finished_at = now(), error_code = 'NoAnswer',
            error_description = 'it was sent, and the connection or its pod was lost before the '
                                'answer: ask the station for its state before sending it again'
        WHERE state = 'sent' AND command_id IN (
            SELECT command_id FROM commands
            WHERE state = 'sent'
              AND (expires_at < now() - make_interval(secs => $3)
                   OR NOT EXISTS (SELECT FROM pods WHERE pods.pod_id = commands.pod_id))
            LIMIT $1 FOR UPDATE SKIP LOCKED
        )
        """,
        _NOT_REPEATABLE,
        grace_s,
    )


async def _end_many(db: Database, statement: str, *arguments: object) -> int:
    """Run a statement until it finds less than `_ENDED_AT_ONCE`: of very many none takes long."""
    total = 0
    while True:
        tag = await db.execute(statement, _ENDED_AT_ONCE, *arguments)
        count = int(tag.rpartition(" ")[2])
        total += count
        if count < _ENDED_AT_ONCE:
            return total


async def list_waiting(db: Database, *, older_than_s: float, limit: int) -> list[tuple[str, str]]:
    """Return (command_id, station_id) of those to be routed again, the longest waiting first.

    These are commands of stations that are online, and have either connected since the command was
    last put on its way, as after their pod's death, or not got it within `older_than_s`, as when a
    stream was lost. Those of stations that are offline are met once and parked, however many they
    are. A batch's own pace decides when its commands go for the first time.
    """
    waiting: list[tuple[str, str]] = []
    for _ in range(_MAX_LOOKS):
        records = await db.fetch(_WAITING, older_than_s, 2 * limit)
        waiting = [(each["command_id"], each["station_id"]) for each in records if each["due"]]
        idle = [each["command_id"] for each in records if not each["online"]]
        if len(waiting) >= limit or not idle or not await parked.park(db, idle):
            break
    return waiting[:limit]


_WAITING = """
    SELECT command_id::text, waiting.station_id, coalesce(online, false) AS online,
           online AND expires_at > now()
           AND (waits_since < now() - make_interval(secs => $1) OR connected_at > waits_since)
               AS due
    FROM (
        SELECT command_id, station_id, expires_at, coalesce(routed_at, created_at) AS waits_since
        FROM commands
        WHERE state = 'queued' AND NOT parked AND (batch_id IS NULL OR routed_at IS NOT NULL)
        ORDER BY coalesce(routed_at, created_at) LIMIT $2
    ) AS waiting
    LEFT JOIN stations USING (station_id)
    ORDER BY waits_since
"""


async def note_routed(db: Database, command_ids: Sequence[str]) -> None:
    """Keep that these were put on their way once more, so that others come before them next."""
    await db.execute(
        "UPDATE commands SET routed_at = now() "
        "WHERE command_id = ANY($1::uuid[]) AND state = 'queued'",
        command_ids,
    )
