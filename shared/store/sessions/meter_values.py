"""Writing meter values; `sessions` reads them."""

import asyncio
from collections.abc import Iterable, Sequence

from shared.domain.sessions.meter_values import MeterValue, MeterValuesReported
from shared.store.fingerprints import encode_json, fingerprint
from shared.store.pool import Connection

# Of the event loop: so many take 2 ms to be encoded.
_SAMPLES_PER_TURN = 4_000


def encode(meter_value: MeterValue, transaction_id: str | None) -> tuple[int, str | None, str]:
    """Return fingerprint, energy in Wh and samples of a meter value, as they go to Postgres.

    The energy is text, because Postgres reads a numeric faster than asyncpg writes one.
    """
    samples = encode_json(meter_value.samples)
    wh = meter_value.energy_wh
    return (
        fingerprint(samples, b"" if transaction_id is None else transaction_id.encode()),
        None if wh is None else str(wh),
        samples.decode(),
    )


async def encode_in_turns(
    meter_values: Iterable[tuple[MeterValue, str | None]],
) -> list[tuple[int, str | None, str]]:
    """Encode meter values and their transaction ids, with a turn for all others now and then."""
    encoded = []
    samples = 0
    for meter_value, transaction_id in meter_values:
        encoded.append(encode(meter_value, transaction_id))
        samples += len(meter_value.samples)
        if samples >= _SAMPLES_PER_TURN:
            samples = 0
            await asyncio.sleep(0)
    return encoded


# A session that a rule has closed and that speaks again is worked out at once: the rule may have
# been wrong. While one goes on that can wait, and one that its station ended is looked at again by
# itself. A transaction that nobody knows means the newest session on the EVSE. Sessions of many
# stations are locked in the order of their keys.
_WRITE = """
    WITH kept AS (
        INSERT INTO meter_values (station_id, evse_id, sampled_at, fingerprint, transaction_id,
                                  energy_wh, samples)
        SELECT station_id, evse_id, sampled_at, fingerprint, transaction_id, energy_wh::numeric,
               samples::jsonb
        FROM unnest($1::text[], $2::integer[], $3::timestamptz[], $4::bigint[], $5::text[],
                    $6::text[], $7::text[])
             AS value (station_id, evse_id, sampled_at, fingerprint, transaction_id, energy_wh,
                       samples)
        ON CONFLICT DO NOTHING
        RETURNING station_id, evse_id, transaction_id
    ), told AS (
        SELECT station_id, evse_id, transaction_id, session_id, ended_by
        FROM (SELECT DISTINCT * FROM kept WHERE transaction_id IS NOT NULL) AS kept
        LEFT JOIN (SELECT station_id, transaction_id, session_id, ended_by FROM sessions) AS named
            USING (station_id, transaction_id)
    ), meant AS (
        SELECT session_id FROM told WHERE ended_by = 'rule'
        UNION ALL
        SELECT newest.session_id
        FROM told CROSS JOIN LATERAL (
            SELECT session_id, ended_by FROM sessions
            WHERE station_id = told.station_id AND evse_id = told.evse_id AND started_at IS NOT NULL
            ORDER BY started_at DESC LIMIT 1
        ) AS newest
        WHERE told.session_id IS NULL AND newest.ended_by = 'rule'
    ), speaking AS (
        SELECT session_id FROM sessions
        WHERE session_id IN (SELECT session_id FROM meant) AND ended_by = 'rule'
        ORDER BY station_id, transaction_id FOR UPDATE
    )
    UPDATE sessions SET settle_at = now(), settled_at = NULL
    FROM speaking WHERE sessions.session_id = speaking.session_id
"""


async def write(connection: Connection, facts: Sequence[MeterValuesReported]) -> list[None]:
    """Keep meter values; one that is told again is kept once."""
    station_ids: list[str] = []
    evse_ids: list[int] = []
    sampled_at: list[object] = []
    fingerprints: list[int] = []
    transaction_ids: list[str | None] = []
    energy_wh: list[str | None] = []
    samples: list[str] = []
    encoded_values = iter(
        await encode_in_turns(
            (meter_value, fact.transaction_id)
            for fact in facts
            for meter_value in fact.meter_values
        )
    )
    for fact in facts:
        for meter_value in fact.meter_values:
            its_fingerprint, wh, encoded = next(encoded_values)
            station_ids.append(fact.station_id)
            evse_ids.append(fact.evse_id)
            sampled_at.append(meter_value.sampled_at)
            fingerprints.append(its_fingerprint)
            transaction_ids.append(fact.transaction_id)
            energy_wh.append(wh)
            samples.append(encoded)
    await connection.execute(
        _WRITE,
        station_ids,
        evse_ids,
        sampled_at,
        fingerprints,
        transaction_ids,
        energy_wh,
        samples,
    )
    return [None] * len(facts)
