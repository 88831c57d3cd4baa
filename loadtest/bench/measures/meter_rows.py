"""How fast meter values go into Postgres, the gateway aside."""

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count, islice

from loadtest.bench.context import Bench
from loadtest.bench.figures import Figure, Goal, compare
from loadtest.bench.yardsticks.postgres import Row
from shared.domain.sessions.meter_values import MeterSample, MeterValue, MeterValuesReported
from shared.settings import DatabaseSettings
from shared.store import facts
from shared.store.fingerprints import encode_json, fingerprint
from shared.store.pool import open_database

_BATCH = 1_000
_STATIONS = 500


async def measure(bench: Bench) -> list[Figure]:
    """Rows per second through `shared.store.facts.write`, beside a COPY of the same rows.

    What is copied has been encoded beforehand, and COPY would fail on a row that is there already;
    encoding, and recognising what is told again, is what the difference pays for.
    """
    plan = bench.plan
    rows = plan.row_batches * _BATCH
    source = meter_values()
    ours: list[float] = []
    raw: list[float] = []
    settings = DatabaseSettings(database_url=bench.cluster.database_url)
    async with open_database(settings) as db:
        for _ in range(plan.rounds):
            encoded = [encode_batch(batch) for batch in _batches(source, plan.row_batches)]
            raw.append(rows / await bench.postgres.copy_meter_values(encoded))
            batches = list(_batches(source, plan.row_batches))
            began_s = time.perf_counter()
            for batch in batches:
                await facts.write(db, batch)
            ours.append(rows / (time.perf_counter() - began_s))
    return [
        compare(
            "meter rows into Postgres",
            ours,
            raw,
            unit="rows/s",
            yardstick_name="raw COPY, same key",
            goal=Goal(bound=0.6, stretch=0.8, at_least=True),
            note=f"batches of {_BATCH:,}",
        )
    ]


def _batches(
    source: Iterator[MeterValuesReported], number: int
) -> Iterator[list[MeterValuesReported]]:
    for _ in range(number):
        yield list(islice(source, _BATCH))


def meter_values() -> Iterator[MeterValuesReported]:
    """Give meter values of five samples without end, of many stations in turn."""
    clock = datetime.now(UTC)
    for number in count():
        instant, station = divmod(number, _STATIONS)
        samples: list[MeterSample] = [
            _sample("Energy.Active.Import.Register", str(number), "Wh"),
            _sample("Power.Active.Import", "10980.5", "W"),
            _sample("Current.Import", "15.9", "A", phase="L1"),
            _sample("Voltage", "230.1", "V", phase="L1"),
            _sample("SoC", "57", "Percent"),
        ]
        value = MeterValue(clock + timedelta(seconds=instant), samples, Decimal(number))
        yield MeterValuesReported(f"ROWS-{station}", 1, "1", [value])


def _sample(measurand: str, value: str, unit: str, *, phase: str | None = None) -> MeterSample:
    sample = MeterSample(
        value=value,
        context="Sample.Periodic",
        location="Outlet",
        measurand=measurand,
        unit=unit,
    )
    if phase is not None:
        sample["phase"] = phase
    return sample


def encode_batch(batch: Sequence[MeterValuesReported]) -> list[Row]:
    """Return the rows that `shared.store.meter_values` would write."""
    return [
        (
            fact.station_id,
            fact.evse_id,
            value.sampled_at,
            fingerprint(encoded),
            fact.transaction_id,
            value.energy_wh,
            encoded.decode(),
        )
        for fact in batch
        for value in fact.meter_values
        for encoded in (encode_json(value.samples),)
    ]
