"""Writing meter values; `sessions` reads them."""

from collections.abc import Sequence

from shared.domain.meter_values import MeterValue, MeterValuesReported
from shared.store.fingerprints import encode_json, fingerprint
from shared.store.pool import Connection


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


async def write(connection: Connection, facts: Sequence[MeterValuesReported]) -> list[None]:
    """Keep meter values; one that is told again is kept once."""
    station_ids: list[str] = []
    evse_ids: list[int] = []
    sampled_at: list[object] = []
    fingerprints: list[int] = []
    transaction_ids: list[str | None] = []
    energy_wh: list[str | None] = []
    samples: list[str] = []
    for fact in facts:
        for meter_value in fact.meter_values:
            its_fingerprint, wh, encoded = encode(meter_value, fact.transaction_id)
            station_ids.append(fact.station_id)
            evse_ids.append(fact.evse_id)
            sampled_at.append(meter_value.sampled_at)
            fingerprints.append(its_fingerprint)
            transaction_ids.append(fact.transaction_id)
            energy_wh.append(wh)
            samples.append(encoded)
    await connection.execute(
        """
        INSERT INTO meter_values (station_id, evse_id, sampled_at, fingerprint, transaction_id,
                                  energy_wh, samples)
        SELECT station_id, evse_id, sampled_at, fingerprint, transaction_id, energy_wh::numeric,
               samples::jsonb
        FROM unnest($1::text[], $2::integer[], $3::timestamptz[], $4::bigint[], $5::text[],
                    $6::text[], $7::text[])
             AS value (station_id, evse_id, sampled_at, fingerprint, transaction_id, energy_wh,
                       samples)
        ON CONFLICT DO NOTHING
        """,
        station_ids,
        evse_ids,
        sampled_at,
        fingerprints,
        transaction_ids,
        energy_wh,
        samples,
    )
    return [None] * len(facts)
