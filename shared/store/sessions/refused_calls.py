"""Dead letters of CALLs that were refused before they became facts, with their frames.

They are bounded per station, in number and in bytes: what cannot be understood may be anything.
What is decided upon counts no more. A gateway handles one again when an operator asks for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.domain.sessions.dead_letters import CallRefused
from shared.store.fingerprints import fingerprint
from shared.store.pool import Connection, Database
from shared.store.quotas import BEYOND_QUOTA, RowQuotas
from shared.store.sessions.dead_letters import DELIVERED_BY

KIND = CallRefused.__name__
_DELIVERED = "handled once more, and written where it belongs"


async def write(
    connection: Connection, facts: Sequence[CallRefused], quotas: RowQuotas
) -> list[str | None]:
    """Keep refused CALLs; what is said again, under whatever message id, is kept once.

    Returns:
        Of each fact None, or BEYOND_QUOTA if it was not kept.
    """
    prints = [fingerprint(fact.said.encode(), fact.action.encode()) for fact in facts]
    told = {
        (fact.station_id, print_): (
            fact.station_id,
            print_,
            f"{fact.error_code}: {fact.error_description}",
            _describe(fact),
            fact.frame,
            len(fact.frame.encode()),
            fact.action,
            fact.ocpp_version,
            fact.only_readings,
        )
        for fact, print_ in zip(facts, prints, strict=True)
    }
    records = await connection.fetch(
        """
        WITH told AS (
            SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[],
                                 $6::integer[], $7::text[], $8::text[], $9::boolean[])
                WITH ORDINALITY
                AS told (station_id, fingerprint, reason, fact, frame, frame_bytes, action,
                         ocpp_version, only_readings, position)
        ), fresh AS MATERIALIZED (
            SELECT * FROM told WHERE NOT EXISTS (
                SELECT FROM dead_letters AS kept
                WHERE kept.station_id = told.station_id AND kept.kind = $10
                  AND kept.fingerprint = told.fingerprint
            )
        ), room AS MATERIALIZED (
            SELECT station_id, only_readings, kept.count, kept.bytes
            FROM (SELECT DISTINCT station_id, only_readings FROM fresh) AS each
            CROSS JOIN LATERAL (
                SELECT count(*), coalesce(sum(frame_bytes), 0) AS bytes FROM (
                    SELECT frame_bytes FROM dead_letters
                    WHERE dead_letters.station_id = each.station_id AND kind = 'CallRefused'
                      AND status = 'open' AND dead_letters.only_readings = each.only_readings
                    LIMIT $11
                ) AS letter
            ) AS kept
        ), judged AS MATERIALIZED (
            SELECT fresh.*,
                   room.count + row_number() OVER each <= $11
                   AND room.bytes + sum(frame_bytes) OVER each <= $12 AS fits
            FROM fresh JOIN room USING (station_id, only_readings)
            WINDOW each AS (PARTITION BY station_id, only_readings ORDER BY position)
        ), kept AS (
            INSERT INTO dead_letters (station_id, kind, reason, fact, fingerprint, frame,
                                      frame_bytes, action, ocpp_version, only_readings)
            SELECT station_id, $10, reason, fact, fingerprint, frame, frame_bytes, action,
                   ocpp_version, only_readings
            FROM judged WHERE fits
            -- In one order, so that two pods cannot wait for each other in a circle.
            ORDER BY station_id, fingerprint
            ON CONFLICT DO NOTHING
        )
        SELECT station_id, fingerprint FROM judged WHERE NOT fits
        """,
        *zip(*told.values(), strict=True),
        KIND,
        quotas.refused_calls,
        quotas.refused_call_bytes,
    )
    beyond = {(record["station_id"], record["fingerprint"]) for record in records}
    return [
        BEYOND_QUOTA if (fact.station_id, print_) in beyond else None
        for fact, print_ in zip(facts, prints, strict=True)
    ]


def _describe(fact: CallRefused) -> str:
    """Return what people read beside the frame."""
    return ascii(
        f"{fact.action} of OCPP {fact.ocpp_version}, answered with {fact.error_code}: "
        f"{fact.error_description}"
    )[1:-1]


async def read_frame(db: Database, dead_letter_id: str) -> str | None:
    """Return the frame of a letter, if it has one."""
    frame: str | None = await db.fetchval(
        "SELECT frame FROM dead_letters WHERE dead_letter_id = $1", dead_letter_id
    )
    return frame


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """A refused CALL that is to be handled once more.

    `payload` is what an operator gave for the frame's own. `transaction_id` is that of the session
    which the operator gave it to, if any. `claimed_until` tells this claim from any other one.
    """

    dead_letter_id: str
    station_id: str
    ocpp_version: str
    action: str
    frame: str
    payload: dict[str, Any] | None
    transaction_id: str | None
    claimed_until: datetime


async def claim(db: Database, *, lease_s: float) -> Replay | None:
    """Take the next CALL that is to be handled once more; nobody else gets it for `lease_s`."""
    record = await db.fetchrow(
        """
        WITH due AS (
            SELECT dead_letter_id FROM dead_letters
            WHERE replay_at <= now() AND status = 'open'
            ORDER BY replay_at LIMIT 1 FOR UPDATE SKIP LOCKED
        )
        UPDATE dead_letters AS letter SET replay_at = now() + $1 * interval '1 second'
        FROM due WHERE letter.dead_letter_id = due.dead_letter_id
        RETURNING letter.dead_letter_id::text, station_id, ocpp_version, action, frame,
                  replay_payload AS payload,
                  (SELECT transaction_id FROM sessions WHERE session_id = letter.session_id)
                  AS transaction_id,
                  letter.replay_at AS claimed_until
        """,
        lease_s,
    )
    return None if record is None else Replay(**record)


# An operator may have asked for another payload meanwhile, or somebody else has it after the lease.
_STILL_CLAIMED = "dead_letter_id = $1 AND status = 'open' AND replay_at = $2"


async def set_delivered(db: Database, replay: Replay) -> None:
    """Write down that what a CALL says is kept now, unless it is another's to say."""
    await db.execute(
        f"""
        UPDATE dead_letters
        SET status = 'dismissed', delivered_at = now(), decided_at = now(),
            decided_by = coalesce(decided_by, $3), note = coalesce(note, $4), replay_at = NULL
        WHERE {_STILL_CLAIMED}
        """,  # noqa: S608 - the constant above
        replay.dead_letter_id,
        replay.claimed_until,
        DELIVERED_BY,
        _DELIVERED,
    )


async def set_refused(db: Database, replay: Replay, *, reason: str) -> None:
    """Write down why a CALL was refused once more, likewise; it waits for a person."""
    await db.execute(
        f"""
        UPDATE dead_letters
        SET reason = $3, replay_at = NULL, replay_payload = NULL, session_id = NULL,
            decided_by = NULL, note = NULL
        WHERE {_STILL_CLAIMED}
        """,  # noqa: S608 - the constant above
        replay.dead_letter_id,
        replay.claimed_until,
        ascii(reason)[1:-1],
    )
