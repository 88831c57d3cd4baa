"""How often somebody was wrong: by address, by account, and by both together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import asyncpg

from shared.store.pool import Database


@dataclass(frozen=True, slots=True)
class Attempts:
    """What is known of one key.

    Attributes:
        failures: in a row, without a longer pause.
        since_failure_s: how long ago the last one was; None if there is none.
        has_succeeded: whether somebody was right there lately.
    """

    failures: int
    since_failure_s: float | None
    has_succeeded: bool


MayTry: TypeAlias = Callable[[Sequence[Attempts]], float | None]
_MOST_FAILURES = 1_000_000


async def count(
    db: Database, keys: Sequence[bytes], *, forget_s: float, may_try: MayTry
) -> float | None:
    """Count a try as a failure before it is made, so that many at once are counted as well.

    Args:
        db: where.
        keys: which counters.
        forget_s: failures before a pause of that length do not count any more.
        may_try: judges by what is known of each key, in their order: for how many seconds nobody
            may try; None lets this one through. Who may not is not counted, so that knocking on a
            closed door does not keep it closed.

    Returns:
        What `may_try` did.
    """
    # First without a lock and without a row: whoever may not try leaves none behind.
    wait_s = may_try(_in_order(keys, await db.fetch(_KNOWN, list(keys)), forget_s))
    if wait_s is not None:
        return wait_s
    async with db.acquire() as connection, connection.transaction():
        await connection.execute(
            """
            INSERT INTO login_attempts (attempt_key)
            SELECT attempt_key FROM unnest($1::bytea[]) AS attempt_key ORDER BY attempt_key
            ON CONFLICT DO NOTHING
            """,
            list(keys),
        )
        locked = await connection.fetch(f"{_KNOWN} FOR UPDATE", list(keys))
        known = _in_order(keys, locked, forget_s)
        wait_s = may_try(known)
        if wait_s is None:
            await connection.execute(
                """
                UPDATE login_attempts
                SET failures = told.failures, last_failed_at = now(), updated_at = now()
                FROM unnest($1::bytea[], $2::int[]) AS told (attempt_key, failures)
                WHERE login_attempts.attempt_key = told.attempt_key
                """,
                list(keys),
                [min(each.failures, _MOST_FAILURES) + 1 for each in known],
            )
    return wait_s


_KNOWN = """
    SELECT attempt_key, failures, last_succeeded_at IS NOT NULL AS has_succeeded,
           extract(epoch FROM now() - last_failed_at)::float8 AS since_failure_s
    FROM login_attempts WHERE attempt_key = ANY($1) ORDER BY attempt_key
"""


def _in_order(
    keys: Sequence[bytes], records: Sequence[asyncpg.Record], forget_s: float
) -> list[Attempts]:
    """Return what is known of each key; of one without a row, that nothing is."""
    known = {record["attempt_key"]: _attempts(record, forget_s) for record in records}
    return [known.get(key, Attempts(0, None, has_succeeded=False)) for key in keys]


def _attempts(record: asyncpg.Record, forget_s: float) -> Attempts:
    since_s = record["since_failure_s"]
    if since_s is None or since_s > forget_s:
        return Attempts(0, None, record["has_succeeded"])
    return Attempts(record["failures"], since_s, record["has_succeeded"])


async def take_back(db: Database, keys: Sequence[bytes]) -> None:
    """Take back one failure of each key, as `count` has counted it."""
    await db.execute(
        """
        WITH ordered AS (
            SELECT attempt_key FROM login_attempts
            WHERE attempt_key = ANY($1) ORDER BY attempt_key FOR UPDATE
        )
        UPDATE login_attempts SET failures = greatest(failures - 1, 0)
        WHERE attempt_key IN (SELECT attempt_key FROM ordered)
        """,
        list(keys),
    )


async def forgive(db: Database, pair: bytes, others: Sequence[bytes]) -> None:
    """Take back what `count` has counted: it was right.

    Args:
        db: where.
        pair: of this account and address together nothing is left of failures, and it is known
            from now on.
        others: of these one failure is taken back.
    """
    await db.execute(
        """
        WITH ordered AS (
            SELECT attempt_key FROM login_attempts
            WHERE attempt_key = $1 OR attempt_key = ANY($2) ORDER BY attempt_key FOR UPDATE
        )
        UPDATE login_attempts
        SET failures = CASE attempt_key WHEN $1 THEN 0 ELSE greatest(failures - 1, 0) END,
            last_succeeded_at = CASE attempt_key WHEN $1 THEN now() ELSE last_succeeded_at END,
            updated_at = now()
        WHERE attempt_key IN (SELECT attempt_key FROM ordered)
        """,
        pair,
        list(others),
    )


async def ensure(db: Database, key: bytes) -> None:
    """Have a counter there, for `forgive`."""
    await db.execute(
        "INSERT INTO login_attempts (attempt_key) VALUES ($1) ON CONFLICT DO NOTHING", key
    )


async def sweep(db: Database, *, forget_s: float, known_s: float) -> int:
    """Forget old failures, and later on where somebody was right; return how many keys."""
    deleted = await db.execute(
        """
        DELETE FROM login_attempts
        WHERE updated_at < now() - make_interval(secs => $1)
          AND (last_succeeded_at IS NULL
               OR last_succeeded_at < now() - make_interval(secs => $2))
        """,
        forget_s,
        known_s,
    )
    return int(deleted.rpartition(" ")[2])
