"""Ends of OCPP 1.6 transactions that are told again with another time.

A station that leaves the time out gets that of the message's coming, and some stamp a message anew
whenever they send it. Such an end says nothing new: the first one stands.
"""

from collections.abc import Sequence
from datetime import timedelta

from shared.domain.sessions import TransactionEnded
from shared.store.pool import Connection

# What is no longer between an end and its coming was stamped for that (ours): the time for which a
# pod holds it is in it, and that for which clocks differ.
_STAMPED_WITHIN = timedelta(minutes=2)
# So long an end that names no transaction of its station may be told again (ours). Three attempts
# at 60 s take three minutes (§3.7.1), a reconnect some more; 0 and -1 are used for many charges.
_STRAY_TOLD_WITHIN = timedelta(minutes=15)
# The newest letters of a station, among which such an end is looked for.
_MAX_LETTERS = 1000


def is_stamped_on_coming(ended_at: str, received_at: str) -> str:
    """Return a condition in SQL: these two times are as near as those of a message sent at once."""
    within = f"interval '{_STAMPED_WITHIN.total_seconds():.0f} seconds'"
    return f"{ended_at} BETWEEN {received_at} - {within} AND {received_at} + {within}"


async def without_retold(
    connection: Connection, strays: Sequence[TransactionEnded]
) -> list[TransactionEnded]:
    """Leave out ends without a transaction of their station that are letters with another time."""
    return [end for end in strays if not await _was_told(connection, end)]


async def _was_told(connection: Connection, end: TransactionEnded) -> bool:
    told: bool = await connection.fetchval(
        _TOLD,
        end.station_id,
        end.transaction_id,
        end.meter_stop_wh,
        end.stopped_reason,
        end.id_token,
        end.ended_at,
        _STRAY_TOLD_WITHIN,
        _MAX_LETTERS,
    )
    return told


_TOLD = f"""
    SELECT EXISTS (
        SELECT FROM (
            SELECT (transaction_end ->> 'ended_at')::timestamptz AS ended_at, transaction_end,
                   received_at
            FROM dead_letters
            WHERE station_id = $1 AND received_at > now() - $7::interval
            ORDER BY dead_letters.dead_letter_id DESC LIMIT $8
        ) AS newest
        WHERE transaction_end ->> 'transaction_id' = $2
          AND (transaction_end ->> 'meter_stop_wh')::numeric = $3
          AND transaction_end ->> 'stopped_reason' = $4
          AND transaction_end ->> 'id_token' IS NOT DISTINCT FROM $5
          AND {is_stamped_on_coming("ended_at", "received_at")}
          AND {is_stamped_on_coming("$6::timestamptz", "now()")}
    )
"""  # noqa: S608 - conditions made above
