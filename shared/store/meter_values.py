"""Writing meter values; `sessions` reads them."""

from collections.abc import Sequence
from decimal import Decimal

from shared.domain.meter_values import MeterValuesReported
from shared.store.fingerprints import encode_json, fingerprint
from shared.store.pool import Connection


async def write(connection: Connection, facts: Sequence[MeterValuesReported]) -> list[None]:
    """Keep meter values; one that is told again is kept once."""
    station_ids: list[str] = []
    evse_ids: list[int] = []
    sampled_at: list[object] = []
    fingerprints: list[int] = []
    transaction_ids: list[str | None] = []
    energy_wh: list[Decimal | None] = []
    samples: list[str] = []
    for fact in facts:
        transaction_id = fact.transaction_id
        salt = b"" if transaction_id is None else transaction_id.encode()
        for meter_value in fact.meter_values:
            encoded = encode_json(meter_value.samples)
            station_ids.append(fact.station_id)
            evse_ids.append(fact.evse_id)
            sampled_at.append(meter_value.sampled_at)
            fingerprints.append(fingerprint(encoded, salt))
            transaction_ids.append(transaction_id)
            energy_wh.append(meter_value.energy_wh)
            samples.append(encoded.decode())
    await connection.execute(
        """
        INSERT INTO meter_values (station_id, evse_id, sampled_at, fingerprint, transaction_id,
                                  energy_wh, samples)
        SELECT station_id, evse_id, sampled_at, fingerprint, transaction_id, energy_wh,
               samples::jsonb
        FROM unnest($1::text[], $2::integer[], $3::timestamptz[], $4::bigint[], $5::text[],
                    $6::numeric[], $7::text[])
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
